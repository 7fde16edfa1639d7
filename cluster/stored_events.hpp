// stored_events: a run's journaled events as they are shown; of a run that is damaged those before the damage.
// Concurrency: that of the journal's readers.
#pragma once

#include "core/event_json.hpp"
#include "persistence/journal.hpp"

namespace perdure {
class node;
}

namespace perdure::cluster {

/// Where a reader of one run is. Names of executors are learnt from the beginning, so it begins there.
struct reading_place {
  run_seq seq = 0;  ///< of the last event that was read
  core::executor_names names;
};

using take_stored = std::function<bool(const run_event& shown, const core::event& what)>;

/// Reads on and gives `take` each event with seq > `after`, until it says false. corrupt: an event cannot be read; the message
/// names it, those before it were given. Else as `journal::read_run`.
[[nodiscard]] result<void> read_events(persistence::journal& from, const run_id& run, reading_place& at, run_seq after,
                                       const take_stored& take);

/// As run_ref::subscribe, and `broken` is told why, after the last event that can be read, when one cannot.
[[nodiscard]] result<subscription> subscribe_to(node& at, const run_id& run, std::function<void(const run_event&)> on_event,
                                                run_seq after, std::function<void(const error&)> broken);

/// The event of a record; the error says of which.
[[nodiscard]] result<core::event> event_of(const core::record& record, core::blob_port& blobs);

}  // namespace perdure::cluster
