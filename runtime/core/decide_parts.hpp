// Pieces of decide() that its files share.
#pragma once

#include "core/decide.hpp"
#include "core/later.hpp"

namespace perdure::core {

/// The time that a length from now comes to; none for a length of 0.
[[nodiscard]] inline std::optional<timestamp> after(timestamp now, duration length) {
  return length > duration{0} ? std::optional{later(now, length)} : std::nullopt;
}
/// An activation of an executor of the plan, with its limits.
[[nodiscard]] inline scheduled schedule_at(const executor_plan& to, activation_id id, timestamp now) {
  return {.id = id,
          .executor = to.name,
          .explicit_start = to.timeouts.any(),
          .start_by = after(now, to.timeouts.schedule_to_start),
          .close_by = after(now, to.timeouts.schedule_to_close)};
}
/// The part of settle() that is about the end of the run.
[[nodiscard]] std::optional<event> settle_end(const plan* of, const run_state& state, timestamp now);
/// The failure as it is stored: texts and causes cut to their limits, so that what was written can be read again.
[[nodiscard]] failure bounded(failure what);
/// The attempt's failure, with the time of the next one when the executor's policy allows it.
[[nodiscard]] attempt_failed decide_failure(const plan* of, const run_state& state, const activation& in, failure why,
                                            timestamp now, bool final);
/// The start of an attempt: recorded outcomes before the first failed one are kept.
[[nodiscard]] attempt_started begin_attempt(const plan* of, const activation& in, std::uint32_t number, timestamp now);
[[nodiscard]] result<std::vector<event>> decide_report(const plan* of, const run_state& state, const attempt_report& what,
                                                       timestamp now);

}  // namespace perdure::core
