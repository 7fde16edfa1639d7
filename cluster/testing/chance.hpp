// The seeded source of every choice of a schedule.
#pragma once

#include <cstdint>
#include <string_view>

namespace perdure::sim {

/// SplitMix64's step: good enough to choose, and the same everywhere.
[[nodiscard]] constexpr std::uint64_t mixed(std::uint64_t value) {
  value += 0x9E3779B97F4A7C15ULL;
  value = (value ^ value >> 30U) * 0xBF58476D1CE4E5B9ULL;
  value = (value ^ value >> 27U) * 0x94D049BB133111EBULL;
  return value ^ value >> 31U;
}

[[nodiscard]] constexpr std::uint64_t hashed(std::string_view text, std::uint64_t salt = 0) {
  auto out = mixed(salt);
  for (const auto each : text) out = mixed(out ^ static_cast<unsigned char>(each));
  return out;
}

class chance {
 public:
  explicit chance(std::uint64_t seed) : state_(mixed(seed)) {}
  std::uint64_t bits() { return mixed(state_++); }
  /// In [0, limit).
  std::uint64_t below(std::uint64_t limit) { return bits() % limit; }
  bool one_in(std::uint64_t many) { return below(many) == 0; }

 private:
  std::uint64_t state_;
};

}  // namespace perdure::sim
