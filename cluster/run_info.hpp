// run_info of a state: what can be read of a run, for run_ref and for the test kit.
#pragma once

#include "core/state.hpp"
#include "perdure/run.hpp"

namespace perdure::cluster {

/// All but `blocked`, which a state does not know.
[[nodiscard]] run_info info_of(core::run_state state);

}  // namespace perdure::cluster
