// The rows that are newer than their stored form, and what look-ups need to find them.
//
// Operation: the log is durable at once, rows are not: a changed row waits here until a flush writes it, in the order of
// ids, inside some later commit. Each row knows the LSN that first made it newer; the journal reads the log again from the
// least of these after a crash. An entry that equals its stored form is forgotten.
// Concurrency: none of its own. The journal's writer changes it under its exclusive lock, look-ups hold the shared one; the
// writer alone may read without a lock. `staged` is the writer's alone.
// Limitations: all counts are of the rows here and in the store together, so they have to be given at the start.
#pragma once

#include <map>
#include <set>
#include <unordered_map>

#include "persistence/kept_row.hpp"

namespace perdure::persistence {

/// What the index tables of the store say of a run now.
struct stored_form {
  bool exists = false;
  bool active = false;
  run_status status = run_status::scheduled;
  std::optional<timestamp> wakeup;

  [[nodiscard]] bool open() const { return exists && !is_terminal(status); }
  [[nodiscard]] static stored_form of(const run_head& head) { return {true, head.active, head.status, head.wakeup}; }
};

struct overlay_entry {
  kept_row row;
  stored_form stored;
  lsn_t first_dirty = 0;       ///< 0 = equals its stored form
  run_head* staged = nullptr;  ///< what the commit that is under way makes of `row`; admission has it
};

/// Of all runs, stored or not.
struct run_counts {
  std::uint64_t total = 0, open = 0;
  std::map<std::string, std::uint64_t, std::less<>> open_of_tenant;
};

class overlay {
 public:
  using map = std::unordered_map<run_id, overlay_entry>;
  struct key_holder {
    run_id run;
    lsn_t first_lsn = 0;  ///< of two runs with one key the one that began later has it
  };

  /// Makes room for so many rows at once.
  void reserve(std::size_t rows) { entries_.reserve(rows); }
  void set_counts(run_counts counts) { counts_ = std::move(counts); }

  [[nodiscard]] overlay_entry* find(const run_id& run);
  [[nodiscard]] const overlay_entry* find(const run_id& run) const;
  /// Takes in an entry that was made outside. Publish it next.
  overlay_entry& adopt(map::node_type&& node);
  /// Makes `head` what look-ups see; `lsn` is that of the first record that led from the old head to it.
  void publish(const run_id& run, overlay_entry& entry, const run_head& head, lsn_t lsn);
  /// So many ended runs are gone from the store; none of them is here.
  void removed(std::uint64_t runs) { counts_.total -= runs; }
  /// Drops an entry whose row was stored.
  void forget(const run_id& run);

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] const std::set<run_id>& ids() const { return ids_; }
  [[nodiscard]] const std::set<std::pair<timestamp, run_id>>& wakeups() const { return wakeups_; }
  [[nodiscard]] std::optional<key_holder> key(const std::string& scoped_key) const;
  [[nodiscard]] const run_counts& counts() const { return counts_; }

 private:
  map entries_;
  origin_pool origins_;
  std::set<run_id> ids_;
  std::set<std::pair<timestamp, run_id>> wakeups_;
  std::unordered_map<std::string, key_holder> keys_;  ///< of rows that were never stored
  run_counts counts_;
};

}  // namespace perdure::persistence
