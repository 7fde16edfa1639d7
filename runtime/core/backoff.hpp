// When something that failed is tried again: the arithmetic of retry policies.
#pragma once

#include <string_view>

#include "perdure/error.hpp"
#include "perdure/policy.hpp"

namespace perdure::core {

/// The wait before try `next_try` (2 = the first retry), in [0, cap]. `previous` is the wait before the last try, which
/// decorrelated jitter builds on; 0 = none or not known: then it builds on the policy's wait without jitter.
[[nodiscard]] duration delay_before(const backoff& how, std::uint32_t next_try, duration previous, std::uint64_t random);

/// Whether a failure with this code may be tried again after `tries_made` tries. "cancelled" and "nondeterminism" never
/// are; "bad_message" and "limit" repeat for sure, so only where the policy names them in `only`.
[[nodiscard]] bool may_retry(const retry_policy& policy, std::uint32_t tries_made, std::string_view code, duration elapsed);

}  // namespace perdure::core
