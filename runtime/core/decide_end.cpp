// Decides how a run comes to its end: cancel of the others, compensations, the next run of an endless one, the end itself.
#include "core/decide_jobs.hpp"
#include "core/decide_parts.hpp"
#include "core/links.hpp"
#include "perdure/limits.hpp"

namespace perdure::core {

namespace {

/// What the run ends with when some of its compensations failed: its own failure, then theirs.
failure with_compensation_errors(const run_state& state) {
  failure out{.code = std::string{failure_code::compensation},
              .message = std::to_string(state.compensation_errors.size()) +
                         " of the run's compensations failed; what they were to undo still stands"};
  if (state.error) out.causes.push_back(*state.error);
  for (const auto& each : state.compensation_errors) out.causes.push_back(each);
  return bounded(std::move(out));
}

event end_of(const run_state& state) {
  const auto output = state.outputs.empty() ? payload{} : state.outputs.back();
  if (!state.compensation_errors.empty()) return run_ended{run_status::failed, output, with_compensation_errors(state)};
  if (state.ending_as) return run_ended{*state.ending_as, output, state.error};
  if (state.error) return run_ended{run_status::failed, output, state.error};
  return run_ended{run_status::succeeded, output, std::nullopt};
}

event unfilled(const run_state& state) {
  std::string groups;
  for (const auto& [group, sources] : state.fan_ins) {
    for (const auto& [source, messages] : sources)
      groups += (groups.empty() ? "" : ", ") + std::to_string(messages.size()) + " from " + source;
  }
  return warning{"fan_in_unfilled", "the run ends while a fan-in still waits for other sources; it has " + groups, {}};
}

/// An executor that the workflow has no more fails the compensation, and the next one follows.
event compensate(const plan& of, const run_state& state, timestamp now) {
  const auto& last = state.compensations.back();
  const auto* to = of.find(last.executor);
  auto next = to == nullptr ? scheduled{.id = state.next_activation, .executor = last.executor}
                            : schedule_at(*to, state.next_activation, now);
  next.message = last.message;
  next.value = last.value;
  return compensation_started{std::move(next)};
}

event continued(const plan* of, const run_state& state, timestamp now) {
  const auto& wish = *state.continuation;
  const auto* first = of == nullptr ? nullptr : of->find(state.start);
  return run_ended{.status = run_status::continued_as_new,
                   .output = state.outputs.empty() ? payload{} : state.outputs.back(),
                   .successor = successor_id(state, now),
                   .message = wish.message,
                   .input = wish.value,
                   .start_by = first == nullptr ? std::nullopt : after(now, first->timeouts.schedule_to_start),
                   .close_by = first == nullptr ? std::nullopt : after(now, first->timeouts.schedule_to_close),
                   .newest = wish.newest};
}

}  // namespace

std::optional<event> settle_end(const plan* of, const run_state& state, timestamp now) {
  switch (next_ending(state)) {
    case ending::none: return std::nullopt;
    case ending::cancel:
      return event{cancel_requested{.reason = "another executor failed",
                                    .grace_until = later(now, limits::cancel_grace),
                                    .as = run_status::failed,
                                    .error = state.error}};
    case ending::compensate:
      // Its limits are in the workflow's definition; without that it waits.
      if (of == nullptr) return std::nullopt;
      return compensate(*of, state, now);
    case ending::continue_as_new: return continued(of, state, now);
    case ending::warn: return unfilled(state);
    case ending::end:
      if (auto left = leave_questions(state); !left.empty()) return std::move(left.front());
      return end_of(state);
  }
  return std::nullopt;
}

}  // namespace perdure::core
