// Random numbers that repeat on replay.
#include "support/catch.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <set>

#include "core/counter_random.hpp"

using namespace perdure;
using core::counter_random;
using core::counter_stream;

namespace {
const run_id a = *run_id::parse("0190a5d0-7b1c-7def-8123-456789abcdef");
const run_id b = *run_id::parse("0190a5d0-7b1c-7def-8123-456789abcdee");
}  // namespace

TEST_CASE("the numbers are part of the stored behaviour and never change") {
  // Replays of old journals draw again: another function would be nondeterminism everywhere.
  CHECK(counter_random(a, 1, 0) == 0xe855e545449416f6ULL);
  CHECK(counter_random(a, 1, 1) == 0x372cc5c6bebaf562ULL);
  CHECK(counter_random(a, 2, 0) == 0xa702abc2a0df9026ULL);
  CHECK(counter_random(run_id{}, 0, 0) == 0xf0655e38b1021a6cULL);
}

TEST_CASE("a number depends on nothing but run, activation and counter") {
  const counter_stream stream{a, 7};
  for (std::uint64_t i = 0; i < 100; ++i) {
    CHECK(stream.at(99 - i) == counter_random(a, 7, 99 - i));
  }
}

TEST_CASE("runs, activations and counters each give other numbers") {
  std::set<std::uint64_t> all;
  for (const auto& run : {a, b, run_id{}}) {
    for (activation_id activation = 0; activation < 20; ++activation) {
      const counter_stream stream{run, activation};
      for (std::uint64_t i = 0; i < 100; ++i) {
        all.insert(stream.at(i));
        all.insert(stream.at(i | std::uint64_t{1} << 63U));
      }
    }
  }
  CHECK(all.size() == 3 * 20 * 200);
}

TEST_CASE("every bit is set half of the time and flips with the counter") {
  const counter_stream stream{a, 1};
  constexpr int draws = 20'000;
  std::array<int, 64> ones{};
  std::uint64_t flips = 0;
  for (int i = 0; i < draws; ++i) {
    const auto bits = stream.at(static_cast<std::uint64_t>(i));
    for (std::size_t bit = 0; bit < 64; ++bit) ones[bit] += static_cast<int>(bits >> bit & 1U);
    flips += static_cast<std::uint64_t>(std::popcount(bits ^ stream.at(static_cast<std::uint64_t>(i) + 1)));
  }
  for (const auto count : ones) CHECK(std::abs(count - draws / 2) < 500);
  CHECK(std::abs(static_cast<double>(flips) / draws - 32) < 0.2);
}
