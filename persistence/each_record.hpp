// each_record: the stored records of a run in order; of one that is damaged, those before the damage.
//
// Operation: reads the run page by page. When a page cannot be read, the log is gone through from the run's first record on, over
// all that is damaged in it: the links that lead from one record of a run to the one before lead nowhere then.
// Concurrency: any thread.
// Limitations: that takes as long as the log is from there. What is left of a damaged run is to be looked at: none may go on from
// it.
#pragma once

#include "persistence/journal.hpp"

namespace perdure::persistence {

/// Gives `take` the records of the run with seq > `after`, until it says false. corrupt: all before the first that cannot be read
/// were given; the message names that one and says what to do. Else as `journal::read_run`.
[[nodiscard]] result<void> each_record(const journal& from, const run_id& run, run_seq after,
                                       const std::function<bool(const core::record&)>& take);

}  // namespace perdure::persistence
