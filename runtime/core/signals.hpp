// Signals that came for a run: who takes which, and what becomes of those that a forgotten history took.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/events.hpp"
#include "core/state.hpp"

namespace perdure::core {

/// The outcome of the next step that a kept signal ends: the oldest signal somebody waits for goes to its oldest waiter; a
/// step of the kind `signals` takes those of the same name behind it too.
[[nodiscard]] std::optional<step_completed> next_taken(const run_state& state);

/// Whether next_taken gives something.
[[nodiscard]] bool signal_for_somebody(const run_state& state);

/// Removes what `by` takes: the first signal of that name, and for the kind `signals` all of that name up to number
/// `last`. False, and nothing removed, when they are not there.
bool take_signals(run_state& state, step_kind by, const std::string& name, std::uint64_t last);

/// Signals that the history from `from` on took: the next attempt waits for them again, and their senders were told that
/// the run has them.
void give_back_signals(run_state& state, const activation& in, std::size_t from);

}  // namespace perdure::core
