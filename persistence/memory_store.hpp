// The ordered store in memory. See memory_journal.hpp for its faults.
//
// Operation: a batch changes the tables at once, under the exclusive lock, and keeps what it would need to take all back.
// Concurrency: a view holds the shared lock as long as it lives, so a thread with a view must not begin a batch.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <shared_mutex>
#include <vector>

#include "persistence/blobs.hpp"
#include "persistence/memory_journal.hpp"
#include "persistence/store.hpp"

namespace perdure::persistence {

using memory_table = std::map<std::string, std::string, std::less<>>;
using memory_record = std::shared_ptr<std::string>;

struct memory_change {
  table in = table::meta;
  std::string key;
  std::optional<std::string> value;  ///< none = erased
};
struct memory_commit {
  std::vector<memory_change> changes;
  std::vector<memory_record> records;
  std::vector<memory_record> cut;  ///< off the log's beginning, in order
};

struct memory_disk::content {
  mutable std::shared_mutex mutex;
  std::array<memory_table, table_count> tables;
  std::deque<memory_record> log;  ///< of LSN log_first, log_first + 1, …
  lsn_t log_first = 1;
  std::size_t used_bytes = 0;
  std::shared_ptr<memory_blobs> blobs = std::make_shared<memory_blobs>();

  std::size_t capacity_bytes = std::size_t{1} << 50;
  std::optional<commit_fault> fault;
  std::size_t fault_after = 0;
  bool unreadable = false;
  bool deferring = false;
  std::vector<memory_commit> undo_of_unsynced;  ///< one for each commit, oldest first
  std::uint64_t commits = 0;

  [[nodiscard]] memory_table& in(table which) { return tables[static_cast<std::size_t>(which)]; }
  /// Null: there is no such record.
  [[nodiscard]] const memory_record* record(lsn_t lsn) const {
    return lsn < log_first || lsn - log_first >= log.size() ? nullptr : &log[lsn - log_first];
  }
  /// Sets or erases; gives what was there.
  std::optional<std::string> set(table which, std::string_view key, std::optional<std::string_view> value);
  /// Takes a commit back: restores the old values and drops its records.
  void undo(const memory_commit& done);
};

class memory_store : public store {
 public:
  explicit memory_store(std::shared_ptr<memory_disk> disk) : disk_(std::move(disk)) {}
  [[nodiscard]] std::unique_ptr<read_view> view() const override;
  [[nodiscard]] std::unique_ptr<write_batch> begin() override;
  [[nodiscard]] store_space space() const override;
  [[nodiscard]] std::size_t log_bytes() const override;
  [[nodiscard]] std::size_t free_bytes() const override { return 0; }

 private:
  std::shared_ptr<memory_disk> disk_;
};

}  // namespace perdure::persistence
