// Random numbers that repeat: a pure function of (run, activation, counter), so that a replay draws the same ones and
// one more draw of one use changes nothing for any other.
#pragma once

#include <cstdint>

#include "perdure/ids.hpp"

namespace perdure::core {

/// One activation's stream, prepared once so that a draw is a few multiplications. The engine's own draws (jitter)
/// take counters with the top bit set; a handler's do not.
class counter_stream {
 public:
  counter_stream(const run_id& run, activation_id activation) noexcept;
  [[nodiscard]] std::uint64_t at(std::uint64_t counter) const noexcept;

 private:
  std::uint64_t first_;
  std::uint64_t second_;
};

[[nodiscard]] std::uint64_t counter_random(const run_id& run, activation_id activation, std::uint64_t counter) noexcept;

}  // namespace perdure::core
