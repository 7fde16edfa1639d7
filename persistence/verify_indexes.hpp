// The part of `verify` that holds the index tables, and the keys of runs, against the stored rows.
#pragma once

#include "persistence/journal.hpp"
#include "persistence/store.hpp"

namespace perdure::persistence {

void check_indexes(read_view& view, verify_report& report);
/// Every entry of `keys` against the row of its run, and every row with a key against the entry that it should have.
void check_keys(read_view& view, verify_report& report);

}  // namespace perdure::persistence
