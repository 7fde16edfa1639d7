// Evaluating inside a run: what is native and pure at once, everything else as a recorded step.
#include <algorithm>

#include "dsl/interpreter.hpp"
#include "dsl/jq_values.hpp"

namespace perdure::dsl {

namespace {

failure expression_error(const error& why, const std::string& reference) {
  const bool broken = why.code == errc::io_error || why.code == errc::unsupported;
  return make_error(broken ? "runtime" : "expression", why.message, reference);
}

}  // namespace

const std::string& interpreter::reference_of(const running* now) const {
  static const std::string whole = "/";
  return now != nullptr ? now->what->reference : whole;
}

data_ptr interpreter::describe_task(const running& now) const {
  json::object out{{"name", now.what->name}, {"reference", now.what->reference}, {"definition", to_json(*now.what->source)}};
  out.emplace("input", now.raw_input->value());
  if (now.raw_output) out.emplace("output", now.raw_output->value());
  out.emplace("startedAt", describe_time(now.started));
  return make_data(std::move(out));
}

const data_ptr& interpreter::describe_workflow() {
  if (!workflow_) {
    workflow_ = make_data(json::object{{"id", ctx_->run().str()},
                                       {"definition", *document_->definition},
                                       {"input", workflow_input_->value()},
                                       {"startedAt", describe_time(started_)}});
  }
  return workflow_;
}

bindings interpreter::bind(const std::vector<std::string>& names, const running* now, const variables_ptr& variables) {
  static const data_ptr runtime =
      make_data(json::object{{"name", "perdure"}, {"version", PERDURE_VERSION}, {"metadata", json::object{}}});
  static const data_ptr none = make_data(nullptr);
  bindings out;
  for (const auto& name : names) {
    data_ptr value;
    for (const auto* each = variables.get(); each != nullptr && !value; each = each->outer.get()) {
      if (each->name == name) value = each->value;
    }
    if (!value) {
      if (name == "context") value = context_;
      if (name == "workflow") value = describe_workflow();
      if (name == "runtime") value = runtime;
      if (now != nullptr && name == "input") value = now->input;
      if (now != nullptr && name == "output") value = now->output;
      if (now != nullptr && name == "task") value = describe_task(*now);
    }
    out.emplace_back(name, value ? std::move(value) : none);
  }
  return out;
}

async<data_ptr> interpreter::evaluate(std::string label, program_ptr what, data_ptr input, const running* now,
                                      variables_ptr variables, bool recorded) {
  if (!recorded) {
    if (const auto* constant = what->constant()) co_return make_data(*constant);
  }
  std::vector<std::string> names;
  what->add_variables(names);
  // A newer build says something else there, and a run that goes on under it must not: what was said is recorded.
  recorded = recorded || std::find(names.begin(), names.end(), "runtime") != names.end();
  auto values = bind(names, now, variables);
  const auto reference = reference_of(now);
  if (!recorded && what->is_native()) {
    auto value = what->evaluate(input->value(), lookup_in(values), nullptr);
    if (!value) throw step_error(expression_error(value.error(), reference));
    co_return make_data(std::move(*value));
  }
  // What the body uses it co-owns: a body may outlive the attempt that started it.
  auto body = [host = host_, program = std::move(what), input, values = std::move(values), reference]() -> payload {
    auto value = program->evaluate(input->value(), lookup_in(values), host.get());
    if (!value) throw step_error(expression_error(value.error(), reference));
    try {
      return payload{*value};
    } catch (const step_error& e) {
      throw step_error(make_error("expression", e.why().message, reference));
    }
  };
  idle_tasks_ = 0;
  auto step = ctx_->call(label, body);
  auto stored = co_await step;
  co_return std::make_shared<const data>(std::move(stored));
}

async<bool> interpreter::is_true(std::string label, const expression_ptr& what, data_ptr input, const running* now,
                                 variables_ptr variables) {
  auto condition = std::make_shared<const dynamic_value>(what);
  auto evaluated = evaluate(std::move(label), std::move(condition), std::move(input), now, std::move(variables));
  const auto value = co_await evaluated;
  co_return jq::is_true(value->value());
}

async<duration> interpreter::length_of(const duration_value& what, const running* now, variables_ptr variables) {
  if (const auto* fixed = std::get_if<duration>(&what)) co_return *fixed;
  const auto input = now != nullptr ? now->input : workflow_input_;
  auto evaluated = evaluate("duration", program(std::get<dynamic_value>(what)), input, now, std::move(variables));
  const auto value = co_await evaluated;
  co_return to_duration(value->value(), reference_of(now));
}

}  // namespace perdure::dsl
