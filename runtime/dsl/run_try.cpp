// try: which errors are caught, when the tasks are tried again, and what a handler gives.
#include <algorithm>
#include <cmath>

#include "dsl/interpreter.hpp"
#include "dsl/iso_duration.hpp"

namespace perdure::dsl {

async<interpreter::given> interpreter::run_try(running& now, const try_task& body) {
  if (now.error) {  // that an earlier activation began to handle
    auto handling = handle_error(now, body);
    auto handled = co_await handling;
    co_return handled;
  }
  if (!now.resumes) {
    now.attempt = 1;
    now.first_attempt = ctx_->now();
  }
  given out;
  for (;; ++now.attempt) {
    std::optional<failure> failed;
    std::uint32_t failed_task = 0;
    try {
      auto tasks = run_attempt(now, body, failed_task);
      out = co_await tasks;
    } catch (const step_error& e) {
      failed = e.why();
    }
    if (!failed) co_return out;
    if (!can_be_caught(*failed)) detail::throw_failure(std::move(*failed));
    // Another branch of it may have been cut off by the failure.
    auto cancelled = cancel_orphans();
    co_await cancelled;
    auto error = make_data(error_value(*failed));
    const auto inside = now.inside(std::make_shared<const variable_scope>(variable_scope{now.around.variables, body.as, error}));
    auto question = is_caught(now, body, inside, *failed);
    const bool caught = co_await question;
    if (!caught) detail::throw_failure(std::move(*failed));
    if (body.retry) {
      auto decision = next_delay(now, *body.retry, inside);
      const auto delay = co_await decision;
      if (delay) {
        note_step();
        auto timer = sleep(*delay, failed_task != 0 ? failed_task : now.number);
        co_await timer;
        continue;
      }
      if (!body.handler) detail::throw_failure(std::move(*failed));
    }
    if (!body.handler) {
      out.value = now.input;
      co_return out;
    }
    now.error = std::move(error);
    auto handling = handle_error(now, body);
    out = co_await handling;
    co_return out;
  }
}

/// What is done about the error `now.error` at last.
async<interpreter::given> interpreter::handle_error(running& now, const try_task& body) {
  const auto inside =
      now.inside(std::make_shared<const variable_scope>(variable_scope{now.around.variables, body.as, now.error}));
  auto tasks = run_list(*body.handler, now.input, inside);
  auto out = co_await tasks;
  co_return out;
}

/// The tasks once. The time limit of attempts concerns those that try again.
async<interpreter::given> interpreter::run_attempt(running& now, const try_task& body, std::uint32_t& failed) {
  auto inside = now.inside();
  inside.attempt = now.attempt;
  inside.failed = &failed;
  const bool resumes = std::exchange(now.resumes, false);
  if (now.attempt == 1 || !body.retry || !body.retry->attempt_limit) {
    auto tasks = run_list(body.tasks, now.input, inside);
    auto out = co_await tasks;
    co_return out;
  }
  auto measure = length_of(*body.retry->attempt_limit, &now, now.around.variables);
  const auto limit = co_await measure;
  if (!resumes) now.attempt_due = ctx_->now() + limit;
  auto tasks = run_list(body.tasks, now.input, inside);
  auto timer = sleep(std::max(duration{0}, *now.attempt_due - ctx_->now()), now.number);
  auto race = ctx_->when_any(tasks, timer);
  auto won = co_await race;
  if (won.index == 1) {
    auto late = make_error("timeout", "an attempt took longer than " + to_human(limit), now.what->reference);
    end_scopes_within(now.number, late);
    throw step_error(std::move(late));
  }
  co_return std::move(*std::get<0>(won.values));
}

async<bool> interpreter::is_caught(running& now, const try_task& body, surroundings around, const failure& why) {
  if (!body.filter.empty()) {
    json::object wanted;
    for (const auto& [name, value] : body.filter) {
      auto evaluated = evaluate("errors", program(value), now.input, &now, around.variables);
      const auto each = co_await evaluated;
      wanted.emplace(name, each->value());
    }
    if (!matches(error_value(why), wanted)) co_return false;
  }
  if (body.when) {
    auto condition = is_true("when", body.when, now.input, &now, around.variables);
    const bool holds = co_await condition;
    if (!holds) co_return false;
  }
  if (body.except_when) {
    auto condition = is_true("exceptWhen", body.except_when, now.input, &now, around.variables);
    const bool holds = co_await condition;
    if (holds) co_return false;
  }
  co_return true;
}

/// Empty: not tried again.
async<std::optional<duration>> interpreter::next_delay(running& now, const retry_rule& rule, surroundings around) {
  const auto attempt = now.attempt;
  if (rule.count && attempt > *rule.count) co_return std::nullopt;
  if (rule.when) {
    auto condition = is_true("retry", rule.when, now.input, &now, around.variables);
    const bool holds = co_await condition;
    if (!holds) co_return std::nullopt;
  }
  if (rule.except_when) {
    auto condition = is_true("retry", rule.except_when, now.input, &now, around.variables);
    const bool holds = co_await condition;
    if (holds) co_return std::nullopt;
  }
  duration base{0};
  if (rule.delay) {
    auto measure = length_of(*rule.delay, &now, around.variables);
    base = co_await measure;
  }
  const auto factor = rule.backoff == backoff_kind::linear        ? static_cast<double>(attempt)
                      : rule.backoff == backoff_kind::exponential ? std::exp2(static_cast<double>(attempt - 1))
                                                                  : 1.0;
  const auto scaled = std::min(static_cast<double>(base.count()) * factor, static_cast<double>(longest_duration.count()));
  duration delay{static_cast<duration::rep>(scaled)};
  if (rule.jitter) {
    auto from = length_of(rule.jitter->first, &now, around.variables);
    const auto least = co_await from;
    auto to = length_of(rule.jitter->second, &now, around.variables);
    const auto most = co_await to;
    delay += least;
    if (most > least)
      delay += duration{static_cast<duration::rep>(ctx_->random() % static_cast<std::uint64_t>((most - least).count() + 1))};
  }
  if (rule.limit) {
    auto measure = length_of(*rule.limit, &now, around.variables);
    const auto limit = co_await measure;
    if (ctx_->now() + delay - now.first_attempt > limit) co_return std::nullopt;
  }
  co_return delay;
}

}  // namespace perdure::dsl
