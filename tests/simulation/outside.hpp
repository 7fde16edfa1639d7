// The world outside of the engine: what the bodies of steps do to it, counted by idempotency key.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "cluster/testing/broken.hpp"
#include "cluster/testing/chance.hpp"
#include "perdure/detail/frame.hpp"

namespace perdure::sim {

class outside {
 public:
  explicit outside(std::uint64_t seed) : seed_(seed) { present = this; }
  outside(const outside&) = delete;
  outside& operator=(const outside&) = delete;
  ~outside() { present = nullptr; }

  /// What a body does. The value depends on the key alone, so that a step done twice is seen only in the counts.
  /// The first `failing` tries of the step fail with "busy".
  std::int64_t execute(call_context& with, std::uint64_t failing) {
    const auto key = with.idempotency_key();
    auto& entry = executed[key];
    ++entry.tries;
    if (during) during(with);
    if (with.attempt() <= failing) throw step_error("busy", "try " + std::to_string(with.attempt()) + " of " + key);
    ++entry.done;
    return value_of(key);
  }
  [[nodiscard]] std::int64_t value_of(const std::string& key) const {
    return static_cast<std::int64_t>(hashed(key, seed_) % 1'000);
  }

  /// What a fan-in delivered: each message once in a run.
  void joined(const std::string& run, activation_id activation, std::uint64_t message) {
    const auto [at, fresh] = joined_.emplace(std::pair{run, message}, activation);
    if (!fresh && at->second != activation) problem = "a fan-in delivered a message twice";
  }
  std::string problem;  ///< what a handler found: a handler cannot throw it past the engine

  /// Called in the middle of every body; what it throws, the body throws.
  std::function<void(call_context&)> during;

  struct entry {
    std::uint32_t tries = 0, done = 0;
  };
  std::map<std::string, entry> executed;
  static inline outside* present = nullptr;

 private:
  std::map<std::pair<std::string, std::uint64_t>, activation_id> joined_;
  std::uint64_t seed_;
};

}  // namespace perdure::sim
