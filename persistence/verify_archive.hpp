// The parts of `verify` that look at what has left the log: chunks and their indexes, and checkpoints.
#pragma once

#include <functional>
#include <vector>

#include "persistence/archive_reader.hpp"
#include "persistence/journal.hpp"
#include "persistence/ledger.hpp"

namespace perdure::persistence {

/// Compares every checkpoint with the records that it covers, which come by in the order of LSNs.
///
/// Operation: a checkpoint's digest can be compared only while all its records are there; where some were removed, what is
/// left is borne out by the chains of their runs, and the number of those that are missing by the archive's head.
class checkpoint_check {
 public:
  using tell = std::function<void(lsn_t, std::string)>;

  /// Follows the chain of checkpoints from the newest one back. Those behind `last` are left out.
  void load(read_view& view, const archive_head& archive, lsn_t last, const tell& problem);
  /// A record that is there.
  void see(lsn_t lsn, std::string_view stored, const tell& problem);
  void end(const tell& problem);

  [[nodiscard]] const std::vector<checkpoint_place>& places() const { return places_; }

 private:
  void close_range(const tell& problem);

  std::vector<checkpoint_place> places_;  ///< oldest first
  std::vector<checkpoint> what_;          ///< of them
  std::size_t at_ = 0;
  checkpoint_digest digest_;
};

/// Chunks against their keys, the log, the index tables and the counts of the archive's head.
void check_archive(read_view& view, verify_report& report);

}  // namespace perdure::persistence
