// call: job, a function of this runtime: work on an execution backend, from its submit to its end.
#include "dsl/interpreter.hpp"
#include "dsl/jq_values.hpp"

namespace perdure::dsl {

namespace {

/// What a job that did not succeed is for the document.
failure failure_of_job(const job_end& end, const std::string& reference) {
  const bool timed_out = end.status == job_status::timed_out;
  auto out = make_error(timed_out ? "timeout" : "runtime", end.error ? end.error->message : "the job did not succeed", reference);
  if (end.error) out.causes.push_back(*end.error);
  return out;
}

json::object value_of(const job_end& end) {
  json::object out{
      {"id", end.id}, {"status", boost::describe::enum_to_string(end.status, "?")}, {"raw", end.raw}, {"result", end.result}};
  if (end.exit_code) out.emplace("code", *end.exit_code);
  return out;
}

}  // namespace

async<interpreter::given> interpreter::run_job(running& now, const job_task& body) {
  auto evaluated = evaluate("spec", program(body.spec), now.input, &now, now.around.variables);
  const auto described = co_await evaluated;
  auto spec = described->value();
  if (body.artifacts) {
    auto patterns = evaluate("artifacts", program(*body.artifacts), now.input, &now, now.around.variables);
    const auto list = co_await patterns;
    if (spec.is_object()) spec.get_object()["artifacts"] = list->value();
  }
  job_options options;
  if (body.interval) {
    auto first = length_of(*body.interval, &now, now.around.variables);
    const auto interval = co_await first;
    options.poll = fixed(interval);
    if (body.longest_interval) {
      auto last = length_of(*body.longest_interval, &now, now.around.variables);
      const auto longest = co_await last;
      options.poll = exponential(interval, longest);
    }
  }
  if (body.timeout) {
    auto measure = length_of(*body.timeout, &now, now.around.variables);
    options.timeout = co_await measure;
  }
  note_step();
  if (body.ambiguous == "fail") options.ambiguous = ambiguous_submit::fail;
  if (body.ambiguous == "ask") options.ambiguous = ambiguous_submit::ask;
  const auto& name = now.what->name;
  step<job_handle> submit{
      ctx_->frame(),
      {.kind = detail::step_kind::job, .name = name, .args = detail::job_args("submit", body.backend, name, spec, options)}};
  std::optional<failure> refused;
  job_handle job;
  try {
    job = co_await submit;
  } catch (const step_error& e) {
    refused = e.why();
  }
  if (refused) {
    // The run's own end is nothing that a document catches.
    if (!can_be_caught(*refused)) detail::throw_failure(std::move(*refused));
    auto why =
        make_error(refused->code == failure_code::job_timed_out ? "timeout" : "runtime", refused->message, now.what->reference);
    why.causes.push_back(std::move(*refused));
    detail::throw_failure(std::move(why));
  }
  auto wait = ctx_->poll_until_complete(job);
  const auto end = co_await wait;
  if (end.status != job_status::succeeded) throw step_error(failure_of_job(end, now.what->reference));
  auto value = value_of(end);
  if (body.artifacts) {
    auto listing = ctx_->artifacts(job);
    const auto files = co_await listing;
    value.emplace("artifacts", to_json(files));
  }
  given out;
  out.value = make_data(json::value(std::move(value)));
  co_return out;
}

}  // namespace perdure::dsl
