// decide: which events a command makes of a state. Pure: no clock, no chance, no code of users but the workflow's
// conditions.
#pragma once

#include <optional>
#include <vector>

#include "core/command.hpp"
#include "core/plan.hpp"
#include "core/state.hpp"

namespace perdure::core {

/// A cancel with this command id is no caller's wish: the run ends as failed, with the reason for its error.
inline constexpr std::string_view reaper_command = "perdure.reaper";

/// The first event of a run. invalid_argument when the start executor does not take the message.
[[nodiscard]] result<event> decide_start(const plan& of, const start_command& how, timestamp now);

/// The events of one command, to be applied in order; often none. `of` may be null while the workflow is not
/// registered; then reports are refused. Errors (nothing changes): conflict (terminal run, an attempt that is
/// fenced), not_found (request), limit_exceeded.
[[nodiscard]] result<std::vector<event>> decide(const plan* of, const run_state& state, const command& what, timestamp now);

/// The open request of an activation that an answer is for; none when it is for another kind of question, or would change
/// nothing.
[[nodiscard]] std::optional<std::pair<activation_id, step_ordinal>> step_answered(const run_state& state,
                                                                                  const respond_command& what);

/// What the state itself calls for after an event: a buffered signal meets its waiter, the last activation has
/// ended. Called until it gives nothing.
[[nodiscard]] std::optional<event> settle(const plan* of, const run_state& state, timestamp now);

/// The event of the earliest deadline that is due; called until it gives nothing. While `of` is null, limits and backoffs
/// of attempts wait for it: they depend on the executor's policy.
[[nodiscard]] std::optional<event> expire(const plan* of, const run_state& state, timestamp now);

}  // namespace perdure::core
