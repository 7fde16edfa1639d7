// artifact_store: a node's own copies of files that jobs left, each once, by its content.
//
//   DIR/sha256/ab/cdef…       the bytes whose SHA-256 is abcdef…
//   DIR/new/N                 being written; swept at the next start
//   DIR/runs/RUN/JOB.json     what a run kept of one of its jobs: a list of artifacts
//
// Operation: bytes are hashed as they come, never whole in memory; a file is durable before the list that names it. The list
// of a run that is removed goes with it, and later what no list names. What a backend says of a hash is not believed: else it
// could get at the content of others by naming it.
// Concurrency: any thread; two of `keep` at once do no harm. `sweep` gives way to them.
// Errors: limit_exceeded (the limits below), disk_full, io_error, corrupt (other bytes than the backend said), not_found.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "perdure/backend.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

class artifact_store {
 public:
  struct options {
    std::filesystem::path root;  ///< made with the first file
    std::uint64_t one_bytes = limits::artifact_bytes;
    std::uint64_t all_bytes = limits::artifact_store_bytes;
  };
  explicit artifact_store(options chosen);

  /// Asked between two pieces: true ends it with shutting_down.
  using stop_check = std::function<bool()>;
  using open_one = std::function<result<std::shared_ptr<artifact_reader>>(const std::string& name)>;
  /// Copies the artifacts of a job in, and then writes down that the run has them. Gives them with the hashes that they have.
  [[nodiscard]] result<std::vector<job_artifact>> keep(const run_id& run, std::uint32_t job,
                                                       const std::vector<job_artifact>& which, const open_one& open,
                                                       const stop_check& stop = {});
  /// What a run kept of a job; empty when it is nothing.
  [[nodiscard]] result<std::vector<job_artifact>> kept(const run_id& run, std::uint32_t job) const;
  [[nodiscard]] result<std::shared_ptr<artifact_reader>> open(const run_id& run, std::uint32_t job,
                                                              const std::string& name) const;

  /// Removes the lists of runs that are not there any more, then files that no list names and that are older than `age`.
  void sweep(const std::function<bool(const run_id&)>& exists, std::chrono::seconds age);
  /// Of all files.
  [[nodiscard]] std::uint64_t bytes() const;

 private:
  [[nodiscard]] result<job_artifact> put(const job_artifact& what, artifact_reader& from, const stop_check& stop);
  [[nodiscard]] result<void> make_ready();
  [[nodiscard]] std::filesystem::path path_of(const std::string& sha256) const;
  [[nodiscard]] std::filesystem::path list_of(const run_id& run, std::uint32_t job) const;

  options how_;
  std::shared_mutex keeping_;  ///< shared while something is kept
  std::mutex ready_mutex_;
  bool ready_ = false;
  std::atomic<std::uint64_t> bytes_{0};  ///< those that are being written, too
  std::atomic<std::uint64_t> next_{1};
};

}  // namespace perdure::actors
