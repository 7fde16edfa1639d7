// Hands a message of a run's outbox to the run that it is for, through the router.
#pragma once

#include <functional>
#include <optional>

#include "actors/messages.hpp"

namespace perdure::actors {

struct services;

/// What became of a delivery.
struct delivery_result {
  bool again = false;                  ///< nobody knows, or it cannot be taken now: it is to be tried again
  std::optional<failure> refused;      ///< it will never be taken; else the receiver has it durably
};

/// Sends it. `done` is called once, from any actor's thread, also when an actor on the way dies.
void deliver_message(services& shared, const caf::actor& router, const core::run_state& from, const core::outgoing& what,
                     std::function<void(delivery_result)> done);
[[nodiscard]] duration pause_before_redelivery(std::uint32_t tries);

}  // namespace perdure::actors
