// What each kind of task does.
#include <algorithm>

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
  note_step();
  auto timer = sleep(length, now.number);
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

/// Whether a loop that goes on in another activation finds its items by asking for them once more.
bool gives_the_same_again(const expression_ptr& what) {
  const dynamic_value in(what);
  if (!in.is_native()) return false;
  std::vector<std::string> names;
  in.add_variables(names);
  return std::none_of(names.begin(), names.end(),
                      [](const auto& each) { return each == "context" || each == "secrets" || each == "runtime"; });
}

}  // namespace

async<interpreter::given> interpreter::run_for(running& now, const for_task& body) {
  bool resumes = std::exchange(now.resumes, false);
  auto items = now.items;
  if (!items) {
    auto in = std::make_shared<const dynamic_value>(body.in);
    auto evaluated = evaluate("in", std::move(in), now.input, &now, now.around.variables);
    items = co_await evaluated;
    now.first_turn = 0;
  }
  given out;
  out.value = now.input;
  if (items->value().is_null()) co_return out;
  if (!items->value().is_array()) {
    throw step_error(
        make_error("expression", "\"in\" must give an array, found " + jq::excerpt(items->value()), now.what->reference));
  }
  if (!gives_the_same_again(body.in)) now.items = items;
  const auto& list = items->value().get_array();
  for (std::size_t i = now.turn; i - now.first_turn < list.size(); ++i) {
    now.turn = i;
    if (!records_all_) idle_tasks_ = 0;  // a loop over items comes to an end
    if (is_pause_due()) {
      auto rest = pause();
      co_await rest;
    }
    const auto index = std::make_shared<const variable_scope>(
        variable_scope{now.around.variables, body.at, make_data(static_cast<std::int64_t>(i))});
    const auto inside =
        now.inside(std::make_shared<const variable_scope>(variable_scope{index, body.each, make_data(list[i - now.first_turn])}));
    if (body.condition && !std::exchange(resumes, false)) {
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
  auto inside = now.inside();
  inside.stays = true;
  std::vector<async<given>> branches;
  for (const auto& each : body.branches) branches.push_back(run_branch(*each, now.input, inside));
  given out;
  if (body.compete) {
    auto race = ctx_->when_any(branches);
    auto won = co_await race;
    end_scopes_within(now.number, failure{.code = std::string{failure_code::cancelled}, .message = "another branch was first"});
    auto cancelled = cancel_orphans();
    co_await cancelled;
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
