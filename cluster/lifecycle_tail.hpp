// Reads the lifecycle events of all runs from the log, from any place on, for those who pass them on.
//
// Operation: the log is the truth, so an event is told by whoever reads the log behind it; nothing is written for it when it
// happens. A reader that keeps its place loses nothing, whatever dies.
// Concurrency: one thread each. Limitations: what has left the log for the archive is not read; a reader that was away for so
// long goes on where the log begins, and says so.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "cluster/lifecycle_events.hpp"
#include "persistence/journal.hpp"

namespace perdure::cluster {

struct told_event {
  lsn_t lsn = 0;
  json::object event;
  std::string tenant;  ///< whose run it is of
};
struct told_batch {
  lsn_t through = 0;  ///< the place after it
  std::vector<told_event> events;
  lsn_t skipped = 0;  ///< records that are no longer in the log
};

class lifecycle_tail {
 public:
  explicit lifecycle_tail(lsn_t after) : at_(after) {}
  /// What there is after the place, within limits; the place moves on. corrupt, io_error: it stays.
  [[nodiscard]] result<told_batch> next(const persistence::journal& from, core::blob_port& blobs);
  [[nodiscard]] lsn_t place() const { return at_; }

 private:
  const lifecycle_subject* subject_of(const persistence::journal& from, const run_id& run);
  std::vector<std::string> open_in(const persistence::journal& from, core::blob_port& blobs, const core::record& before);

  lsn_t at_;
  std::map<run_id, lifecycle_subject> known_;
};

}  // namespace perdure::cluster
