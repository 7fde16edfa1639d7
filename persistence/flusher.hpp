// Writes the overlay's rows into the store, in slices.
//
// Operation: a round takes every row that was dirty when it began, in the order of ids. Slices of it ride in later commits.
// When the round is through, every row that is still dirty became so after its beginning: that LSN is the new redo_lsn.
// Concurrency: the writer's thread; `committed` under the index lock.
#pragma once

#include <chrono>

#include "persistence/keys.hpp"
#include "persistence/overlay.hpp"
#include "persistence/store.hpp"

namespace perdure::persistence {

struct slice_limits {
  std::size_t rows = 0;
  std::chrono::nanoseconds time{0};  ///< 0 = any
};

class flusher {
 public:
  explicit flusher(overlay& rows) : rows_(rows) {}

  [[nodiscard]] bool running() const { return bound_ != 0; }
  /// Rows that records from `next_lsn` on make dirty belong to the next round.
  void start(lsn_t next_lsn);
  /// Puts the next rows of the round into the batch, those staged in the same batch as they will be, and brings `head`
  /// up to date. Then `committed` or `dropped`.
  void write(write_batch& batch, store_head& head, slice_limits limits);
  void committed();
  void dropped();

 private:
  void write_row(write_batch& batch, store_head& head, const run_id& id, const overlay_entry& entry);
  void write_key(write_batch& batch, const run_facts& facts);

  overlay& rows_;
  lsn_t bound_ = 0;               ///< 0 = no round is under way
  std::optional<run_id> cursor_;  ///< last row that was stored
  bool through_ = false;          ///< the slice in the batch ends the round
  std::vector<run_id> slice_;
  std::map<std::string, std::int64_t, std::less<>> tenants_;
  std::string last_workflow_, last_prefix_;
};

}  // namespace perdure::persistence
