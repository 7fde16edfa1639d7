// What all actors of a node share. Made by the node before the first actor, outlives the last one. Any thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "actors/backends/job_port.hpp"
#include "actors/capabilities/capability.hpp"
#include "actors/definitions.hpp"
#include "actors/event_hub.hpp"
#include "actors/node_clock.hpp"
#include "actors/room_waits.hpp"
#include "actors/user_pool.hpp"
#include "core/duration_histogram.hpp"
#include "persistence/journal.hpp"

namespace perdure::actors {

struct counters {
  std::atomic<std::uint64_t> commits{0}, records{0}, live_runs{0}, stale_results{0}, replayed_events{0}, recovered_runs{0},
      clock_jumps{0};
  core::duration_histogram commits_took;  ///< from when the writer has the records until they are on the disk
  core::duration_histogram steps_took;    ///< one try of a step that calls something
  std::atomic<std::uint32_t> waking{0};   ///< runs that the timer woke and that have not recorded it yet
};

struct services {
  std::unique_ptr<persistence::journal> journal;
  persistence::epoch_t epoch = 0;
  node_clock clock;
  definitions workflows;
  event_hub hub;
  actors::room_waits room_waits;
  user_pool pool;
  capability_registry capabilities;
  std::shared_ptr<job_port> jobs;  ///< set before the first actor; null where a node has none
  counters count;
  /// The timer has read the journal's wake-ups up to here, or is about to: later ones need not be told to it. What is durable
  /// when this is asked is found by that reading.
  std::atomic<timestamp> wakeups_read_to{timestamp::max()};
  std::atomic<bool> closing{false};
  std::function<void(const log_record&)> sink;
  std::chrono::steady_clock::time_point opened_at = std::chrono::steady_clock::now();

  services(user_pool::options pool_options, std::function<timestamp()> time,
           node_clock::steady pace = std::chrono::steady_clock::now)
      : clock(std::move(time), std::move(pace)), pool(std::move(pool_options)) {}

  void log(std::string_view level, std::string_view text, std::string_view run = {}, std::string_view executor = {}) {
    if (sink) sink({clock.now(), level, text, run, executor});
  }
};

}  // namespace perdure::actors
