// replay: rebuilds a run from its records and runs its handlers over what was recorded, without doing anything.
//
// Operation: the events are folded into a state, which is compared with the stored snapshot and row. Every attempt's
// coroutine is run over its recorded outcomes, in order; what it asks for and says is compared with what stands in the
// journal. The first difference of an attempt is told with both sides.
// Concurrency: one thread. Limitations: an attempt of an executor whose code is not registered here is not run; an
// attempt that took over outcomes of an earlier one is not compared in what it sends, since messages are sent once.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/state.hpp"
#include "flow/definition.hpp"
#include "persistence/journal.hpp"

namespace perdure::cluster {

/// Where the code and the journal part.
struct parting {
  run_seq seq = 0;
  activation_id activation = 0;  ///< 0: not about an attempt
  std::uint32_t attempt = 0;
  std::optional<step_ordinal> step;
  std::string recorded, replayed;
};

struct replay_report {
  core::run_state state;  ///< as the events make it
  bool snapshot_compared = false;
  bool row_compared = false;
  std::uint64_t attempts = 0;   ///< run over their records
  std::uint64_t unchecked = 0;  ///< attempts without registered code
  std::vector<parting> partings;
};

/// The definition that a run was started with, or null.
using find_definition = std::function<const detail::definition*(const core::run_state& state)>;

/// `until` 0 = the whole run. not_found; corrupt when a record cannot be read.
[[nodiscard]] result<replay_report> replay_run(persistence::journal& from, const run_id& run, run_seq until,
                                               const find_definition& find);

/// The run's state after its last record.
[[nodiscard]] result<core::run_state> state_of(persistence::journal& from, const run_id& run);

}  // namespace perdure::cluster
