// node: the engine in a process. Opens a data directory, recovers its runs, executes them.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "perdure/backend.hpp"
#include "perdure/limits.hpp"
#include "perdure/run.hpp"
#include "perdure/workflow.hpp"

namespace caf {
class actor_system;
}

namespace perdure {

enum class journal_engine : std::uint8_t { lmdb, memory };

struct log_record {
  timestamp time{};
  std::string_view level;  ///< "debug", "info", "warning", "error"
  std::string_view message;
  std::string_view run;       ///< run id, or empty
  std::string_view executor;  ///< or empty
};

/// How long the log may grow before the records at its beginning are compressed into the archive, run by run, and cut off.
/// Reading a run is the same wherever its records are.
struct archive_options {
  std::uint64_t log_records = limits::archive_log_records;
  std::size_t log_bytes = limits::archive_log_bytes;
};

/// Which ended runs are removed, with all that is stored of them: events, look-up entries, snapshots, key, and blobs that
/// nothing else refers to. 0 = no such limit; by default nothing is removed. Runs that have not ended are never removed.
struct retention_options {
  duration age{0};               ///< since their end
  std::uint64_t ended_runs = 0;  ///< so many are kept: those that ended last
};

struct node_options {
  std::filesystem::path data_dir;  ///< made when absent; not used by the memory engine
  journal_engine engine = journal_engine::lmdb;
  unsigned scheduler_threads = 0;                    ///< 0 = number of cores
  unsigned user_threads = 0;                         ///< pool for handlers and call bodies; 0 = max(4, 2 × cores)
  duration call_timeout = std::chrono::seconds{30};  ///< of the blocking calls of node and run_ref
  duration shutdown_timeout = std::chrono::seconds{10};
  std::size_t max_map_bytes = std::size_t{1} << 40;  ///< LMDB map; sparse, halved until the system grants it
  std::size_t min_free_disk_bytes = std::size_t{64} << 20;
  archive_options archive;
  retention_options retention;
  std::uint64_t max_artifact_bytes = limits::artifact_store_bytes;  ///< of all artifacts kept beneath data_dir together
  bool control_socket = false;                                      ///< DATA/control.sock for the `perdure` commands
  std::string helper_program;                  ///< path of the `perdure` binary, for isolated workers; empty = look beside us
  std::function<void(const log_record&)> log;  ///< any thread; empty = warnings and errors to standard error
  /// The time, for hosts that test with a clock of their own; empty = the system's. Any thread, must not block. Set ahead, it
  /// brings what came due within a second; set back, time goes on at half its pace until it has caught up.
  std::function<timestamp()> clock;
};

struct list_options {
  std::optional<run_status> status;
  std::string workflow;  ///< empty = all
  std::size_t limit = 100;
  std::string cursor;  ///< of the page before
  bool newest_first = true;
};
struct run_page {
  std::vector<run_summary> runs;
  std::string next_cursor;  ///< empty = that was all
};

struct node_stats {
  std::uint64_t commits = 0;
  std::uint64_t records = 0;
  std::uint64_t live_runs = 0;       ///< runs with an actor in memory
  std::uint64_t open_runs = 0;       ///< not terminal
  std::uint64_t recovered_runs = 0;  ///< reopened at the start
  std::uint64_t replayed_events = 0;
  std::uint64_t stale_results = 0;  ///< late results of fenced attempts, discarded
  std::uint64_t clock_jumps = 0;    ///< times that the clock went ahead by over an hour at once
  duration recovery_time{0};
  std::uint64_t log_records = 0;       ///< not archived, or not cut off yet
  std::uint64_t archived_records = 0;  ///< in the archive now
  std::uint64_t removed_runs = 0;      ///< by retention, since the directory was made
};

/// Movable; the last owner closes it. Any thread. One node per data directory; several nodes per process.
class node {
 public:
  /// Opens (or makes) the directory, recovers, and starts. locked: another process holds it; newer_format; io_error.
  /// Nothing is changed on these errors.
  [[nodiscard]] static result<node> open(node_options options);

  node(node&&) noexcept;
  node& operator=(node&&) noexcept;
  ~node();

  /// Registers a workflow; runs of it that were waiting for that go on. already_exists: the same name and version
  /// with another graph.
  result<void> add(const workflow& definition);
  /// Makes an execution system known under a name; jobs of it that were going on are looked after from here. already_exists:
  /// the name is taken ("process" is the node's own, but for the memory engine). Jobs for a backend that nobody adds are
  /// refused once limits::registration_grace is over.
  result<void> add_backend(std::string_view name, std::shared_ptr<backend> what, backend_options options = {});
  /// The backend of that name, or null. For logs, artifacts and whatever else the run does not need to know.
  [[nodiscard]] std::shared_ptr<backend> find_backend(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> backends() const;
  /// How a backend is doing; not_found.
  [[nodiscard]] result<backend_health> health_of(std::string_view backend) const;
  /// Opens a file that a job of a run left: from this node's own store where it was kept, else from its backend. Waits at most
  /// node_options::call_timeout. not_found; invalid_argument: the name leads out of the job's folder.
  [[nodiscard]] result<std::shared_ptr<artifact_reader>> open_artifact(const run_id& run, std::uint32_t job,
                                                                       std::string_view name) const;
  /// Starts a run of the newest registered version; durable when it returns. workflow_unknown, payload_too_large,
  /// already_exists (the key began a run with another workflow or input), overloaded, disk_full.
  [[nodiscard]] result<run_ref> start(std::string_view workflow, const json::value& input, start_options options = {});
  template <message T>
  [[nodiscard]] result<run_ref> start(std::string_view workflow, const T& input, start_options options = {}) {
    return start_named(workflow, message_name<T>, payload{to_json(input)}, std::move(options));
  }
  [[nodiscard]] result<run_ref> start_named(std::string_view workflow, std::string_view message, payload input,
                                            start_options options = {});
  /// Starts a run for each input, in order; as `start` for each, but many are made durable by one commit, and the caller waits
  /// once. One that is refused does not keep the others back. Returns when all are durable or refused: an outcome for each
  /// input. `options` has a key or time limit for each input, or is empty; one of another size is refused (invalid_argument).
  template <message T>
  [[nodiscard]] std::vector<result<run_ref>> start_many(std::string_view workflow, const std::vector<T>& inputs,
                                                        std::vector<start_options> options = {}) {
    std::vector<payload> texts;
    texts.reserve(inputs.size());
    for (const auto& each : inputs) texts.emplace_back(to_json(each));
    return start_many_named(workflow, message_name<T>, std::move(texts), std::move(options));
  }
  [[nodiscard]] std::vector<result<run_ref>> start_many_named(std::string_view workflow, std::string_view message,
                                                              std::vector<payload> inputs,
                                                              std::vector<start_options> options = {});
  /// A reference to a run; not_found when there is none.
  [[nodiscard]] result<run_ref> get(const run_id& id) const;
  /// The run that a key began; not_found.
  [[nodiscard]] result<run_ref> find(std::string_view key) const;
  [[nodiscard]] result<run_page> list(const list_options& options = {}) const;
  [[nodiscard]] node_stats stats() const;

  /// Stops taking work, lets running bodies end for `shutdown_timeout`, commits, closes. Unfinished runs go on at the
  /// next open. Safe to call twice.
  void close();

  class impl;
  [[nodiscard]] impl& internals() const { return *impl_; }

 private:
  explicit node(std::shared_ptr<impl> held);
  std::shared_ptr<impl> impl_;
};

}  // namespace perdure
