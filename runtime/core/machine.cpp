#include "core/machine.hpp"

#include <algorithm>

#include "core/later.hpp"
#include "core/links.hpp"
#include "core/retry_point.hpp"

namespace perdure::core {

result<std::vector<event>> machine::start(const start_command& how, timestamp now) {
  auto first = decide_start(*plan_, how, now);
  if (!first) return first.error();
  std::vector<event> done;
  carry_out(std::move(*first), now, done);
  return done;
}

result<std::vector<event>> machine::adopt(event first, timestamp now) {
  auto probe = state_;
  if (auto fits = apply(probe, first, now); !fits) return error{errc::invalid_argument, fits.error().message};
  std::vector<event> done;
  carry_out(std::move(first), now, done);
  return done;
}

result<std::vector<event>> machine::execute(const command& what, timestamp now) {
  now = std::max(now, state_.updated_at);
  auto decided = decide(plan_.get(), state_, what, now);
  if (!decided) return decided.error();
  std::vector<event> done;
  done.reserve(decided->size());
  // The journal may have ended between an event and what follows from it.
  if (std::holds_alternative<reopened>(what)) follow(now, done);
  for (auto& each : *decided) carry_out(std::move(each), now, done);
  if (std::holds_alternative<wake>(what) || std::holds_alternative<reopened>(what)) {
    while (done.size() < expired_per_command) {
      auto expired = expire(plan_.get(), state_, now);
      if (!expired) break;
      carry_out(std::move(*expired), now, done);
    }
  }
  return done;
}

void machine::carry_out(event what, timestamp now, std::vector<event>& done) {
  take_in(what, now);
  done.push_back(std::move(what));
  follow(now, done);
}

void machine::follow(timestamp now, std::vector<event>& done) {
  while (auto next = settle(plan_.get(), state_, now)) {
    take_in(*next, now);
    done.push_back(std::move(*next));
  }
}

void machine::take_in(const event& what, timestamp now) {
  if (const auto applied = apply(state_, what, now); !applied)
    throw broken_invariant("invariant broken in run " + state_.id.str() + ": " + applied.error().message);
  if (observer_) observer_(what, state_);
}

namespace {

/// The end of the run; what is after it only acknowledges messages.
const run_ended* last_end(const std::vector<std::pair<event, timestamp>>& history) {
  for (auto at = history.rbegin(); at != history.rend(); ++at) {
    if (const auto* end = std::get_if<run_ended>(&at->first)) return end;
    if (!may_follow_end(kind_of(at->first))) return nullptr;
  }
  return nullptr;
}

/// Attempts begin anew, with the steps that succeeded before their first failed one.
void begin_anew(run_state& state, const plan* of, timestamp now) {
  const auto after = [&](duration length) { return length > duration{0} ? std::optional{later(now, length)} : std::nullopt; };
  for (auto& [number, in] : state.activations) {
    in.pending.clear();
    in.status = activation_status::pending;  // its explicit start cuts the history and sets the attempt's limits
    in.attempt = 0;
    in.waiting = false;
    in.scheduled_at = now;
    const auto* policy = of == nullptr ? nullptr : of->find(in.executor);
    in.start_by = policy == nullptr ? std::nullopt : after(policy->timeouts.schedule_to_start);
    in.close_by = policy == nullptr ? std::nullopt : after(policy->timeouts.schedule_to_close);
    in.attempt_close_by.reset();
    in.beat_by.reset();
    in.retry_at.reset();
  }
  state.deadline_at = of == nullptr ? std::nullopt : after(of->timeout);
  state.paused = false;
  state.suspect_marks = 0;
  state.key.clear();
  state.command_ids.clear();
  state.parent.reset();
  for (auto& each : state.carried) each.activation = 0;
  state.status = run_status::running;
  adopt_children(state, now);
  adopt_jobs(state, now);
}

/// Folds events in as long as `wanted` says so.
template <class F>
result<run_state> folded(const std::vector<std::pair<event, timestamp>>& history, run_id id, F wanted) {
  run_state state;
  state.id = id;
  for (const auto& [what, at] : history) {
    if (!wanted(what, state)) break;
    if (auto applied = apply(state, what, at); !applied) return applied.error();
  }
  return state;
}

}  // namespace

result<run_state> state_for_fork(const std::vector<std::pair<event, timestamp>>& history, run_id id, run_seq from, const plan* of,
                                 timestamp now) {
  if (from == 0 || from > history.size()) {
    return error{errc::not_found,
                 "the run has no event " + std::to_string(from) + "; its events are 1 to " + std::to_string(history.size())};
  }
  run_seq at = 0;
  auto state = folded(history, id, [&](const event&, const run_state&) { return ++at <= from; });
  if (!state) return state.error();
  if (is_terminal(state->status) || state->ending_as) {
    return error{errc::conflict, "at event " + std::to_string(from) + " the run " +
                                     (state->ending_as && !is_terminal(state->status) ? "was being cancelled" : "had ended") +
                                     "; fork from an earlier one"};
  }
  state->error.reset();
  begin_anew(*state, of, now);
  return state;
}

result<run_state> state_for_retry(const std::vector<std::pair<event, timestamp>>& history, run_id id, const plan* of,
                                  timestamp now) {
  const auto* end = last_end(history);
  if (end == nullptr) return error{errc::conflict, "the run has not ended; cancel it first, or let it go on"};
  if (end->status == run_status::succeeded || end->status == run_status::continued_as_new) {
    return error{errc::conflict, "the run has " +
                                     std::string{end->status == run_status::succeeded ? "succeeded" : "continued as new"} +
                                     "; there is nothing to retry"};
  }
  // What was undone is to be done again.
  const bool undone = std::any_of(history.begin(), history.end(),
                                  [](const auto& each) { return std::holds_alternative<compensation_started>(each.first); });
  retry_point point;
  auto state = folded(history, id, [&](const event& what, const run_state& before) {
    if (undone) return &what == &history.front().first;
    point.note(before, what);
    const auto* failed = std::get_if<attempt_failed>(&what);
    return !((failed != nullptr && !failed->retry_at) || std::holds_alternative<cancel_requested>(what) ||
             std::holds_alternative<run_ended>(what));
  });
  if (!state) return state.error();
  if (end->status == run_status::failed && !undone) point.cut(*state);
  state->error.reset();  // a child may have set it
  begin_anew(*state, of, now);
  return state;
}

}  // namespace perdure::core
