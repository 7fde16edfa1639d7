// Carrying out what a run's state wants of its jobs; what comes of it is a command for the run, whoever has it by then.
#pragma once

#include <functional>
#include <set>

#include "actors/services.hpp"
#include "core/command.hpp"
#include "core/effects.hpp"

namespace perdure::actors {

/// `state` may have gone on since the change was made: then a newer change follows, which has to know what this one knew;
/// `unsure` keeps that. `refuse` is called when the node has no backends.
void carry_out_job(services& shared, const core::run_state& state, const core::effect_change& change,
                   std::set<core::job_number>& unsure, const std::function<void(core::command)>& refuse);

}  // namespace perdure::actors
