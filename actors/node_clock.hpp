// The event time of a node: never goes back, and always goes on.
//
// Operation: it is the system's time. Where that is behind what was given out before (the clock was set back, or the
// journal was written under a clock that was ahead), time goes on from there at half the pace of the steady clock until
// the system has caught up: nothing waits longer than twice its time, and no order is broken.
// Concurrency: any thread. While the system's clock is not behind there is no lock.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>

#include "perdure/time.hpp"

namespace perdure::actors {

class node_clock {
 public:
  using steady = std::function<std::chrono::steady_clock::time_point()>;
  explicit node_clock(std::function<timestamp()> source, steady pace = std::chrono::steady_clock::now)
      : source_(std::move(source)), pace_(std::move(pace)) {}

  /// Time goes on from here at the earliest.
  void start_at(timestamp floor) { last_.store(floor.time_since_epoch().count()); }
  [[nodiscard]] timestamp now();
  /// How far it is ahead of the system's; 0 when it is not.
  [[nodiscard]] duration ahead() const;

 private:
  timestamp slowly(duration::rep read);

  std::function<timestamp()> source_;
  steady pace_;
  std::atomic<duration::rep> last_{0};
  std::mutex slow_;  // guards what follows
  bool behind_ = false;
  duration::rep from_ = 0;  ///< event time when the system's fell behind
  std::chrono::steady_clock::time_point since_;
};

}  // namespace perdure::actors
