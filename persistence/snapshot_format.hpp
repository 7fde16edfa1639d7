// Stored snapshots of runs: check (u32, CRC-32C of the key and of all after the check), version (u8, 1), state. The newest two
// of a run are kept, so that a damaged one costs a longer replay and nothing else.
#pragma once

#include <optional>
#include <string>

#include "persistence/store.hpp"

namespace perdure::persistence {

/// Puts one and removes those that are too old.
void put_snapshot(write_batch& batch, const run_id& run, run_seq seq, std::string_view state);
/// The newest sound one with seq ≤ `at_most`, 0 = any.
[[nodiscard]] std::optional<std::pair<run_seq, std::string>> find_snapshot(read_view& view, const run_id& run, run_seq at_most);

}  // namespace perdure::persistence
