// POST /v1/workflows/run and /v1/workflows/{workflow_id}/run
#include <mutex>

#include "tools/gateway/event_stream.hpp"
#include "tools/gateway/service_file_api.hpp"
#include "tools/gateway/service_frames.hpp"
#include "tools/gateway/service_run.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::gateway {

namespace {

// Answers when the run has ended or is paused. Holds no thread meanwhile.
class answer_at_end : public std::enable_shared_from_this<answer_at_end> {
 public:
  answer_at_end(std::shared_ptr<exchange> at, run_ref run, lsn_t live_from)
      : at_(std::move(at)), run_(std::move(run)), live_from_(live_from) {}

  /// On a thread that may block.
  void start() {
    at_->on_drain([self = shared_from_this()] { self->give_up(); });
    auto held = run_.subscribe([self = shared_from_this()](const run_event& event) { self->take(event); });
    if (!held) return give(error_answer(at_->in, held.error()));
    const std::lock_guard lock{mutex_};
    held_ = std::make_shared<subscription>(std::move(*held));
    if (done_) release();
  }

 private:
  void take(const run_event& event) {
    view_.add(event);
    if (!view_.ended() && (event.lsn < live_from_ || service_status(view_) != "paused")) return;
    if (view_.status() == "continued_as_new") return;
    give(json_answer(service_envelope(run_.id().str(), service_data(view_))));
  }
  void give_up() {
    give(error_answer(at_->in, 503, "shutting_down", "the node stops; run " + run_.id().str() + " goes on at its next start"));
  }
  void give(response what) {
    const std::lock_guard lock{mutex_};
    if (std::exchange(done_, true)) return;
    at_->answer(std::move(what));
    if (held_) release();
  }
  /// The end of a subscription waits for its callback, which may be what is running now.
  void release() {
    at_->work([held = std::exchange(held_, nullptr)]() mutable { held.reset(); });
  }

  std::shared_ptr<exchange> at_;
  run_ref run_;
  const lsn_t live_from_;  ///< a pause before was ended since
  run_view view_;          // the node's thread only
  std::mutex mutex_;
  std::shared_ptr<subscription> held_;
  bool done_ = false;
};

enum class response_mode : std::uint8_t { blocking, streaming, in_background };

/// A start as its body asks for it; or the answer that refuses it.
struct asked {
  response_mode mode = response_mode::blocking;
  cluster::tenant_start what;
};

/// What is wrong with an entry of `files`; nullptr: nothing.
const char* problem_of_file(const json::value& of) {
  if (!of.is_object()) return "each of the files is an object";
  const auto type = text_of(of.get_object(), "type"), method = text_of(of.get_object(), "transfer_method");
  if (type != "image" && type != "document" && type != "audio" && type != "video" && type != "custom")
    return "the type of a file is image, document, audio, video or custom";
  if (method != "remote_url" && method != "local_file") return "the transfer_method of a file is remote_url or local_file";
  if (method == "remote_url" && text_of(of.get_object(), "url").empty()) return "a file by remote_url has a url";
  if (method == "local_file" && text_of(of.get_object(), "upload_file_id").empty())
    return "a file by local_file has an upload_file_id";
  return nullptr;
}

std::variant<asked, response> read_start(const api_parts& parts, const call& of) {
  const auto& in = of.in();
  auto body = json_body(in);
  if (!body && body.error().code == errc::unsupported) return error_answer(in, body.error());
  if (!body || in.body.find_first_not_of(" \t\r\n") == std::string::npos)
    return refusal(400, "Invalid JSON payload received or JSON payload is empty.", in);
  asked out;
  const auto user = text_of(*body, "user");
  if (user.empty()) return invalid_param("Arg user must be provided.", "user");
  const auto& inputs = value_of(*body, "inputs");
  if (!inputs.is_object()) return invalid_param("inputs is required and is an object", "inputs");
  const auto& files = value_of(*body, "files");
  if (!files.is_null() && !files.is_array()) return invalid_param("files is a list", "files");
  const auto& mode = value_of(*body, "response_mode");
  const auto name = mode.is_null() ? "blocking" : mode.is_string() ? std::string{mode.get_string()} : std::string{"?"};
  if (name == "streaming") out.mode = response_mode::streaming;
  if (name == "async") out.mode = response_mode::in_background;
  if (name != "streaming" && name != "async" && name != "blocking")
    return invalid_param("response_mode is streaming, blocking or async", "response_mode");
  if (const auto* key = in.header("idempotency-key")) {
    if (key->size() > service_key_chars) return refusal(400, "Idempotency-Key must be 64 characters or fewer", in);
    if (key->starts_with("perdure.")) return refusal(400, "keys that begin with \"perdure.\" are the node's own", in);
    out.what.options.key = *key;
  }
  json::object input = inputs.get_object();
  input[system_member::user] = user;
  if (files.is_array()) {
    for (const auto& each : files.get_array()) {
      if (const auto* problem = problem_of_file(each)) return invalid_param(problem, "files");
    }
    input[system_member::files] = files;
  }
  if (auto known = complete_files(parts, of, input); !known) {
    if (known.error().code == errc::not_found) return invalid_param(known.error().message, "files");
    return error_answer(in, known.error());
  }
  input[system_member::origin] = out.mode == response_mode::in_background ? "api-async" : "app-run";
  out.what.tenant = of.tenant();
  out.what.trace = trace_of(parts, in);
  out.what.key_life = parts.limits.key_time;
  out.what.input = payload{json::value(std::move(input))};
  out.what.open_runs = parts.policies.of(of.who.tenant).open_runs;
  return out;
}

response refused_start(const call& of, const error& why) {
  const auto& in = of.in();
  if (why.code == errc::limit_exceeded)
    return error_answer(in, 429, "too_many_requests", "Too many concurrent async workflow runs");
  if (why.code == errc::already_exists)
    return error_answer(in, 422, "idempotency_key_reuse", "this Idempotency-Key began a run with another body");
  return error_answer(in, why);
}

void answer_scheduled(const api_parts& parts, const call& of, const cluster::workflow_facts& which,
                      const result<cluster::tenant_started>& started) {
  if (!started) return of.answer(refused_start(of, started.error()));
  const auto id = started->run.id();
  const auto run = cluster::summary_for(parts.engine, of.tenant(), id);
  if (!run) return of.fail(run.error());
  json::object data{{"id", id.str()},
                    {"workflow_id", service_workflow_id(which.name, which.version, which.hash)},
                    {"status", "scheduled"},
                    {"created_at", unix_seconds(to_string(run->created_at))}};
  of.answer(json_answer(service_envelope(id.str(), std::move(data)), started->fresh ? 202 : 200));
}

void start_workflow(const api_parts& parts, const std::shared_ptr<call>& of, const cluster::workflow_facts& which,
                    bool this_version) {
  auto read = read_start(parts, *of);
  if (auto* refused = std::get_if<response>(&read)) return of->answer(std::move(*refused));
  auto& how = std::get<asked>(read);
  how.what.workflow = which.name;
  if (this_version) how.what.version = which.version;
  if (how.mode == response_mode::in_background) {  // no thread waits for the commit
    return cluster::start_for(parts.engine, how.what, [parts, of, which](const result<cluster::tenant_started>& started) {
      answer_scheduled(parts, *of, which, started);
    });
  }
  const auto started = cluster::start_for(parts.engine, how.what);
  if (!started) return of->answer(refused_start(*of, started.error()));
  if (how.mode == response_mode::blocking) {
    const auto place = started->fresh ? result<run_place>{run_place{}} : place_of(parts.engine, started->run.id());
    if (!place) return of->fail(place.error());
    return std::make_shared<answer_at_end>(of->at, started->run, place->live_from)->start();
  }
  stream_service_events(parts, of->at, started->run, true);
}

void start_own(const api_parts& parts, const std::shared_ptr<call>& of) {
  const auto which = workflow_of(parts, *of);
  if (!which) return of->fail(which.error());
  start_workflow(parts, of, *which, false);
}

void start_by_id(const api_parts& parts, const std::shared_ptr<call>& of) {
  const auto& id = of->captured[0];
  if (!run_id::parse(id)) return of->answer(refusal(400, "\"" + id + "\" is no id of a workflow", of->in()));
  for (const auto& each : cluster::workflows_of(parts.engine)) {
    if (of->sees(each.name) && service_workflow_id(each.name, each.version, each.hash) == id)
      return start_workflow(parts, of, each, true);
  }
  of->answer(refusal(404, "Workflow not found", of->in()));
}

}  // namespace

response invalid_param(const std::string& message, const std::string& member) {
  return json_answer(json::object{{"code", "invalid_param"}, {"message", message}, {"params", member}, {"status", 400}}, 400);
}

result<cluster::workflow_facts> workflow_of(const api_parts& parts, const call& of) {
  std::vector<cluster::workflow_facts> seen;
  for (auto& each : cluster::workflows_of(parts.engine)) {
    if (each.newest && of.sees(each.name)) seen.push_back(std::move(each));
  }
  if (seen.size() == 1) return seen.front();
  if (seen.empty()) return error{errc::not_found, "this key stands for no workflow that is registered"};
  return error{errc::invalid_argument, "this key is not for one workflow; make one with `perdure keys create --workflow NAME`"};
}

void stream_service_events(const api_parts& parts, const std::shared_ptr<exchange>& at, const run_ref& run, bool until_pause) {
  const auto after = resume_place(at->in);
  if (!after) return at->answer(error_answer(at->in, after.error()));
  const auto place = place_of(parts.engine, run.id());
  if (!place) return at->answer(error_answer(at->in, place.error()));
  const auto made = std::make_shared<service_frames>(
      service_frames_options{.until_pause = until_pause,
                             .live_from = place->live_from,
                             .signer = &parts.signer,
                             .document = parts.shelf.content_of(place->workflow, place->version)});
  const auto error_frame = [](unsigned status, std::string_view code, std::string_view message) {
    const json::object told{{"event", "error"}, {"status", status}, {"code", code}, {"message", message}};
    return "data: " + json_text(told) + "\n\n";
  };
  stream_events(at, run,
                {.after = *after,
                 .make = [made](const run_event& event) { return made->take(event); },
                 .ping = "event: ping\n\n",
                 .farewell = error_frame(503, "shutting_down", "the node stops; resume with Last-Event-ID"),
                 .revoked = error_frame(401, "unauthorized", "the key is not valid any more"),
                 .backlog_bytes = parts.limits.stream_backlog_bytes,
                 .piece_bytes = parts.limits.stream_piece_bytes});
}

void add_service_start_routes(router& to, const api_parts& parts) {
  to.add("POST", "/v1/workflows/run", right::run, [parts](const std::shared_ptr<call>& of) { start_own(parts, of); });
  to.add("POST", "/v1/workflows/{workflow_id}/run", right::run,
         [parts](const std::shared_ptr<call>& of) { start_by_id(parts, of); });
}

}  // namespace perdure::tools::gateway
