// Sums of a time and a length that users choose: they stop at the ends of time instead of overflowing.
#pragma once

#include "perdure/time.hpp"

namespace perdure::core {

[[nodiscard]] constexpr timestamp later(timestamp at, duration by) noexcept {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(at.time_since_epoch().count(), by.count(), &sum))
    return by < duration{0} ? timestamp::min() : timestamp::max();
  return timestamp{duration{sum}};
}

}  // namespace perdure::core
