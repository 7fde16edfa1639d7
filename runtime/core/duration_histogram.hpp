// duration_histogram: how often something took how long, in the buckets that monitoring shows.
//
// Operation: the path that is measured adds, whoever is asked for figures reads; nobody waits for the other, so that a reading
// may miss what is being added. Concurrency: any thread.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace perdure::core {

class duration_histogram {
 public:
  /// Upper bounds, inclusive; what took longer is in one bucket more.
  static constexpr std::array<std::uint64_t, 16> bounds_us{50,        100,        250,        500,        1'000,   2'500,
                                                           5'000,     10'000,     25'000,     50'000,     100'000, 500'000,
                                                           1'000'000, 10'000'000, 60'000'000, 600'000'000};
  struct figures {
    std::array<std::uint64_t, bounds_us.size() + 1> counts{};  ///< each bucket's own
    std::uint64_t sum_us = 0;
    bool operator==(const figures&) const = default;
  };

  void add(std::chrono::nanoseconds took) {
    const auto us = took.count() <= 0 ? 0 : static_cast<std::uint64_t>(took.count()) / 1'000;
    const auto bucket = std::lower_bound(bounds_us.begin(), bounds_us.end(), us) - bounds_us.begin();
    counts_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
    sum_us_.fetch_add(us, std::memory_order_relaxed);
  }
  [[nodiscard]] figures read() const {
    figures out;
    for (std::size_t i = 0; i < counts_.size(); ++i) out.counts[i] = counts_[i].load(std::memory_order_relaxed);
    out.sum_us = sum_us_.load(std::memory_order_relaxed);
    return out;
  }

 private:
  std::array<std::atomic<std::uint64_t>, bounds_us.size() + 1> counts_{};
  std::atomic<std::uint64_t> sum_us_{0};
};

}  // namespace perdure::core
