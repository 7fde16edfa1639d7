// The capability "runs": begins a run of a registered workflow, for the schedules of documents.
//
// Operation: the spec is {"workflow", "version", "input"} with "message" ("json" by default) and "key" (what the run's
// idempotency key begins with). The rest of the key is the step's, so that one step begins one run. Gives {"run": id}.
#pragma once

#include <memory>

#include "actors/capabilities/capability.hpp"
#include "perdure/node.hpp"

namespace perdure::cluster {

[[nodiscard]] std::shared_ptr<actors::capability> make_run_capability(std::weak_ptr<node::impl> of);

}  // namespace perdure::cluster
