#include "actors/node_clock.hpp"

#include <algorithm>
#include <utility>

namespace perdure::actors {

timestamp node_clock::now() {
  const auto read = source_().time_since_epoch().count();
  auto last = last_.load(std::memory_order_relaxed);
  while (read >= last) {
    if (last_.compare_exchange_weak(last, read, std::memory_order_relaxed)) return timestamp{duration{read}};
  }
  return slowly(read);
}

timestamp node_clock::slowly(duration::rep read) {
  constexpr duration::rep scheduling{1'000};  // threads read the clock a little out of order
  const std::lock_guard lock{slow_};
  auto last = last_.load(std::memory_order_relaxed);  // under the lock: an older value would set `from_` back
  if (last - read < scheduling) {
    behind_ = false;
    return timestamp{duration{last}};
  }
  const auto steady = pace_();
  // The time was given from the system's in between: another jump back, to be counted anew.
  if (!std::exchange(behind_, true) || last < from_) {
    from_ = last;
    since_ = steady;
  }
  auto out = from_ + std::chrono::duration_cast<duration>(steady - since_).count() / 2;
  if (out < last) {
    from_ = out = last;
    since_ = steady;
  }
  while (out > last && !last_.compare_exchange_weak(last, out, std::memory_order_relaxed)) {
  }
  return timestamp{duration{std::max(out, last)}};
}

duration node_clock::ahead() const {
  return std::max(duration{last_.load() - source_().time_since_epoch().count()}, duration{0});
}

}  // namespace perdure::actors
