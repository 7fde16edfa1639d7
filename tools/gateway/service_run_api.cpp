// /v1: a run's detail, its end by hand, its events again, and the log of runs.
#include "tools/gateway/event_stream.hpp"
#include "tools/gateway/service_api.hpp"
#include "tools/gateway/service_frames.hpp"
#include "tools/gateway/service_run.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::gateway {

namespace {

constexpr std::uint64_t most_pages = 99'999, most_rows = 100;

response no_such_run(const request& in) { return refusal(404, "Workflow run not found.", in); }

result<response> run_detail(const api_parts& parts, const call& of) {
  const auto run = run_of(parts, of);
  if (!run) return run.error().code == errc::not_found ? no_such_run(of.in()) : error_answer(of.in(), run.error());
  const auto view = read_view(parts.engine, run->id);
  if (!view) return view.error();
  auto out = service_data(*view);
  out.emplace("inputs", json_text(service_inputs(view->input())));  // a text here, an object everywhere else
  return json_answer(out);
}

/// Also for runs that are over, or never were: whoever stops a run wants it not to run.
result<response> stop_run(const api_parts& parts, const call& of) {
  const auto body = json_body(of.in());
  if (!body) return refusal(400, "Invalid JSON payload received or JSON payload is empty.", of.in());
  const auto user = text_of(*body, "user");
  if (user.empty()) return invalid_param("Arg user must be provided.", "user");
  if (const auto run = run_of(parts, of); run && !is_terminal(run->status)) {
    const auto done =
        cluster::carry_out(parts.engine, {.what = "cancel", .run = run->id, .reason = "stopped by " + user.substr(0, 256)});
    if (!done && done.error().code != errc::conflict && done.error().code != errc::not_found) return done.error();
  }
  return json_answer(json::object{{"result", "success"}});
}

bool flag_parameter(const request& in, std::string_view name) {
  const auto* text = in.parameter(name);
  return text != nullptr && (*text == "true" || *text == "1" || *text == "True");
}

void run_events(const api_parts& parts, const call& of) {
  const auto* user = of.in().parameter("user");
  if (user == nullptr || user->empty()) return of.answer(invalid_param("Arg user must be provided.", "user"));
  const auto run = run_of(parts, of);
  if (!run) return of.answer(no_such_run(of.in()));
  auto ref = parts.engine.get(run->id);
  if (!ref) return of.fail(ref.error());
  const bool resumes = of.in().header("last-event-id") != nullptr || of.in().parameter("after") != nullptr;
  if (!is_terminal(run->status) || resumes || flag_parameter(of.in(), "include_state_snapshot"))
    return stream_service_events(parts, of.at, *ref, !flag_parameter(of.in(), "continue_on_pause"));
  // Its end, and nothing else.
  const auto view = read_view(parts.engine, run->id);
  if (!view) return of.fail(view.error());
  of.at->answer_with_stream({.type = "text/event-stream", .headers = {{"Cache-Control", "no-cache"}}}, {},
                            [frame = finished_frame(*view)](const std::shared_ptr<stream>& to) {
                              to->write(frame + "\n");
                              to->end();
                            });
}

/// Runs of the key's workflows that fit the query, the newest first.
struct log_query {
  std::string keyword, status, user;
  std::optional<timestamp> before, after;
};

bool fits_status(const log_query& wanted, run_status status) {
  if (wanted.status.empty()) return true;
  if (wanted.status == "succeeded") return status == run_status::succeeded;
  if (wanted.status == "stopped") return status == run_status::cancelled;
  return status == run_status::failed || status == run_status::timed_out;
}

json::object log_row(const run_view& run) {
  auto data = service_data(run);
  const auto user = service_member(run.input(), system_member::user);
  const auto origin = service_member(run.input(), system_member::origin);
  json::object brief{{"version", run.version()},
                     {"exceptions_count", handled_errors(run)},
                     {"triggered_from", origin.empty() ? "app-run" : origin}};
  for (const auto* name : {"id", "status", "error", "elapsed_time", "total_tokens", "total_steps", "created_at", "finished_at"})
    brief.emplace(name, data.at(name));
  const json::value end_user =
      user.empty()
          ? json::value(nullptr)
          : json::value(json::object{{"id", user}, {"type", "service_api"}, {"is_anonymous", false}, {"session_id", user}});
  return {{"id", run.id()},
          {"workflow_run", std::move(brief)},
          {"created_from", "service-api"},
          {"created_by_role", user.empty() ? "account" : "end_user"},
          {"created_by_account", nullptr},
          {"created_by_end_user", end_user},
          {"created_at", data.at("created_at")}};
}

result<response> run_logs(const api_parts& parts, const call& of) {
  const auto& in = of.in();
  const auto page = number_parameter(in, "page", 1, 1, most_pages);
  if (!page) return invalid_param(page.error().message, "page");
  const auto limit = number_parameter(in, "limit", 20, 1, most_rows);
  if (!limit) return invalid_param(limit.error().message, "limit");
  const auto before = time_parameter(in, "created_at__before"), after = time_parameter(in, "created_at__after");
  if (!before) return invalid_param(before.error().message, "created_at__before");
  if (!after) return invalid_param(after.error().message, "created_at__after");
  log_query wanted{.before = *before, .after = *after};
  if (const auto* text = in.parameter("keyword")) wanted.keyword = *text;
  if (const auto* text = in.parameter("created_by_end_user_session_id")) wanted.user = *text;
  if (const auto* text = in.parameter("status")) wanted.status = *text;
  if (!wanted.status.empty() && wanted.status != "succeeded" && wanted.status != "failed" && wanted.status != "stopped")
    return invalid_param("status is succeeded, failed or stopped", "status");

  const bool reads = !wanted.keyword.empty() || !wanted.user.empty();
  const auto first = (*page - 1) * *limit;
  std::uint64_t total = 0;
  json::array rows;
  cluster::tenant_query query{.created_after = wanted.after, .created_before = wanted.before};
  query.sees = [&](const std::string& workflow) { return of.sees(workflow); };
  query.options.limit = page_runs;
  do {
    const auto some = cluster::runs_for(parts.engine, of.tenant(), query);
    if (!some) return some.error();
    for (const auto& each : some->runs) {
      if (!fits_status(wanted, each.status)) continue;
      std::optional<run_view> view;
      const bool shown = total >= first && rows.size() < *limit;
      if (reads || shown) {
        auto read = read_view(parts.engine, each.id);
        if (!read && read.error().code == errc::not_found) continue;  // removed meanwhile
        if (!read) return read.error();
        view = std::move(*read);
      }
      if (reads) {
        if (!wanted.user.empty() && service_member(view->input(), system_member::user) != wanted.user) continue;
        const auto texts = json_text(service_inputs(view->input())) + json_text(view->output()) + each.id.str();
        if (texts.find(wanted.keyword) == std::string::npos) continue;
      }
      if (total++ >= first && shown) rows.push_back(log_row(*view));
    }
    query.options.cursor = some->next_cursor;
  } while (!query.options.cursor.empty());
  const bool more = total > first + rows.size();
  return json_answer(
      json::object{{"page", *page}, {"limit", *limit}, {"total", total}, {"has_more", more}, {"data", std::move(rows)}});
}

}  // namespace

void add_service_run_routes(router& to, const api_parts& parts) {
  to.add_simple("GET", "/v1/workflows/run/{id}", right::read, [parts](const call& of) { return run_detail(parts, of); });
  to.add_simple("POST", "/v1/workflows/tasks/{id}/stop", right::run, [parts](const call& of) { return stop_run(parts, of); });
  to.add_simple("GET", "/v1/workflows/logs", right::read, [parts](const call& of) { return run_logs(parts, of); });
  to.add("GET", "/v1/workflow/{id}/events", right::read, [parts](const std::shared_ptr<call>& of) { run_events(parts, *of); });
}

}  // namespace perdure::tools::gateway
