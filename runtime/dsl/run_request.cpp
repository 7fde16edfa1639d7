// call: request, a function of this runtime: a durable question. Whoever answers decides how the task goes on.
#include "core/stand_in.hpp"
#include "dsl/interpreter.hpp"

namespace perdure::dsl {

async<interpreter::given> interpreter::run_request(running& now, const request_task& body) {
  auto evaluated = evaluate("question", program(body.question), now.input, &now, now.around.variables);
  const auto question = co_await evaluated;
  duration limit{0};
  if (body.timeout) {
    auto measure = length_of(*body.timeout, &now, now.around.variables);
    limit = co_await measure;
  }
  idle_tasks_ = 0;
  step<payload> asked{
      ctx_->frame(),
      {.kind = detail::step_kind::request, .name = now.what->name, .args = payload{question->value()}, .timeout = limit}};
  const auto answer = co_await asked;
  // Who answers cannot get at a secret.
  auto value = answer.value();
  core::spoil_stand_ins(value);
  given out;
  out.value = make_data(std::move(value));
  co_return out;
}

}  // namespace perdure::dsl
