// The timer: keeps the near wake-ups of all runs in memory and sends each its due command through the router.
//
// Operation: rehydrated from the journal's wake-ups, a bounded number of them, at the start and whenever it runs low; runs in
// memory tell it their changes. It re-reads the clock at least each second. What came due while the node was down goes
// first, in due order; no more are sent while too many woken runs have recorded nothing yet, and few while user code is far
// behind. A wake-up asks the run to look at its deadlines, so a stale one does nothing.
// Concurrency: an event-based actor, on the scheduler's threads: a thread of its own would be woken for each run that sleeps,
// and what is due goes through the router, which shares those threads in any case.
#pragma once

#include <memory>

#include "actors/messages.hpp"

namespace perdure::actors {

struct services;

[[nodiscard]] caf::actor spawn_timer(caf::actor_system& system, std::shared_ptr<services> shared);

/// To the timer, once: who gets the wake-ups, from now on.
struct timer_start {
  caf::actor router;
  bool looks_early = false;  ///< runs that wait are brought in once, the nearest first: who told them something may be no more
};

}  // namespace perdure::actors

PERDURE_LOCAL_MESSAGE(perdure::actors::timer_start)
