// Counter-based random: SplitMix64's output function (Steele, Lea, Flood: "Fast splittable pseudorandom number
// generators", OOPSLA 2014; constants of D. Stafford's "Mix13") over two keys that are hashed from run and activation.
// Good enough for jitter and ids; not for secrets.
#include "core/counter_random.hpp"

namespace perdure::core {

namespace {

constexpr std::uint64_t golden = 0x9E3779B97F4A7C15ULL;

constexpr std::uint64_t mix(std::uint64_t z) {
  z = (z ^ z >> 30U) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ z >> 27U) * 0x94D049BB133111EBULL;
  return z ^ z >> 31U;
}

std::uint64_t word(const run_id& run, std::size_t from) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < 8; ++i) out = out << 8U | run.bytes[from + i];
  return out;
}

}  // namespace

counter_stream::counter_stream(const run_id& run, activation_id activation) noexcept
    : first_(mix(mix(word(run, 0) + golden) ^ word(run, 8))), second_(mix(first_ + golden * (std::uint64_t{activation} + 1))) {}

std::uint64_t counter_stream::at(std::uint64_t counter) const noexcept {
  return mix(mix(second_ + golden * (counter + 1)) ^ first_);
}

std::uint64_t counter_random(const run_id& run, activation_id activation, std::uint64_t counter) noexcept {
  return counter_stream{run, activation}.at(counter);
}

}  // namespace perdure::core
