// The actor of one attempt whose handler runs on the user pool: takes the run's messages, owns the attempt's host, and
// tells by its death that the attempt is lost.
#pragma once

#include <memory>

#include "actors/messages.hpp"

namespace perdure::actors {

struct services;

/// Reports go to `run` as command_for_run.
[[nodiscard]] caf::actor spawn_executor(caf::event_based_actor* parent, std::shared_ptr<services> shared,
                                        definition_ptr definition, run_id run, const caf::actor& run_actor);

}  // namespace perdure::actors
