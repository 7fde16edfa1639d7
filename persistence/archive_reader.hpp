// Reading the archive of a store: by run, and in the order of LSNs.
//
// Operation: works on one view; what is copied to the archive and cut off the log in one moment is seen in one of both
// places by a view, never in none.
// Concurrency: that of the view.
#pragma once

#include <vector>

#include "persistence/archive_format.hpp"
#include "persistence/keys.hpp"
#include "persistence/store.hpp"

namespace perdure::persistence {

/// As stored; the default of a store whose log is whole. Throws store_failure when it is damaged.
[[nodiscard]] archive_head read_archive_head(read_view& view);

/// Last archived seq of a run, 0 = none.
[[nodiscard]] run_seq archived_through(read_view& view, const run_id& run);

/// Appends the archived records with `first` ≤ seq ≤ `last` to `to`, in order; stops early after limits::reader_records.
/// corrupt: a chunk or record of them is damaged or missing; the message names it.
[[nodiscard]] result<void> read_archived(read_view& view, const run_id& run, run_seq first, run_seq last,
                                         std::vector<core::record>& to);

/// One record that is not in the log any more. `bytes` is empty when the chunk that has it is damaged; then it stands for
/// all records of the chunk in its place.
struct archived_entry {
  lsn_t lsn = 0;
  run_id run;
  std::string bytes;
  std::string problem;
};
/// Those with `from` ≤ LSN < `before` out of the next stretch of LSNs that has any, in order; `from` becomes where the next
/// stretch begins.
[[nodiscard]] std::vector<archived_entry> read_archived_page(read_view& view, lsn_t& from, lsn_t before);

}  // namespace perdure::persistence
