// The port of capabilities: work that a step names by data (`call{capability, spec}`) and that needs the world: a
// process, an expression, a call over the network. The engine knows nothing else of it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>

#include "core/events.hpp"
#include "perdure/payload.hpp"

namespace perdure::actors {

/// What work tells while it goes on: a part of its output's text, or a note of what it does.
struct told_text {
  bool note = false;
  std::string text;
};

/// One piece of work. `done` is called exactly once, on any thread, possibly before `start` returns; neither it nor
/// `tell` may block or throw.
struct capability_request {
  std::string key;    ///< stable over retries and restarts; outside systems tell repeats by it
  std::string trace;  ///< traceparent to hand on, or empty
  std::string run;
  std::string workflow;
  std::string executor;
  payload spec;          ///< what to do, in the capability's own form
  std::stop_token stop;  ///< fires when the outcome is no longer wanted; `done` is called all the same
  std::function<void(core::outcome)> done;
  std::function<void(told_text)> tell;  ///< any thread, before `done`; may be empty
};

class capability {
 public:
  virtual ~capability() = default;
  /// Begins the work. Any thread; never blocks. Bad specs and refusals come through `done` too.
  virtual void start(capability_request request) = 0;
  /// Stops what runs, as if every stop token had fired, and refuses what comes later. Any thread; does not wait.
  virtual void stop_all() = 0;
};

/// Capabilities by name. Any thread.
class capability_registry {
 public:
  /// False when the name is taken.
  bool add(std::string name, std::shared_ptr<capability> what) {
    const std::lock_guard lock(mutex_);
    return known_.emplace(std::move(name), std::move(what)).second;
  }
  /// Null when there is none of that name.
  [[nodiscard]] std::shared_ptr<capability> find(std::string_view name) const {
    const std::lock_guard lock(mutex_);
    const auto found = known_.find(name);
    return found == known_.end() ? nullptr : found->second;
  }
  /// Calls stop_all of each.
  void stop_all() const {
    std::map<std::string, std::shared_ptr<capability>, std::less<>> all;
    {
      const std::lock_guard lock(mutex_);
      all = known_;
    }
    for (const auto& [name, each] : all) each->stop_all();
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<capability>, std::less<>> known_;
};

}  // namespace perdure::actors
