// What each kind of task does.
#include "dsl/interpreter.hpp"
#include "dsl/jq_values.hpp"

namespace perdure::dsl {

async<interpreter::given> interpreter::run_set(running& now, const set_task& body) {
  auto evaluated = evaluate(now.what->name, program(body.value), now.input, &now, now.around.variables, true);
  given out;
  out.value = co_await evaluated;
  co_return out;
}

async<interpreter::given> interpreter::run_wait(running& now, const wait_task& body) {
  auto measure = length_of(body.length, &now, now.around.variables);
  const auto length = co_await measure;
  idle_tasks_ = 0;
  auto timer = ctx_->sleep_for(length);
  co_await timer;
  given out;
  out.value = now.input;
  co_return out;
}

async<interpreter::given> interpreter::run_raise(running& now, const raise_task& body) {
  auto evaluated = evaluate(now.what->name, program(body.error), now.input, &now, now.around.variables, true);
  const auto value = co_await evaluated;
  throw step_error(raised_error(value->value(), now.what->reference));
}

async<interpreter::given> interpreter::run_switch(running& now, const switch_task& body) {
  given out;
  out.value = now.input;
  const switch_task::branch* otherwise = nullptr;
  for (const auto& branch : body.branches) {
    if (!branch.when) {
      otherwise = &branch;
      continue;
    }
    auto condition = is_true(now.what->name, branch.when, now.input, &now, now.around.variables);
    const bool holds = co_await condition;
    if (holds) {
      out.then = branch.then;
      co_return out;
    }
  }
  if (otherwise != nullptr) out.then = otherwise->then;
  co_return out;
}

namespace {

std::string text_of(const json::value& value) { return value.is_null() ? std::string{} : jq::text(value); }

process_spec shell_spec(const json::object& process) {
  process_spec spec{"/bin/sh"};
  spec.check = false;  // what an exit code means is the document's choice
  spec.arguments = {"-c", text_of(process.at("command")), "sh"};
  if (const auto* arguments = process.if_contains("arguments")) {
    for (const auto& each : arguments->as_array()) spec.arguments.push_back(text_of(each));
  }
  if (const auto* environment = process.if_contains("environment")) {
    for (const auto& [key, value] : environment->as_object()) spec.environment.emplace(std::string{key}, text_of(value));
  }
  if (const auto* input = process.if_contains("stdin")) spec.input = text_of(*input);
  return spec;
}

json::value shell_value(const process_result& result, shell_task::result gives) {
  switch (gives) {
    case shell_task::result::standard_output: return json::value(result.output);
    case shell_task::result::standard_error: return json::value(result.error);
    case shell_task::result::code: return result.code;
    case shell_task::result::all: return json::object{{"code", result.code}, {"stdout", result.output}, {"stderr", result.error}};
    case shell_task::result::none: break;
  }
  return nullptr;
}

}  // namespace

async<interpreter::given> interpreter::run_shell(running& now, const shell_task& body) {
  auto evaluated = evaluate("process", program(body.process), now.input, &now, now.around.variables);
  const auto process = co_await evaluated;
  const auto spec = shell_spec(process->value().as_object());
  idle_tasks_ = 0;
  auto step = ctx_->run_process(now.what->name, spec);
  const auto result = co_await step;
  const bool tells_code = body.gives == shell_task::result::code || body.gives == shell_task::result::all;
  if (result.code != 0 && !tells_code) {
    auto detail = "the command ended with exit code " + std::to_string(result.code);
    auto last = result.error;
    while (!last.empty() && (last.back() == '\n' || last.back() == ' ')) last.pop_back();
    if (last.size() > limits::process_error_tail_bytes) last.erase(0, last.size() - limits::process_error_tail_bytes);
    while (!last.empty() && (static_cast<unsigned char>(last.front()) & 0xC0U) == 0x80U) last.erase(0, 1);
    if (!last.empty()) detail += ": " + last;
    throw step_error(make_error("runtime", std::move(detail), now.what->reference));
  }
  given out;
  out.value = make_data(shell_value(result, body.gives));
  co_return out;
}

async<interpreter::given> interpreter::run_for(running& now, const for_task& body) {
  auto in = std::make_shared<const dynamic_value>(body.in);
  auto evaluated = evaluate("in", std::move(in), now.input, &now, now.around.variables);
  const auto items = co_await evaluated;
  given out;
  out.value = now.input;
  if (items->value().is_null()) co_return out;
  if (!items->value().is_array()) {
    throw step_error(
        make_error("expression", "\"in\" must give an array, found " + jq::excerpt(items->value()), now.what->reference));
  }
  const auto& list = items->value().get_array();
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (is_pause_due()) {
      auto rest = pause();
      co_await rest;
    }
    const auto index = std::make_shared<const variable_scope>(
        variable_scope{now.around.variables, body.at, make_data(static_cast<std::int64_t>(i))});
    const surroundings inside{std::make_shared<const variable_scope>(variable_scope{index, body.each, make_data(list[i])}),
                              now.number, now.around.attempt};
    if (body.condition) {
      auto condition = is_true("while", body.condition, out.value, &now, inside.variables);
      const bool goes_on = co_await condition;
      if (!goes_on) break;
    }
    auto tasks = run_list(body.tasks, out.value, inside);
    out = co_await tasks;
    if (out.ends) break;
  }
  co_return out;
}

async<interpreter::given> interpreter::run_branch(const dsl::task& what, data_ptr input, surroundings around) {
  auto one = run_task(what, std::move(input), around);
  auto next = co_await one;
  if (next.then.where == flow::kind::end) throw workflow_ended{next.value};
  given out;
  out.value = std::move(next.value);
  co_return out;
}

async<interpreter::given> interpreter::run_fork(running& now, const fork_task& body) {
  const surroundings inside{now.around.variables, now.number, now.around.attempt};
  std::vector<async<given>> branches;
  for (const auto& each : body.branches) branches.push_back(run_branch(*each, now.input, inside));
  given out;
  if (body.compete) {
    auto race = ctx_->when_any(branches);
    auto won = co_await race;
    end_scopes_within(now.number, failure{.code = std::string{failure_code::cancelled}, .message = "another branch was first"});
    out.value = std::move(won.value.value);
    co_return out;
  }
  auto all = ctx_->when_all(branches);
  auto results = co_await all;
  json::array values;
  for (auto& each : results) values.push_back(each.value->value());
  out.value = make_data(std::move(values));
  co_return out;
}

}  // namespace perdure::dsl
