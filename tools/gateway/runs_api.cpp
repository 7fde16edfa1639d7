// /api/v1/runs: start, list, get, and the commands of one run.
#include "cluster/tenants.hpp"
#include "core/trace.hpp"
#include "tools/gateway/durations.hpp"
#include "tools/gateway/native_api.hpp"
#include "tools/gateway/spans.hpp"
#include "tools/view/json_access.hpp"
#include "tools/view/run_view.hpp"

namespace perdure::tools::gateway {

namespace {

result<cluster::tenant_start> read_start(const api_parts& parts, const call& of) {
  const auto body = json_body(of.in());
  if (!body) return body.error();
  if (auto known = only_members(*body, {"workflow", "version", "input", "timeout"}); !known) return known.error();
  const auto key = idempotency_key(of.in());
  if (!key) return key.error();
  const auto timeout = read_length("timeout", value_of(*body, "timeout"));
  if (!timeout) return timeout.error();
  cluster::tenant_start what;
  what.tenant = of.tenant();
  what.workflow = text_of(*body, "workflow");
  what.version = text_of(*body, "version");
  if (what.workflow.empty()) return error{errc::invalid_argument, "\"workflow\" names the workflow to run"};
  if (!of.sees(what.workflow)) return error{errc::workflow_unknown, "no workflow \"" + what.workflow + "\""};
  what.input = payload{value_of(*body, "input")};
  what.options.key = *key;
  what.options.timeout = *timeout;
  what.trace = trace_of(parts, of.in());
  what.key_life = parts.limits.key_time;
  what.open_runs = parts.policies.of(of.who.tenant).open_runs;
  return what;
}

result<response> started_answer(const api_parts& parts, const cluster::tenant_start& what,
                                const result<cluster::tenant_started>& started) {
  if (!started && started.error().code == errc::workflow_unknown)
    return error{errc::workflow_unknown,
                 "no workflow \"" + what.workflow + "\"" + (what.version.empty() ? "" : " " + what.version)};
  if (!started) return started.error();
  const auto run = cluster::summary_for(parts.engine, what.tenant, started->run.id());
  if (!run) return run.error();
  auto out = json_answer(cluster::to_wire(*run), started->fresh ? 201 : 200);
  out.headers.push_back({"Location", "/api/v1/runs/" + run->id.str()});
  return out;
}

/// No thread waits for the commit.
void start_run(const api_parts& parts, const std::shared_ptr<call>& of) {
  const auto what = read_start(parts, *of);
  if (!what) return of->fail(what.error());
  cluster::tenant_start named;
  named.tenant = what->tenant;
  named.workflow = what->workflow;
  named.version = what->version;
  cluster::start_for(parts.engine, *what, [parts, of, what = std::move(named)](const result<cluster::tenant_started>& started) {
    auto out = started_answer(parts, what, started);
    out ? of->answer(std::move(*out)) : of->fail(out.error());
  });
}

result<response> list_runs(const api_parts& parts, const call& of) {
  const auto& in = of.in();
  cluster::tenant_query query;
  const auto limit = number_parameter(in, "limit", 50, 1, page_runs);
  if (!limit) return limit.error();
  query.options.limit = *limit;
  if (const auto* status = in.parameter("status")) {
    query.options.status = cluster::status_from_name(*status);
    if (!query.options.status) return error{errc::invalid_argument, "\"" + *status + "\" is no status of a run"};
  }
  if (const auto* workflow = in.parameter("workflow")) query.options.workflow = *workflow;
  if (const auto* cursor = in.parameter("cursor")) query.options.cursor = *cursor;
  if (const auto* order = in.parameter("order")) {
    if (*order != "newest" && *order != "oldest") return error{errc::invalid_argument, "\"order\" is newest or oldest"};
    query.options.newest_first = *order == "newest";
  }
  const auto after = time_parameter(in, "created_after");
  if (!after) return after.error();
  const auto before = time_parameter(in, "created_before");
  if (!before) return before.error();
  query.created_after = *after;
  query.created_before = *before;
  query.sees = [&](const std::string& workflow) { return of.sees(workflow); };
  query.scan = page_scan;
  const auto page = cluster::runs_for(parts.engine, of.tenant(), query);
  if (!page) return page.error();
  return json_answer(cluster::to_wire(*page));
}

result<response> show_run(const api_parts& parts, const call& of) {
  const auto run = run_of(parts, of);
  if (!run) return run.error();
  run_view view;
  const auto read = cluster::events_of(parts.engine, run->id, 0, [&](const run_event& event) {
    view.add(event);
    return true;
  });
  const bool damaged = !read && read.error().code == errc::corrupt;
  if (!read && !damaged && run->blocked.empty()) return read.error();
  const auto blocked = damaged ? read.error().message : run->blocked;
  if (!read) view.cut_off(*run);  // one that cannot be read is shown as far as it can be
  auto out = view.show();
  out.emplace("blocked", blocked.empty() ? json::value(nullptr) : json::value(blocked));
  return json_answer(out);
}

result<response> command_run(const api_parts& parts, const call& of, const std::string& verb,
                             const std::vector<std::string_view>& members) {
  const auto run = run_of(parts, of);
  if (!run) return run.error();
  auto body = json_body(of.in());
  if (!body) return body.error();
  if (auto known = only_members(*body, members); !known) return known.error();
  const auto key = idempotency_key(of.in());
  if (!key) return key.error();
  (*body)["do"] = verb;
  (*body)["run_id"] = run->id.str();
  if (!key->empty()) (*body)["command_id"] = *key;
  const auto command = cluster::command_from_wire(*body);
  if (!command) return command.error();
  if (verb == "fork" && command->from == 0)
    return error{errc::invalid_argument, "\"from\" is the seq of the last event that both share"};
  const auto done = cluster::carry_out(parts.engine, *command);
  if (!done) return done.error();
  json::object out{{"run_id", done->at("run_id")}, {"command", verb}, {"pending", false}};
  if (verb == "retry") out.emplace("retry_of", run->id.str());
  if (verb == "fork") out.emplace("fork_of", run->id.str());
  auto answer = json_answer(out, verb == "retry" || verb == "fork" ? 201 : 200);
  if (answer.status == 201) answer.headers.push_back({"Location", "/api/v1/runs/" + text_of(out, "run_id")});
  return answer;
}

}  // namespace

result<std::string> idempotency_key(const request& in) {
  const auto* key = in.header("idempotency-key");
  if (key == nullptr) return std::string{};
  if (key->empty() || key->size() > native_key_bytes) {
    return error{errc::invalid_argument, "Idempotency-Key has 1 to " + std::to_string(native_key_bytes) + " bytes"};
  }
  if (key->starts_with("perdure.")) return error{errc::invalid_argument, "keys that begin with \"perdure.\" are the node's own"};
  return *key;
}

std::string trace_of(const api_parts& parts, const request& in) {
  // One that is malformed is as none, says the standard.
  if (const auto* given = in.header("traceparent"); given != nullptr && core::is_traceparent(*given)) return *given;
  return parts.traces ? fresh_traceparent() : std::string{};
}

result<run_summary> run_of(const api_parts& parts, const call& of) { return run_called(parts, of, of.captured[0]); }

result<run_summary> run_called(const api_parts& parts, const call& of, const std::string& text) {
  const auto id = run_id::parse(text);
  if (!id) return error{errc::not_found, "no run \"" + text + "\""};
  auto found = cluster::summary_for(parts.engine, of.tenant(), *id);
  if (found && !of.sees(found->workflow)) return error{errc::not_found, "no run " + text};
  return found;
}

void add_run_routes(router& to, const api_parts& parts) {
  to.add("POST", "/api/v1/runs", right::run, [parts](const std::shared_ptr<call>& of) { start_run(parts, of); });
  to.add_simple("GET", "/api/v1/runs", right::read, [parts](const call& of) { return list_runs(parts, of); });
  to.add_simple("GET", "/api/v1/runs/{id}", right::read, [parts](const call& of) { return show_run(parts, of); });
  const auto add = [&](const std::string& verb, const std::vector<std::string_view>& members) {
    to.add_simple("POST", "/api/v1/runs/{id}/" + verb, right::run,
                  [parts, verb, members](const call& of) { return command_run(parts, of, verb, members); });
  };
  add("cancel", {"reason"});
  add("pause", {});
  add("resume", {});
  add("retry", {"command_id"});
  add("fork", {"from", "command_id"});
  add("signal", {"name", "value", "command_id"});
  add("respond", {"request_id", "value", "command_id"});
}

}  // namespace perdure::tools::gateway
