// /api/v1/jobs/{id}/logs: pages of JSON or text, or a stream that goes on until the job has ended.
#include "tools/gateway/answers.hpp"
#include "tools/gateway/jobs_api.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::gateway {

namespace {

constexpr std::chrono::milliseconds look_again{300};
/// Lines of one frame of a stream, whose id is the cursor behind them.
constexpr std::size_t frame_lines = 200;

bool accepts(const request& in, std::string_view type) {
  const auto* accept = in.header("accept");
  return accept != nullptr && accept->find(type) != std::string::npos;
}

/// An empty page while the job was not accepted.
result<json::object> page_of(const api_parts& parts, const known_job& job, const std::string& cursor, std::size_t limit) {
  if (job.backend_id.empty())
    return json::object{{"lines", json::array{}}, {"next_cursor", cursor}, {"has_more", false}, {"cut_bytes", 0}};
  auto page = ask_about_jobs(
      parts, {{"do", "job_logs"}, {"backend", job.backend}, {"id", job.backend_id}, {"cursor", cursor}, {"limit", limit}});
  if (!page) return page.error();
  return std::move(page->as_object());
}

std::string as_text(const json::object& page) {
  std::string out;
  for (const auto& each : list_of(page, "lines")) {
    out += text_of(each.get_object(), "text");
    if (!flag_of(each.get_object(), "continues")) out += "\n";
  }
  return out;
}

// Operation: a page is read on a thread that may block, written on the server's, and the next one is read when the client has
// taken it; where there is none yet, a moment later. After the job's end there is one more look: what it wrote last.
class log_stream : public std::enable_shared_from_this<log_stream> {
 public:
  log_stream(const api_parts& parts, std::shared_ptr<call> of, std::string cursor)
      : parts_(parts), of_(std::move(of)), cursor_(cursor), told_(std::move(cursor)) {}

  void start() {
    response head{.type = "text/event-stream", .headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}}};
    of_->at->answer_with_stream(std::move(head), ": ping\n\n", [self = shared_from_this()](std::shared_ptr<stream> to) {
      self->to_ = std::move(to);
      self->to_->on_room([self] { self->read_on(); });
      self->to_->on_gone([self] { self->to_.reset(); });
      self->of_->at->on_drain([self] { self->stop(); });
      self->read_on();
    });
  }

 private:
  struct outcome {
    std::string text, cursor;
    bool more = false, over = false;
  };
  void read_on() {
    if (busy_ || !to_) return;
    busy_ = true;
    of_->at->work([self = shared_from_this()] {
      const auto told = std::make_shared<outcome>(self->look());
      self->of_->at->post([self, told] { self->tell(*told); });
    });
  }
  outcome look() {
    outcome out{.cursor = cursor_};
    const auto job = job_of(parts_, *of_);
    const auto page = job ? page_of(parts_, *job, cursor_, frame_lines) : result<json::object>{job.error()};
    if (!page) {
      out.text = frame(cursor_, "error", json::object{{"error", cluster::to_wire(page.error())}});
      out.over = true;
      return out;
    }
    const auto next = text_of(*page, "next_cursor");
    if (!list_of(*page, "lines").empty()) {
      cursor_ = out.cursor = next;
      out.text =
          frame(cursor_, "lines", json::object{{"lines", list_of(*page, "lines")}, {"cut_bytes", value_of(*page, "cut_bytes")}});
    }
    out.more = flag_of(*page, "has_more");
    if (out.more) return out;
    if (std::exchange(ended_, job->ended)) {
      out.text += frame(cursor_, "end", job->shown);
      out.over = true;
    }
    return out;
  }
  static std::string frame(const std::string& cursor, std::string_view event, const json::object& data) {
    return "id: " + cursor + "\nevent: " + std::string{event} + "\ndata: " + json_text(data) + "\n\n";
  }
  void tell(const outcome& what) {
    busy_ = false;
    if (!to_) return;
    told_ = what.cursor;
    to_->write(what.text);
    if (what.over) return to_->end();
    if (!what.text.empty()) return;  // on_room
    parts_.later.after(look_again, [self = shared_from_this()] { self->of_->at->post([self] { self->read_on(); }); });
  }
  void stop() {
    if (!to_) return;
    to_->write(frame(told_, "shutdown", json::object{{"message", "the node stops; resume with Last-Event-ID"}}));
    to_->end();
  }

  api_parts parts_;
  std::shared_ptr<call> of_;
  std::string cursor_;  // one reader at a time
  bool ended_ = false;  // the same
  std::string told_;    // the server's thread, as what follows
  bool busy_ = false;
  std::shared_ptr<stream> to_;
};

void give_logs(const api_parts& parts, const std::shared_ptr<call>& of) {
  const auto& in = of->in();
  const auto job = job_of(parts, *of);
  if (!job) return of->fail(job.error());
  const auto* cursor = in.header("last-event-id");
  if (cursor == nullptr) cursor = in.parameter("cursor");
  const std::string from = cursor == nullptr ? "" : *cursor;
  const auto limit = number_parameter(in, "limit", 1'000, 1, perdure::limits::job_log_page_lines);
  if (!limit) return of->fail(limit.error());
  if (accepts(in, "text/event-stream")) {
    // A cursor that is none is told as such, not in a stream.
    const auto first = page_of(parts, *job, from, 1);
    if (!first) return of->fail(first.error());
    return std::make_shared<log_stream>(parts, of, from)->start();
  }
  const auto page = page_of(parts, *job, from, *limit);
  if (!page) return of->fail(page.error());
  if (!accepts(in, "text/plain")) return of->answer(json_answer(*page));
  of->answer({.body = as_text(*page),
              .type = "text/plain; charset=utf-8",
              .headers = {{"X-Next-Cursor", text_of(*page, "next_cursor")},
                          {"X-Has-More", flag_of(*page, "has_more") ? "true" : "false"}}});
}

}  // namespace

void add_job_log_routes(router& to, const api_parts& parts) {
  to.add("GET", "/api/v1/jobs/{id}/logs", right::read, [parts](const std::shared_ptr<call>& of) { give_logs(parts, of); });
}

}  // namespace perdure::tools::gateway
