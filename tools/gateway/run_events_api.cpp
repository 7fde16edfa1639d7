// /api/v1/runs/{id}/events: pages of JSON, or a stream.
#include "cluster/tenants.hpp"
#include "core/event_json.hpp"
#include "tools/gateway/event_stream.hpp"
#include "tools/gateway/native_api.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::gateway {

namespace {

bool wants_stream(const request& in) {
  const auto* accept = in.header("accept");
  return accept != nullptr && accept->find("text/event-stream") != std::string::npos;
}

/// One frame an event, named by its kind; the end of the run that nothing goes on from is the last.
frames frame_of(const run_event& event) {
  frames out{{"event: " + event.kind + "\ndata: " + json_text(core::line_of(event)) + "\n"}};
  out.last = event.kind == "run_ended" && value_of(event.data, "successor").is_null();
  return out;
}

void stream_of_run(const api_parts& parts, const call& of, const run_summary& run) {
  const auto after = resume_place(of.in());
  if (!after) return of.fail(after.error());
  // Nothing is left to tell: this status keeps a browser's EventSource from asking again.
  const auto head = cluster::head_of(parts.engine, run.id);
  if (!head) return of.fail(head.error());
  if (is_terminal(run.status) && run.status != run_status::continued_as_new && after->lsn >= *head)
    return of.answer({.status = 204, .type = ""});
  auto ref = parts.engine.get(run.id);
  if (!ref) return of.fail(ref.error());
  stream_events(of.at, std::move(*ref),
                {.after = *after,
                 .make = frame_of,
                 .ping = ": ping\n\n",
                 .farewell = "event: shutdown\ndata: {\"message\":\"the node stops; resume with Last-Event-ID\"}\n\n",
                 .revoked = "event: revoked\ndata: {\"message\":\"the key is not valid any more\"}\n\n",
                 .backlog_bytes = parts.limits.stream_backlog_bytes,
                 .piece_bytes = parts.limits.stream_piece_bytes});
}

result<response> page_of_run(const api_parts& parts, const call& of, const run_summary& run) {
  const auto after = number_parameter(of.in(), "after", 0, 0, ~std::uint64_t{0});
  if (!after) return after.error();
  const auto limit = number_parameter(of.in(), "limit", 100, 1, page_events);
  if (!limit) return limit.error();
  json::array events;
  run_seq last = *after;
  const auto read = cluster::events_of(parts.engine, run.id, *after, [&](const run_event& event) {
    events.push_back(core::line_of(event));
    last = event.seq;
    return events.size() < *limit;
  });
  if (!read && events.empty()) return read.error();
  // Of a run that is damaged the page after the last that can be read says so.
  const bool more = !read || (events.size() == *limit && last < run.seq);
  return json_answer(
      json::object{{"events", std::move(events)}, {"next_after", more ? json::value(last) : json::value(nullptr)}});
}

void give_events(const api_parts& parts, const call& of) {
  const auto run = run_of(parts, of);
  if (!run) return of.fail(run.error());
  if (wants_stream(of.in())) return stream_of_run(parts, of, *run);
  auto page = page_of_run(parts, of, *run);
  page ? of.answer(std::move(*page)) : of.fail(page.error());
}

}  // namespace

void add_run_event_routes(router& to, const api_parts& parts) {
  to.add("GET", "/api/v1/runs/{id}/events", right::read, [parts](const std::shared_ptr<call>& of) { give_events(parts, *of); });
}

}  // namespace perdure::tools::gateway
