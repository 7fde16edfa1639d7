// The journal keeper: sees to archiving, retention and checkpoints beside the commits.
//
// Operation: it makes one bounded piece of work ready at a time, on a thread of its own, and sends it to the writer, which
// carries it out between two commits. Then it rests for a multiple of the time that took, so that commits lose only a fixed
// share of the writer. When there is nothing to do it looks again after a while.
#pragma once

#include <memory>

#include "actors/caf_support.hpp"

namespace perdure::actors {

struct services;

[[nodiscard]] caf::actor spawn_journal_keeper(caf::actor_system& system, std::shared_ptr<services> shared, caf::actor writer);

}  // namespace perdure::actors
