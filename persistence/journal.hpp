// The journal port: what the engine needs of durable storage. Engines: persistence/memory_journal, persistence/lmdb.
//
// Operation: `append` takes a batch of items, checks each against overlay ∪ store, writes the good ones in one durable
// commit and says for each what became of it. The log is the truth; rows (projections) follow from it.
// Concurrency: `append` and `flush` from one thread, the writer's; everything else from any thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "core/record.hpp"
#include "perdure/node.hpp"

namespace perdure::persistence {

/// The shard of a one-node journal, and the type of its fencing token.
using shard_id = std::uint32_t;
using epoch_t = std::uint64_t;

/// What look-ups know of a run. row = project(record, old row).
struct run_row {
  run_id id;
  std::string workflow, version, definition_hash, key, tenant;
  run_status status = run_status::scheduled;
  bool active = false;
  timestamp created_at{}, updated_at{};
  std::optional<timestamp> ended_at, wakeup;
  run_seq seq = 0;
  lsn_t first_lsn = 0, head_lsn = 0;
  core::digest head_hash{};
  core::digest input_hash{};             ///< SHA-256 of message name, 0 byte, input text: tells another body under the same key
};

struct run_absent {
  run_id id;
};
struct key_absent {
  std::string scope, key;
};
struct counter_below {
  std::string tenant;
  std::uint64_t limit = 0;               ///< of runs that are not terminal
};
using precondition = std::variant<run_absent, key_absent, counter_below>;

struct append_item {
  shard_id shard = 0;
  epoch_t epoch = 0;
  run_id run;
  run_seq expected_seq = 0;              ///< the run's last seq before the first record
  std::vector<core::record> records;     ///< seqs go on from expected_seq; not empty
  std::vector<precondition> preconditions;
  bool essential = false;                ///< cancel, terminal events, retention: admitted when space is short
  std::optional<std::pair<run_seq, std::string>> snapshot;   ///< encoded state at a seq ≤ the last record's
  std::uint64_t ticket = 0;              ///< the caller's own; untouched
};

struct verdict {
  std::optional<perdure::error> error;   ///< fenced, conflict (seq), already_exists, not_found, disk_full, limit_exceeded, io_error
  lsn_t first_lsn = 0;                   ///< of the item's records, consecutive
  std::optional<run_id> holder;          ///< already_exists: the run that holds the key
};

struct space {
  std::size_t used_bytes = 0, map_bytes = 0, free_disk_bytes = 0;
  bool new_runs = true;                  ///< room for new runs
  bool steps = true;                     ///< room for the steps of running ones
};

struct verify_problem {
  run_id run;
  lsn_t lsn = 0;
  std::string what;
};
struct verify_report {
  std::uint64_t runs = 0, events = 0;
  std::vector<verify_problem> problems;
};

struct row_query {
  std::optional<run_status> status;
  std::string workflow;
  bool open_only = false;
  std::size_t limit = 100;
  std::optional<run_id> after;           ///< last of the page before
  bool newest_first = true;
};

struct inbox_entry {
  std::uint64_t number = 0;
  std::string command;
};

class journal {
 public:
  virtual ~journal() = default;

  /// One durable commit for the batch (several when it is over a limit). Verdicts in the order of the items. An item
  /// that is refused leaves no trace. After an ambiguous commit error it re-reads the stored last LSN before it
  /// answers. `fatal()` afterwards says that the node has to stop.
  virtual std::vector<verdict> append(std::span<append_item> items) = 0;
  [[nodiscard]] virtual bool fatal() const = 0;
  /// Writes dirty rows (all of them), so that the next open has no tail to replay. Called when idle and at close.
  virtual result<void> flush() = 0;
  /// Raises the stored epoch of the shard and gives it: every append with an older one is refused from now on.
  virtual result<epoch_t> acquire(shard_id shard) = 0;

  /// Stored records of a run with seq > `after`, at most `limit`, in order. `corrupt` names the LSN.
  [[nodiscard]] virtual result<std::vector<core::record>> read_run(const run_id& run, run_seq after, std::size_t limit) const = 0;
  /// Records with lsn ≥ `from`, at most `limit`, in order. A record that fails its check comes with kind 0 and empty
  /// bytes, so that a scan goes on over it.
  [[nodiscard]] virtual result<std::vector<core::record>> scan(lsn_t from, std::size_t limit) const = 0;
  [[nodiscard]] virtual lsn_t last_lsn() const = 0;
  /// The newest snapshot with seq ≤ `at_most` (0 = any): seq and encoded state.
  [[nodiscard]] virtual std::optional<std::pair<run_seq, std::string>> snapshot(const run_id& run, run_seq at_most = 0) const = 0;

  [[nodiscard]] virtual std::optional<run_row> row(const run_id& run) const = 0;
  [[nodiscard]] virtual std::optional<run_id> find_key(std::string_view scope, std::string_view key) const = 0;
  [[nodiscard]] virtual std::vector<run_row> rows(const row_query& query) const = 0;
  /// Calls back for every run that is active (an attempt in flight), in id order; for recovery.
  virtual void for_each_active(const std::function<void(const run_row&)>& take) const = 0;
  /// Wake-ups of open runs in due order: due ≤ `until`, after (`after_due`, `after_run`), at most `limit`.
  [[nodiscard]] virtual std::vector<std::pair<timestamp, run_id>> wakeups(timestamp until, std::optional<std::pair<timestamp, run_id>> after,
                                                                          std::size_t limit) const = 0;
  [[nodiscard]] virtual std::uint64_t open_runs() const = 0;
  [[nodiscard]] virtual std::uint64_t total_runs() const = 0;
  /// Records read again by the last open.
  [[nodiscard]] virtual std::uint64_t redone_records() const = 0;
  /// Time of the newest record; the node's clock starts at it.
  [[nodiscard]] virtual timestamp last_time() const = 0;
  /// False when the journal was not closed by `mark_closed` last time.
  [[nodiscard]] virtual bool was_closed() const = 0;
  virtual void mark_closed() = 0;

  [[nodiscard]] virtual core::blob_port& blobs() = 0;
  [[nodiscard]] virtual persistence::space space() const = 0;
  /// CRC, chain, seqs, previous links, rows against log, wakers (an open run without wake-up and not active is a
  /// problem unless its state waits on a request or signal: `waits` tells, may be empty).
  [[nodiscard]] virtual verify_report verify(const std::function<bool(const run_id&)>& waits) const = 0;
  /// Inbox of commands that were written while no node ran. JSON objects, in order; they stay until they are dropped, which
  /// is when their events are durable.
  virtual result<void> put_inbox(std::string_view command) = 0;
  [[nodiscard]] virtual std::vector<inbox_entry> inbox() const = 0;
  virtual result<void> drop_from_inbox(std::span<const std::uint64_t> numbers) = 0;
};

enum class open_mode : std::uint8_t { read_write, read_only };

/// Opens DIR (made when absent in read_write). locked, newer_format, io_error, not_found (read_only): untouched.
[[nodiscard]] result<std::unique_ptr<journal>> open_lmdb_journal(const std::filesystem::path& directory, open_mode mode,
                                                                 std::size_t max_map_bytes, std::size_t min_free_disk_bytes);
[[nodiscard]] std::unique_ptr<journal> make_memory_journal();

}  // namespace perdure::persistence
