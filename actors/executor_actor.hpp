// The actor of one attempt whose handler runs on the user pool: takes the run's messages, owns the attempt's host, and
// tells by its death that the attempt is lost.
#pragma once

#include <memory>

#include "actors/attempt_host.hpp"
#include "actors/messages.hpp"

namespace perdure::actors {

/// Reports go to `run` as command_for_run.
[[nodiscard]] caf::actor spawn_executor(caf::event_based_actor* parent, std::shared_ptr<services> shared,
                                        definition_ptr definition, run_id run, const caf::actor& run_actor);

/// What an attempt's host needs of the actor that has it; reports are the caller's.
[[nodiscard]] attempt_host::ports ports_of(const caf::actor& self, std::function<void(core::command)> report, std::string trace);

}  // namespace perdure::actors
