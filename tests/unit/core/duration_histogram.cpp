// What took how long, by buckets.
#include "core/duration_histogram.hpp"

#include <numeric>
#include <thread>
#include <vector>

#include "support/catch.hpp"

using namespace perdure::core;
using namespace std::chrono_literals;

TEST_CASE("each duration is in the bucket whose bound it does not pass") {
  duration_histogram all;
  all.add(-1us);
  all.add(50us);
  all.add(51us);
  all.add(100us);
  all.add(24h);
  const auto now = all.read();
  CHECK(now.counts.front() == 2);
  CHECK(now.counts[1] == 2);
  CHECK(now.counts.back() == 1);
  CHECK(now.sum_us == 50 + 51 + 100 + 24ULL * 3'600 * 1'000'000);
}

TEST_CASE("nothing that many threads add is lost") {
  duration_histogram all;
  std::vector<std::thread> adding;
  for (int i = 0; i < 4; ++i) {
    adding.emplace_back([&] {
      for (int k = 0; k < 10'000; ++k) all.add(std::chrono::microseconds{k});
    });
  }
  for (auto& each : adding) each.join();
  const auto now = all.read();
  CHECK(std::accumulate(now.counts.begin(), now.counts.end(), std::uint64_t{0}) == 40'000);
  CHECK(now.sum_us == 4ULL * (9'999ULL * 10'000 / 2));
}
