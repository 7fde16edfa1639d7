// /api/v1/schedules and /api/v1/timers: what will happen by itself, and when.
#include "tools/gateway/native_api.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::gateway {

namespace {

json::object shown(const run_summary& run) {
  return {{"id", run.id.str()},
          {"workflow", run.workflow},
          {"version", run.version},
          {"status", to_string(run.status)},
          {"created_at", to_string(run.created_at)},
          {"next_at", run.wakeup ? json::value(to_string(*run.wakeup)) : json::value(nullptr)},
          {"blocked", run.blocked.empty() ? json::value(nullptr) : json::value(run.blocked)}};
}

result<response> list_schedules(const api_parts& parts, const call& of) {
  const auto all = cluster::schedules_for(parts.engine, of.tenant());
  if (!all) return all.error();
  json::array out;
  for (const auto& each : *all) {
    if (of.sees(each.workflow)) out.push_back(shown(each));
  }
  return json_answer(json::object{{"schedules", std::move(out)}});
}

result<response> begin_schedule(const api_parts& parts, const call& of) {
  const auto body = json_body(of.in());
  if (!body) return body.error();
  if (auto known = only_members(*body, {"workflow", "version", "missed"}); !known) return known.error();
  const auto workflow = text_of(*body, "workflow"), version = text_of(*body, "version");
  auto missed = text_of(*body, "missed");
  if (missed.empty()) missed = "once";
  if (missed != "skip" && missed != "once" && missed != "all")
    return error{errc::invalid_argument, "\"missed\" is skip, once or all"};
  for (const auto& each : cluster::workflows_of(parts.engine)) {
    if (each.name != workflow || !of.sees(workflow) || (version.empty() ? !each.newest : each.version != version)) continue;
    if (!parts.shelf.has_schedule(each.name, each.version))
      return error{errc::conflict, each.name + " " + each.version + " has no schedule"};
    const auto begun = parts.shelf.begin_schedule(of.tenant(), each.name, each.version, missed);
    if (!begun) return begun.error();
    const auto run = cluster::summary_for(parts.engine, of.tenant(), begun->run.id());
    if (!run) return run.error();
    return json_answer(shown(*run), begun->fresh ? 201 : 200);
  }
  return error{errc::workflow_unknown, "no workflow \"" + workflow + "\"" + (version.empty() ? "" : " " + version)};
}

result<response> end_schedule(const api_parts& parts, const call& of) {
  const auto run = run_of(parts, of);
  if (!run) return run.error();
  if (!cluster::is_schedule(*run)) return error{errc::not_found, "no schedule " + of.captured[0]};
  const auto done = cluster::carry_out(parts.engine, {.what = "cancel", .run = run->id, .reason = "the schedule was ended"});
  if (!done) return done.error();
  return json_answer(json::object{{"run_id", run->id.str()}, {"command", "cancel"}, {"pending", false}});
}

result<response> list_timers(const api_parts& parts, const call& of) {
  const auto limit = number_parameter(of.in(), "limit", 50, 1, page_runs);
  if (!limit) return limit.error();
  const auto until = time_parameter(of.in(), "due_before");
  if (!until) return until.error();
  cluster::timer_query query{.until = *until, .limit = *limit, .scan = page_scan};
  query.sees = [&](const std::string& workflow) { return of.sees(workflow); };
  if (const auto* cursor = of.in().parameter("cursor")) query.cursor = *cursor;
  const auto page = cluster::timers_for(parts.engine, of.tenant(), query);
  if (!page) return page.error();
  json::array out;
  for (const auto& each : page->timers) {
    out.push_back(json::object{{"due", to_string(each.due)},
                               {"run_id", each.run.id.str()},
                               {"workflow", each.run.workflow},
                               {"version", each.run.version},
                               {"status", to_string(each.run.status)}});
  }
  const auto& next = page->next_cursor;
  return json_answer(
      json::object{{"timers", std::move(out)}, {"next_cursor", next.empty() ? json::value(nullptr) : json::value(next)}});
}

}  // namespace

void add_schedule_routes(router& to, const api_parts& parts) {
  to.add_simple("GET", "/api/v1/schedules", right::read, [parts](const call& of) { return list_schedules(parts, of); });
  to.add_simple("POST", "/api/v1/schedules", right::deploy, [parts](const call& of) { return begin_schedule(parts, of); });
  to.add_simple("DELETE", "/api/v1/schedules/{id}", right::deploy, [parts](const call& of) { return end_schedule(parts, of); });
  to.add_simple("GET", "/api/v1/timers", right::read, [parts](const call& of) { return list_timers(parts, of); });
}

}  // namespace perdure::tools::gateway
