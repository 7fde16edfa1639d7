// What damaged bytes still tell: enough to list the run that they belong to and to keep its key taken.
//
// Limitations: guesses, every one of them. Nothing that is salvaged may move a run on.
#pragma once

#include "persistence/projection.hpp"

namespace perdure::persistence {

struct salvaged_record {
  core::record header;          ///< as it stands there, with values that cannot be replaced by harmless ones
  std::string_view payload;     ///< of the bytes it was read from
  bool may_be_first = true;     ///< of its run
  std::optional<run_facts> of;  ///< of a first record that can still be decoded: text is made printable, `key` is left out
};

/// Nothing: the bytes are too few to say whose they are.
[[nodiscard]] std::optional<salvaged_record> salvage_record(lsn_t lsn, std::string_view bytes);

/// A row for a run of which no row can be made: of the first record it has, or of its id alone.
[[nodiscard]] projected_row salvage_row(const run_id& run, lsn_t lsn, const std::optional<salvaged_record>& record);
/// A stored row that is damaged, as far as it can be read.
[[nodiscard]] projected_row salvage_row(const run_id& run, std::string_view stored);

/// Whether the damaged record can be that of a run that was begun with the key: its text is there, or it is what is missing
/// for the record's check to be right.
[[nodiscard]] bool may_have_key(lsn_t lsn, std::string_view bytes, std::string_view scope, std::string_view key);

}  // namespace perdure::persistence
