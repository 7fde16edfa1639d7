// The actor of one run: decides commands, appends what it decided, and lets effects and answers out once it is durable.
//
// Operation: a command is executed on the tentative state; its records join the batch that goes with the next append.
// One append is in flight. When it is durable its effects are carried out in order. A failed append ends the actor;
// the router makes a new one from the journal. Space running short is not a failure: the append is tried again.
// Concurrency: an event-based actor; attempts of cooperative executors run on its thread, others have an actor each.
#pragma once

#include <memory>

#include "actors/messages.hpp"

namespace perdure::actors {

struct services;

/// Who the run talks to.
struct run_neighbours {
  caf::actor router, writer, timer;
};

/// A new run; it answers `start.answer` when its first events are durable.
[[nodiscard]] caf::actor spawn_new_run(caf::event_based_actor* parent, std::shared_ptr<services> shared, run_neighbours with,
                                       start_run start);
/// A run that is read from the journal. `unclean`: it was in flight when the node stopped without closing.
[[nodiscard]] caf::actor spawn_stored_run(caf::event_based_actor* parent, std::shared_ptr<services> shared, run_neighbours with,
                                          run_id run, bool unclean);

/// A run's durable state: snapshot and the events after it. not_found, corrupt.
[[nodiscard]] result<core::run_state> load_run(const persistence::journal& journal, core::blob_port* blobs, const run_id& run,
                                               core::digest* head = nullptr, std::uint64_t* replayed = nullptr,
                                               run_seq* snapshot_seq = nullptr);

}  // namespace perdure::actors
