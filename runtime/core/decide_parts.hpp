// Pieces of decide() that its files share.
#pragma once

#include "core/decide.hpp"

namespace perdure::core {

/// The failure as it is stored: texts and causes cut to their limits, so that what was written can be read again.
[[nodiscard]] failure bounded(failure what);
/// The attempt's failure, with the time of the next one when the executor's policy allows it.
[[nodiscard]] attempt_failed decide_failure(const plan* of, const run_state& state, const activation& in, failure why, timestamp now, bool final);
/// The start of an attempt: recorded outcomes before the first failed one are kept.
[[nodiscard]] attempt_started begin_attempt(const plan* of, const activation& in, std::uint32_t number, timestamp now);
[[nodiscard]] result<std::vector<event>> decide_report(const plan* of, const run_state& state, const attempt_report& what, timestamp now);

}  // namespace perdure::core
