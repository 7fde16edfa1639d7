// What the benches share: options, figures, latencies, memory, disk. They use the public API only; the floor beside each
// figure is measured in the same run.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

#include "perdure/perdure.hpp"

namespace perdure::tools::bench {

struct bench_options {
  std::size_t runs = 256;
  std::size_t steps = 10;
  double seconds = 5;
  std::size_t threads = 64;               ///< that call start()
  std::uint64_t events = 1'000'000;       ///< history: of the run before it is opened
  std::uint32_t activations = 10'000;     ///< history: they share the events evenly
  std::uint64_t retention = 0;            ///< growth, archive: ended runs that are kept; 0 = all
  std::uint64_t log_records = 1'000'000;  ///< growth, archive: of the log, before it is archived
  bool sleeping = false;                  ///< recovery: runs that slept when the process died, and are due
  std::size_t parked = 0;                 ///< recovery: so many more runs that sleep on
  std::size_t connections = 64;           ///< submit
  std::size_t streams = 0;                ///< submit: so many event streams on which nothing happens
  std::size_t jobs = 1'000;               ///< jobs: short processes
  std::size_t megabytes = 100;            ///< jobs: of the log that is followed
  double rate = 5000;                     ///< timers: so many come due a second; 0 = all at the same moment
  std::filesystem::path data;  ///< a fresh directory inside it is used and removed again; empty = the system's temporary one
};

/// What `perdure bench NAME --json` prints.
struct bench_result {
  std::string name;
  json::object config, figures, floor, ratios;
};

[[nodiscard]] result<bench_result> bench_steps(const bench_options& how);
[[nodiscard]] result<bench_result> bench_submit(const bench_options& how);
[[nodiscard]] result<bench_result> bench_timers(const bench_options& how);
[[nodiscard]] result<bench_result> bench_recovery(const bench_options& how);
[[nodiscard]] result<bench_result> bench_growth(const bench_options& how);
[[nodiscard]] result<bench_result> bench_signals(const bench_options& how);
[[nodiscard]] result<bench_result> bench_archive(const bench_options& how);
[[nodiscard]] result<bench_result> bench_history(const bench_options& how);
[[nodiscard]] result<bench_result> bench_documents(const bench_options& how);
[[nodiscard]] result<bench_result> bench_jobs(const bench_options& how);

/// The child process of bench_recovery: fills the directory with runs in flight, says "ready", waits to be killed.
int fill_for_recovery(const bench_options& how);

/// Latencies in buckets an eighth of a power of two wide. Any thread may add.
class latencies {
 public:
  void add(std::chrono::nanoseconds each);
  void reset();
  [[nodiscard]] std::uint64_t count() const;
  /// In microseconds; 0 when nothing was added.
  [[nodiscard]] double quantile(double which) const;

 private:
  static constexpr std::size_t per_power = 8;
  std::array<std::atomic<std::uint64_t>, 64 * per_power> buckets_{};
};

/// A directory of its own, removed at the end.
class scratch_directory {
 public:
  [[nodiscard]] static result<scratch_directory> make(const std::filesystem::path& parent);
  scratch_directory(scratch_directory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  scratch_directory& operator=(scratch_directory&&) = delete;
  ~scratch_directory();
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  explicit scratch_directory(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

/// RssAnon of a process; 0 = this one.
[[nodiscard]] std::uint64_t anonymous_bytes(int pid = 0);
/// Bytes on disk below a directory (blocks that are really allocated).
[[nodiscard]] std::uint64_t disk_bytes(const std::filesystem::path& directory);
[[nodiscard]] double seconds_since(std::chrono::steady_clock::time_point began);
/// Three significant digits are enough for figures.
[[nodiscard]] double rounded(double value);

struct journal_floor {
  double appends_per_s = 0;
  double commit_p50_us = 0;
};
/// Bare LMDB appends of records as large as those in the (closed) directory, so many a commit.
[[nodiscard]] result<journal_floor> measure_floor(const std::filesystem::path& data, double mean_batch, double seconds);
[[nodiscard]] json::object to_json_object(const journal_floor& floor);

/// Input of the workflows that the benches run.
struct work {
  std::uint32_t steps = 0;
  std::optional<timestamp> until;  ///< sleeps before them
  std::uint32_t before = 0;        ///< steps before the sleep
};
PERDURE_MESSAGE(work, "bench.work/v1", steps, until, before)

/// Runs that may still be started. Waiting for one costs no processor time, which the engine needs.
class free_places {
 public:
  void set(std::size_t many);
  void give();
  /// False when none came free within `limit`.
  [[nodiscard]] bool take(std::chrono::milliseconds limit);

 private:
  std::mutex mutex_;
  std::condition_variable more_;
  std::size_t free_ = 0;
};

/// What the handlers tell the bench.
struct meter {
  std::atomic<std::uint64_t> steps{0};
  std::atomic<std::uint64_t> finished{0};
  std::atomic<std::uint64_t> begun{0};  ///< runs that did a new step in this process
  std::atomic<bool> wind_up{false};     ///< handlers end after their next step
  latencies step_time;
  latencies lateness;  ///< of sleeps
  free_places places;  ///< given back by each run that finishes
};
/// A cooperative executor: sleeps if asked to, then does so many trivial durable steps.
[[nodiscard]] workflow make_workflow(const std::shared_ptr<meter>& told);

/// Starts runs on several threads, at most `in_flight` of them unfinished, until `enough` says so. `each` gives the input of
/// a run by its number, from 0.
void keep_in_flight(node& on, const bench_options& how, const std::function<work(std::uint64_t number)>& each, meter& told,
                    const std::function<bool(std::uint64_t started)>& enough, latencies* start_time = nullptr);

}  // namespace perdure::tools::bench
