// What all actors of a node share. Made by the node before the first actor, outlives the last one. Any thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "actors/capabilities/capability.hpp"
#include "actors/definitions.hpp"
#include "actors/event_hub.hpp"
#include "actors/user_pool.hpp"
#include "persistence/journal.hpp"

namespace perdure::actors {

/// Event time of the node: never goes back, starts at the journal's last.
class node_clock {
 public:
  explicit node_clock(std::function<timestamp()> source) : source_(std::move(source)) {}
  void start_at(timestamp floor) { last_.store(floor.time_since_epoch().count()); }
  timestamp now() {
    const auto read = source_().time_since_epoch().count();
    auto last = last_.load(std::memory_order_relaxed);
    while (read > last && !last_.compare_exchange_weak(last, read, std::memory_order_relaxed)) {
    }
    return timestamp{duration{std::max(read, last)}};
  }
  /// How far the journal's time is ahead of the system's; 0 when it is not.
  duration ahead() const {
    return std::max(duration{last_.load() - source_().time_since_epoch().count()}, duration{0});
  }

 private:
  std::function<timestamp()> source_;
  std::atomic<duration::rep> last_{0};
};

struct counters {
  std::atomic<std::uint64_t> commits{0}, records{0}, live_runs{0}, stale_results{0}, replayed_events{0}, recovered_runs{0};
};

struct services {
  std::unique_ptr<persistence::journal> journal;
  persistence::epoch_t epoch = 0;
  node_clock clock;
  definitions workflows;
  event_hub hub;
  user_pool pool;
  capability_registry capabilities;
  counters count;
  std::atomic<bool> closing{false};
  std::function<void(const log_record&)> sink;

  services(user_pool::options pool_options, std::function<timestamp()> time) : clock(std::move(time)), pool(std::move(pool_options)) {}

  void log(std::string_view level, std::string_view text, std::string_view run = {}, std::string_view executor = {}) {
    if (sink) sink({clock.now(), level, text, run, executor});
  }
};

}  // namespace perdure::actors
