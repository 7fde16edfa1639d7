// Replays all runs of a journal, or those that are still going on: see perdure/replay.hpp.
#pragma once

#include <functional>

#include "cluster/replay.hpp"
#include "perdure/replay.hpp"

namespace perdure::cluster {

/// `progress` is told the number of runs looked at so far. Runs for which `find` knows nothing are counted, not replayed.
[[nodiscard]] result<replay_summary> replay_all(persistence::journal& from, bool ended_too, const find_definition& find,
                                                const std::function<void(std::uint64_t)>& progress = {});

}  // namespace perdure::cluster
