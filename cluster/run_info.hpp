// run_info of a state: what can be read of a run, for run_ref and for the test kit.
#pragma once

#include "core/state.hpp"
#include "perdure/run.hpp"

namespace perdure::cluster {

/// All but `blocked`, which a state does not know.
[[nodiscard]] run_info info_of(core::run_state state);

/// Whether what blocks the run is that there is no room for its events: it goes on by itself when there is.
[[nodiscard]] bool waits_for_room(const run_summary& of);

}  // namespace perdure::cluster
