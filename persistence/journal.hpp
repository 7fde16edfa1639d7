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
  core::digest input_hash{};  ///< SHA-256 of message name, 0 byte, input text: tells another body under the same key
};

struct run_absent {
  run_id id;
};
struct key_absent {
  std::string scope, key;
  std::optional<run_id> but_for;  ///< a run whose hold on the key does not count
};
struct counter_below {
  std::string tenant;
  std::uint64_t limit = 0;  ///< of runs that are not terminal
};
using precondition = std::variant<run_absent, key_absent, counter_below>;

struct append_item {
  shard_id shard = 0;
  epoch_t epoch = 0;
  run_id run;
  run_seq expected_seq = 0;           ///< the run's last seq before the first record
  std::vector<core::record> records;  ///< seqs go on from expected_seq; not empty
  std::vector<precondition> preconditions;
  bool essential = false;                                   ///< cancel, terminal events, retention: admitted when space is short
  std::optional<std::pair<run_seq, std::string>> snapshot;  ///< encoded state at a seq ≤ the last record's
  std::uint64_t ticket = 0;                                 ///< the caller's own; untouched
};

struct verdict {
  std::optional<perdure::error>
      error;                     ///< fenced, conflict (seq), already_exists, not_found, disk_full, limit_exceeded, io_error
  lsn_t first_lsn = 0;           ///< of the item's records, consecutive
  std::optional<run_id> holder;  ///< already_exists: the run that holds the key
};

struct space {
  std::size_t used_bytes = 0, map_bytes = 0, free_disk_bytes = 0;
  std::size_t min_free_disk_bytes = 0;
  bool new_runs = true;  ///< room for new runs
  bool steps = true;     ///< room for the steps of running ones
};

/// How much there is and how much it takes, for people.
[[nodiscard]] std::string to_text(const space& room);

struct verify_problem {
  run_id run;
  lsn_t lsn = 0;
  std::string what;
};
/// A stored digest of all records up to some LSN. Its hash, kept elsewhere, is an anchor: a later `verify` shows with it
/// that what the checkpoint covers is still there, or has been removed on record.
struct checkpoint_place {
  lsn_t lsn = 0;      ///< of the checkpoint's own record
  lsn_t through = 0;  ///< last LSN that it covers
  timestamp time{};
  core::digest hash{};
};
struct verify_report {
  std::uint64_t runs = 0, events = 0;
  std::uint64_t archived = 0;                           ///< of the events, those in the archive
  std::uint64_t removed_runs = 0, removed_records = 0;  ///< by retention
  std::uint64_t checkpoints = 0;
  std::optional<checkpoint_place> newest;
  std::optional<checkpoint_place> anchor;  ///< the checkpoint with the hash that was asked for
  std::vector<verify_problem> problems;
};

/// What the background work aims at, and how much of it is done at once. The defaults are the limits.
struct upkeep_options {
  archive_options archive;
  retention_options retention;
  std::size_t chunk_bytes = limits::archive_chunk_bytes;
  std::size_t slice_records = limits::archive_slice_records;
  std::size_t cut_records = limits::cut_slice_records;
  std::size_t removal_runs = limits::removal_slice_runs;
  std::uint64_t checkpoint_records = limits::checkpoint_records;
  duration checkpoint_interval = std::chrono::hours{1};  ///< with fewer records than that, when there are any
  std::uint64_t kept_removals = limits::kept_removals;
  duration blob_grace = limits::blob_grace;
};
/// One bounded piece of background work, made ready beside the commits.
class upkeep_plan {
 public:
  virtual ~upkeep_plan() = default;
  /// For tests and logs: "copy", "cut", "checkpoint", "remove".
  [[nodiscard]] virtual std::string_view name() const = 0;
  /// There is more to do than is good: do not rest long.
  bool urgent = false;
  /// It does not cover all that is there: another one of its kind follows.
  bool more = false;
  /// How `append` ended it: carried out, or left out because it no longer fits. disk_full: later, perhaps.
  std::optional<result<void>> outcome;
  /// Time that carrying it out took of a commit, the commit itself not counted.
  std::chrono::nanoseconds took{0};
};
struct archive_figures {
  lsn_t first_lsn = 1;  ///< of the log; what is before it is in the archive, or removed
  std::uint64_t log_records = 0, log_bytes = 0;
  std::uint64_t archived_records = 0, archived_chunks = 0, archived_bytes = 0;
  std::uint64_t archived_raw_bytes = 0;  ///< before compression
  std::uint64_t removed_runs = 0, removed_records = 0;
  std::uint64_t free_bytes = 0;  ///< inside the file, to be used again
};

struct row_query {
  std::optional<run_status> status;
  std::string workflow;
  bool open_only = false;
  std::size_t limit = 100;
  std::optional<run_id> after;  ///< last of the page before
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
  /// answers. `fatal()` afterwards says that the node has to stop. The writer's thread.
  /// `along`: a piece of background work that is carried out in the same commit, or in one of its own when there are no items.
  /// It has its outcome afterwards; the items never fail for it.
  virtual std::vector<verdict> append(std::span<append_item> items, upkeep_plan* along) = 0;
  std::vector<verdict> append(std::span<append_item> items) { return append(items, nullptr); }
  /// Carries the piece out in one durable commit of its own.
  result<void> commit_upkeep(upkeep_plan& plan) {
    (void)append({}, &plan);
    return *plan.outcome;
  }
  [[nodiscard]] virtual bool fatal() const = 0;
  /// Writes dirty rows (all of them), so that the next open has no tail to replay. Called when idle and at close.
  virtual result<void> flush() = 0;
  /// The next piece of what is to be done beside the commits: archiving, retention, checkpoints; null: nothing for now. Reads
  /// and compresses, and deletes blobs that nothing refers to; writes nothing to the journal. From one thread at a time, any.
  [[nodiscard]] virtual std::unique_ptr<upkeep_plan> plan_upkeep(timestamp now) = 0;
  /// `with_sizes`: log_bytes and free_bytes too; counting free pages takes a moment in a file that has many.
  [[nodiscard]] virtual archive_figures archive(bool with_sizes = false) const = 0;
  /// Without having been verified.
  [[nodiscard]] virtual std::optional<checkpoint_place> newest_checkpoint() const = 0;
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
  /// What makes the run unreadable ("record 12 is damaged"), as far as is known: recovery tells of the newest records, the
  /// rest is met when somebody reads it. Such a run is listed, keeps its key, and takes no more steps.
  [[nodiscard]] virtual std::optional<std::string> damage_of(const run_id& run) const = 0;
  /// All of them; the nil run stands for records of no run.
  [[nodiscard]] virtual std::vector<std::pair<run_id, std::string>> damaged_runs() const = 0;
  [[nodiscard]] virtual std::optional<run_id> find_key(std::string_view scope, std::string_view key) const = 0;
  [[nodiscard]] virtual std::vector<run_row> rows(const row_query& query) const = 0;
  /// Calls back for every run that is active (an attempt in flight), in id order; for recovery.
  virtual void for_each_active(const std::function<void(const run_row&)>& take) const = 0;
  /// Wake-ups of open runs in due order: due ≤ `until`, after (`after_due`, `after_run`), at most `limit`.
  [[nodiscard]] virtual std::vector<std::pair<timestamp, run_id>> wakeups(timestamp until,
                                                                          std::optional<std::pair<timestamp, run_id>> after,
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
  /// CRC, chain, seqs, chunks, checkpoints, previous links, rows against log, wakers (an open run without wake-up and not active
  /// is a problem unless its state waits on a request or signal: `waits` tells, may be empty). With an `anchor`, the hash of a
  /// checkpoint, it is a problem when no such checkpoint is there.
  [[nodiscard]] virtual verify_report verify(const std::function<bool(const run_id&)>& waits,
                                             const std::optional<core::digest>& anchor = std::nullopt) const = 0;
  /// Inbox of commands that were written while no node ran. JSON objects, in order; they stay until they are dropped, which
  /// is when their events are durable.
  virtual result<void> put_inbox(std::string_view command) = 0;
  [[nodiscard]] virtual std::vector<inbox_entry> inbox() const = 0;
  virtual result<void> drop_from_inbox(std::span<const std::uint64_t> numbers) = 0;
};

enum class open_mode : std::uint8_t { read_write, read_only };

/// Opens DIR (made when absent in read_write). locked, newer_format, io_error, not_found (read_only): untouched.
[[nodiscard]] result<std::unique_ptr<journal>> open_lmdb_journal(const std::filesystem::path& directory, open_mode mode,
                                                                 std::size_t max_map_bytes, std::size_t min_free_disk_bytes,
                                                                 const upkeep_options& upkeep = {});
[[nodiscard]] std::unique_ptr<journal> make_memory_journal(const upkeep_options& upkeep = {});

}  // namespace perdure::persistence
