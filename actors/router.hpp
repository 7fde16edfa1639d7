// The router: knows which runs are in memory, brings others in when something comes for them, and supervises them.
//
// Operation: every command goes through it with the run's id. A run that only waits asks to leave memory: from the marker on
// that it is sent, the router keeps back what comes for it, until it says "parked" (what was kept then brings it in again)
// or "busy", because something had come before the marker. A run that dies is brought back from the journal with
// backoff; one that keeps dying, or cannot be read, is quarantined: its commands are answered with why.
// Concurrency: an event-based actor.
#pragma once

#include <chrono>
#include <memory>

#include "actors/messages.hpp"

namespace perdure::actors {

struct services;

/// A run that only waits is kept in memory so long, unless many are.
inline constexpr std::chrono::milliseconds park_linger{100};

[[nodiscard]] caf::actor spawn_router(caf::actor_system& system, std::shared_ptr<services> shared, caf::actor writer,
                                      caf::actor timer);

}  // namespace perdure::actors
