// Hands a message of a run's outbox to the run that it is for, through the router.
#pragma once

#include <functional>

#include "actors/messages.hpp"
#include "core/outbox.hpp"

namespace perdure::actors {

struct services;

/// Sends it. `done` is called once, from any actor's thread, also when an actor on the way dies.
void deliver_message(services& shared, const caf::actor& router, const core::run_state& from, const core::outgoing& what,
                     std::function<void(core::delivery_result)> done);
[[nodiscard]] duration pause_before_redelivery(std::uint32_t tries);

}  // namespace perdure::actors
