// The ordered key-value store under a journal: what LMDB has, and what memory_store models. Inside this folder only.
//
// Operation: tables of bytes in key order, and the log, whose keys are LSNs that only grow. All writing goes through one
// write_batch at a time, which becomes durable as a whole or not at all.
// Concurrency: any thread may view; `begin` to `commit` is one thread's, and the caller lets one batch live at a time.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string_view>

#include "perdure/error.hpp"
#include "perdure/ids.hpp"

namespace perdure::persistence {

/// Stored by name; keys.hpp tells what each holds. The log is not one of them.
enum class table : std::uint8_t {
  meta,
  rows,
  wakeups,
  keys,
  active,
  by_status,
  by_workflow,
  tenants,
  snapshots,
  inbox,
  damaged,
  archive,
  archive_order,
  archive_ends,
  blob_refs,
  removals,
  checkpoints,
  remains
};
inline constexpr std::size_t table_count = 18;

/// A store that cannot be read. Thrown by views; the journal turns it into an error and stops the node.
class store_failure : public std::runtime_error {
 public:
  explicit store_failure(error why) : std::runtime_error(why.message), why_(std::move(why)) {}
  [[nodiscard]] const error& why() const { return why_; }

 private:
  error why_;
};

/// Walks one table. All positioning calls say whether there is an entry; key and value are those of the last true one.
class table_cursor {
 public:
  virtual ~table_cursor() = default;
  /// First entry with a key ≥ `from`.
  virtual bool seek(std::string_view from) = 0;
  /// Last entry with a key < `before`.
  virtual bool seek_before(std::string_view before) = 0;
  virtual bool next() = 0;
  virtual bool previous() = 0;
  [[nodiscard]] virtual std::string_view key() const = 0;
  [[nodiscard]] virtual std::string_view value() const = 0;
};

/// The store at one moment. Short-lived: a view that is kept keeps old pages from being used again. What it gives is valid
/// until it is destroyed. One thread.
class read_view {
 public:
  virtual ~read_view() = default;
  [[nodiscard]] virtual std::optional<std::string_view> get(table in, std::string_view key) = 0;
  [[nodiscard]] virtual std::unique_ptr<table_cursor> walk(table in) = 0;
  [[nodiscard]] virtual std::optional<std::string_view> log(lsn_t lsn) = 0;
  /// Log entries with lsn ≥ `from`, in order, until `take` says false.
  virtual void each_log(lsn_t from, const std::function<bool(lsn_t, std::string_view)>& take) = 0;
};

/// full: nothing was written, there was no room. failed: nobody knows what was written; look.
enum class write_result : std::uint8_t { done, full, failed };

/// After the first write that does not succeed the others do nothing and `commit` says what went wrong. Destroyed
/// without commit: as if it had never been.
class write_batch {
 public:
  virtual ~write_batch() = default;
  /// Room for a log entry, to be filled before the next call; null after a failure. LSNs grow.
  [[nodiscard]] virtual char* log(lsn_t lsn, std::size_t size) = 0;
  /// Erases the log's entries from its beginning up to this one.
  virtual void cut_log(lsn_t through) = 0;
  virtual void put(table in, std::string_view key, std::string_view value) = 0;
  virtual void erase(table in, std::string_view key) = 0;
  /// As the batch has left it so far; valid until the next write.
  [[nodiscard]] virtual std::optional<std::string_view> get(table in, std::string_view key) = 0;
  [[nodiscard]] virtual std::unique_ptr<table_cursor> walk(table in) = 0;
  [[nodiscard]] virtual write_result commit() = 0;
  /// What went wrong, for people.
  [[nodiscard]] virtual std::string problem() const = 0;
};

struct store_space {
  std::size_t used_bytes = 0, map_bytes = 0, free_disk_bytes = 0;
};

class store {
 public:
  virtual ~store() = default;
  [[nodiscard]] virtual std::unique_ptr<read_view> view() const = 0;
  [[nodiscard]] virtual std::unique_ptr<write_batch> begin() = 0;
  [[nodiscard]] virtual store_space space() const = 0;
  /// Bytes that the log takes.
  [[nodiscard]] virtual std::size_t log_bytes() const = 0;
  /// Bytes that were used once and wait to be used again.
  [[nodiscard]] virtual std::size_t free_bytes() const = 0;
  /// Room that is kept for what must be recorded on a full disk. Both on the thread that writes.
  virtual void keep_reserve() {}
  /// Gives it up: a commit that was full may be tried again. False: there is none.
  [[nodiscard]] virtual bool release_reserve() { return false; }
};

}  // namespace perdure::persistence
