// Plans the background work of a journal: checkpoints, copying the beginning of the log to the archive, cutting it off, and
// removing ended runs.
//
// Operation: each plan goes into one commit, alone or along with items. The order is: records are copied only when a checkpoint
// covers them and their rows are stored; they are cut off only when their copies are durable; a run is removed only when nothing
// of it is in the log. So a crash between any two commits leaves every record in the log, in the archive, or in both. A plan says
// for which head of the archive it was made; on another one it is void.
// Concurrency: one thread plans, beside the writer's. Each plan is made from one view of the store (a checkpoint from several,
// of records that cannot change). `carry out` is the journal's.
// Limitations: a removed run goes in one commit, however many chunks it has.
#pragma once

#include "persistence/archive_reader.hpp"
#include "persistence/blobs.hpp"
#include "persistence/ledger.hpp"

namespace perdure::persistence {

struct table_change {
  table in = table::meta;
  std::string key;
  std::optional<std::string> value;    ///< none = erase
  std::optional<run_id> only_of = {};  ///< erased only when the value begins with this run
};

struct prepared_upkeep final : upkeep_plan {
  explicit prepared_upkeep(std::string_view what) : what_(what) {}
  [[nodiscard]] std::string_view name() const override { return what_; }

  archive_head before, after;
  std::vector<table_change> changes;
  std::vector<core::record> records;  ///< to be appended
  std::vector<run_id> removed;
  bool frees_blobs = false;  ///< removed runs referred to blobs
  lsn_t cut_through = 0;     ///< 0 = nothing is cut off

 private:
  std::string_view what_;
};

class upkeep_planner {
 public:
  upkeep_planner(const store& of, blob_store& blobs, const upkeep_options& options)
      : store_(of), blobs_(blobs), options_(options) {}

  /// Null: nothing to do. `ended_runs` counts all that have ended, stored or not. Throws store_failure.
  [[nodiscard]] std::unique_ptr<prepared_upkeep> plan(timestamp now, std::uint64_t ended_runs, bool short_of_room);

 private:
  // upkeep.cpp
  [[nodiscard]] std::unique_ptr<prepared_upkeep> choose(timestamp now, std::uint64_t ended, bool short_of_room);
  [[nodiscard]] bool wants_checkpoint(read_view& view, const archive_head& archive, lsn_t last, timestamp now);
  [[nodiscard]] bool wants_archive(read_view& view, const archive_head& archive, lsn_t ready, timestamp now, std::uint64_t ended,
                                   std::size_t log_bytes, bool short_of_room);
  [[nodiscard]] std::unique_ptr<prepared_upkeep> cut(const archive_head& archive) const;
  [[nodiscard]] std::unique_ptr<prepared_upkeep> note(const archive_head& archive, lsn_t last, timestamp now) const;
  void sweep_blobs() const;

  // upkeep_copy.cpp
  [[nodiscard]] std::unique_ptr<prepared_upkeep> copy(read_view& view, const archive_head& archive, lsn_t before);

  // upkeep_remove.cpp
  [[nodiscard]] std::unique_ptr<prepared_upkeep> remove(read_view& view, const archive_head& archive, timestamp now,
                                                        std::uint64_t ended);

  const store& store_;
  blob_store& blobs_;
  upkeep_options options_;
  chunk_packer packer_;
  std::optional<timestamp> noted_at_;                     ///< last checkpoint, or the start
  bool archiving_ = false;                                ///< it goes on until half of what began it is left
  bool due_in_log_ = false;                               ///< a run that is to be removed has records in the log
  std::optional<timestamp> sweep_at_ = timestamp::min();  ///< soon after the start for what an earlier process left
  bool sweep_again_ = false;                              ///< more blobs were freed since that was planned
};

}  // namespace perdure::persistence
