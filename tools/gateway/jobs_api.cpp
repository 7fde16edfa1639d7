// /api/v1/jobs and /api/v1/backends: submit, list, look at and cancel jobs; what backends can do.
#include "tools/gateway/jobs_api.hpp"

#include <charconv>

#include "cluster/job_verbs.hpp"
#include "tools/gateway/durations.hpp"
#include "tools/gateway/job_workflow.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::gateway {

namespace {

constexpr std::size_t run_chars = 36;
/// Runs that one page of jobs looks at: each is read whole.
constexpr std::size_t page_job_runs = 500;

cluster::control_target target_of(node& engine) {
  return {.get = [&engine](const run_id& id) { return engine.get(id); },
          .list = [&engine](const list_options& how) { return engine.list(how); },
          .stats = [&engine] { return engine.stats(); },
          .find_backend = [&engine](std::string_view name) { return engine.find_backend(name); },
          .backends = [&engine] { return engine.backends(); },
          .health_of = [&engine](std::string_view name) { return engine.health_of(name); },
          .open_artifact = [&engine](const run_id& run, std::uint32_t job,
                                     const std::string& name) { return engine.open_artifact(run, job, name); }};
}

bool sees_jobs_of(const call& of, std::string_view workflow) {
  return of.sees(workflow) || (workflow == job_workflow && of.who.workflow.empty());
}

known_job known(const run_id& run, const job_info& job) {
  known_job out{.run = run,
                .id = run.str() + "." + std::to_string(job.number),
                .shown = cluster::to_wire(job),
                .backend = job.backend,
                .backend_id = job.id,
                .ended = is_terminal(job.status)};
  out.shown["id"] = out.id;
  out.shown["backend_id"] = job.id.empty() ? json::value(nullptr) : json::value(job.id);
  out.shown["run_id"] = run.str();
  return out;
}

result<response> submit_job(const api_parts& parts, const call& of) {
  const auto body = json_body(of.in());
  if (!body) return body.error();
  if (auto members = only_members(*body, {"backend", "spec", "timeout", "priority"}); !members) return members.error();
  const auto backend = text_of(*body, "backend");
  if (backend.empty() || parts.engine.find_backend(backend) == nullptr)
    return error{errc::invalid_argument, "\"backend\": there is no backend \"" + backend + "\" here"};
  const bool operates = of.tenant().empty() && of.who.workflow.empty() && of.who.may.has(right::admin);
  if (!parts.policies.of(of.who.tenant).put_may_run_processes && !operates)
    return refusal(403, "jobs may be submitted by the node's operator only; he can allow more (--allow-processes)", of.in());
  if (!of.who.workflow.empty()) return refusal(403, "this key is for one workflow", of.in());
  const auto timeout = read_length("timeout", value_of(*body, "timeout"));
  if (!timeout) return timeout.error();
  const auto key = idempotency_key(of.in());
  if (!key) return key.error();
  json::object order{{"backend", backend},
                     {"spec", value_of(*body, "spec")},
                     {"timeout_us", timeout->count()},
                     {"priority", value_of(*body, "priority")}};
  cluster::tenant_start what{.tenant = of.tenant(), .workflow = std::string{job_workflow}};
  what.input = payload{json::value(std::move(order))};
  what.options.key = *key;
  what.open_runs = parts.policies.of(of.who.tenant).open_runs;
  const auto started = cluster::start_for(parts.engine, what);
  if (!started) return started.error();
  // The run asks for the job in its first turn; its number is known before.
  const auto run = started->run.id().str();
  auto out = json_answer(json::object{{"id", run + ".1"}, {"run_id", run}, {"backend", backend}, {"status", "queued"}},
                         started->fresh ? 202 : 200);
  out.headers.push_back({"Location", "/api/v1/jobs/" + run + ".1"});
  return out;
}

result<response> list_jobs(const api_parts& parts, const call& of) {
  const auto& in = of.in();
  const auto limit = number_parameter(in, "limit", 50, 1, page_runs);
  if (!limit) return limit.error();
  const auto* status = in.parameter("status");
  const auto* backend = in.parameter("backend");
  cluster::tenant_query query;
  query.options.limit = 1;
  query.scan = page_job_runs;
  query.sees = [&](const std::string& workflow) { return sees_jobs_of(of, workflow); };
  if (const auto* cursor = in.parameter("cursor")) query.options.cursor = *cursor;
  json::array jobs;
  std::size_t looked = 0;
  do {
    const auto page = cluster::runs_for(parts.engine, of.tenant(), query);
    if (!page) return page.error();
    for (const auto& each : page->runs) {
      ++looked;
      const auto ref = parts.engine.get(each.id);
      const auto info = ref ? ref->status() : result<run_info>{ref.error()};
      if (!info && info.error().code == errc::not_found) continue;  // removed meanwhile
      if (!info) return info.error();
      for (const auto& job : info->jobs) {
        auto one = known(each.id, job);
        if ((status == nullptr || text_of(one.shown, "status") == *status) && (backend == nullptr || job.backend == *backend))
          jobs.push_back(std::move(one.shown));
      }
    }
    query.options.cursor = page->next_cursor;
    // All jobs of a run are on one page, so that the cursor can name the run.
  } while (!query.options.cursor.empty() && jobs.size() < *limit && looked < page_job_runs);
  const auto& cursor = query.options.cursor;
  return json_answer(
      json::object{{"jobs", std::move(jobs)}, {"next_cursor", cursor.empty() ? json::value(nullptr) : json::value(cursor)}});
}

result<response> show_job(const api_parts& parts, const call& of) {
  auto job = job_of(parts, of);
  if (!job) return job.error();
  return json_answer(job->shown);
}

result<response> cancel_job(const api_parts& parts, const call& of) {
  const auto job = job_of(parts, of);
  if (!job) return job.error();
  const auto done = cluster::carry_out(
      parts.engine, {.what = "cancel_job", .run = job->run, .job = static_cast<std::uint32_t>(number_of(job->shown, "job"))});
  if (!done && done.error().code == errc::not_found && text_of(job->shown, "key").empty()) {
    // It is not asked for yet: then it will not be.
    const auto run = cluster::carry_out(parts.engine, {.what = "cancel", .run = job->run, .reason = "the job was cancelled"});
    if (!run) return run.error();
  } else if (!done) {
    return done.error();
  }
  return json_answer(json::object{{"id", job->id}, {"run_id", job->run.str()}, {"command", "cancel_job"}, {"pending", false}});
}

/// How busy a backend is, and why it is not there, is for those who run the node: it is all tenants' doing.
result<response> list_backends(const api_parts& parts, const call& of) {
  auto all = ask_about_jobs(parts, {{"do", "backends"}});
  if (!all) return all.error();
  if (of.who.tenant != default_tenant && all->is_array()) {
    for (auto& each : all->get_array()) {
      for (const auto* name : {"running", "waiting", "why"}) each.as_object().erase(name);
    }
  }
  return json_answer(json::object{{"backends", std::move(*all)}});
}

result<json::object> about_backend(const api_parts& parts, const call& of, std::string_view verb) {
  if (parts.engine.find_backend(of.captured[0]) == nullptr)
    return error{errc::not_found, "there is no backend \"" + of.captured[0] + "\" here"};
  return json::object{{"do", verb}, {"backend", of.captured[0]}};
}

result<response> check_backend(const api_parts& parts, const call& of) {
  auto request = about_backend(parts, of, "backend_check");
  if (!request) return request.error();
  const auto told = ask_about_jobs(parts, std::move(*request));
  if (!told) return told.error();
  return json_answer(*told);
}

result<response> estimate_job(const api_parts& parts, const call& of) {
  auto request = about_backend(parts, of, "job_estimate");
  if (!request) return request.error();
  const auto body = json_body(of.in());
  if (!body) return body.error();
  if (auto members = only_members(*body, {"spec"}); !members) return members.error();
  request->emplace("spec", value_of(*body, "spec"));
  const auto told = ask_about_jobs(parts, std::move(*request));
  if (!told) return told.error();
  return json_answer(*told);
}

}  // namespace

result<json::value> ask_about_jobs(const api_parts& parts, json::object request) {
  return cluster::answer_about_jobs(target_of(parts.engine), request);
}

result<known_job> job_of(const api_parts& parts, const call& of) {
  const auto& text = of.captured[0];
  const error unknown{errc::not_found, "no job \"" + text + "\""};
  const auto run = run_id::parse(std::string_view{text}.substr(0, std::min(text.size(), run_chars)));
  std::uint32_t number = 0;
  const auto* end = text.data() + text.size();
  const auto read = text.size() > run_chars + 1 && text[run_chars] == '.'
                        ? std::from_chars(text.data() + run_chars + 1, end, number)
                        : std::from_chars_result{nullptr, std::errc::invalid_argument};
  if (!run || read.ec != std::errc{} || read.ptr != end) return unknown;
  const bool by_signature = of.who.id.empty();
  if (!by_signature) {
    const auto found = cluster::summary_for(parts.engine, of.tenant(), *run);
    if (!found || !sees_jobs_of(of, found->workflow)) return unknown;
  }
  const auto ref = parts.engine.get(*run);
  const auto info = ref ? ref->status() : result<run_info>{ref.error()};
  if (!info) return info.error().code == errc::not_found ? unknown : info.error();
  for (const auto& each : info->jobs) {
    if (each.number == number) return known(*run, each);
  }
  // Submitted by itself a moment ago, or cancelled before it was.
  if (number == 1 && info->workflow == job_workflow) {
    job_info soon;
    soon.number = 1;
    soon.created_at = info->created_at;
    soon.ended_at = info->ended_at;
    if (is_terminal(info->status)) soon.status = job_status::cancelled;
    const auto order = info->input.value();
    if (order.is_object()) soon.backend = text_of(order.get_object(), "backend");
    return known(*run, soon);
  }
  return unknown;
}

void add_job_routes(router& to, const api_parts& parts) {
  to.add_simple("POST", "/api/v1/jobs", right::run, [parts](const call& of) { return submit_job(parts, of); });
  to.add_simple("GET", "/api/v1/jobs", right::read, [parts](const call& of) { return list_jobs(parts, of); });
  to.add_simple("GET", "/api/v1/jobs/{id}", right::read, [parts](const call& of) { return show_job(parts, of); });
  to.add_simple("POST", "/api/v1/jobs/{id}/cancel", right::run, [parts](const call& of) { return cancel_job(parts, of); });
  to.add_simple("GET", "/api/v1/backends", right::read, [parts](const call& of) { return list_backends(parts, of); });
  to.add_simple("GET", "/api/v1/backends/{name}/check", right::read,
                [parts](const call& of) { return check_backend(parts, of); });
  to.add_simple("POST", "/api/v1/backends/{name}/estimate", right::read,
                [parts](const call& of) { return estimate_job(parts, of); });
}

}  // namespace perdure::tools::gateway
