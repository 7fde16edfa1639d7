// The backend "process": a job is a program of this machine, in a folder of its own beneath DATA/jobs, in a session and process
// group of its own, under a supervisor that outlives the node. Its spec is a perdure::process_job.
//
// Operation: the id of a job is a hash of its submit key, and its folder is named by it: so a job is found by its key, and
// submitted once. A job is accepted when its `request` is there; its supervisor claims it (job_supervisor.hpp). A new node
// finds what the old one left: jobs that were accepted and not begun are begun, news of ended ones is passed on. Whether
// a job still runs is told by the process number of its supervisor and that process's start time, never by the number alone.
// Concurrency: calls from any thread; two threads of its own do the work, one for submits and looks, one for logs and files.
// Limitations: memory, processor time and number of processes are limited for all of a job together where there are control
// groups (job_cgroup.hpp); else setrlimit limits each process, and one that leaves its group and its pipes escapes a cancel.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>

#include "actors/backends/job_files.hpp"
#include "actors/backends/job_log.hpp"
#include "perdure/backend.hpp"

namespace perdure::actors {

class process_backend final : public backend {
 public:
  /// `root` is made when it is needed. `log`: any thread, may be empty. `cgroups`: where control groups of jobs are made; empty =
  /// nowhere, none = beneath this process's own, where that is possible.
  explicit process_backend(std::filesystem::path root, std::function<void(std::string_view)> log = {},
                           std::optional<std::filesystem::path> cgroups = std::nullopt);
  ~process_backend() override;

  /// Removes the folders of jobs that ended longer ago than `age` and whose run is not there any more: now, and then each
  /// hour. `exists` is asked on a thread of the backend's, until close().
  void remove_orphans(std::function<bool(const run_id&)> exists, std::chrono::seconds age);

  // For those that wait here for a program, as steps do that run one:

  /// As submit. The job is marked as a step's: its run knows nothing of it, and asks for it again as long as it is wanted.
  void submit_step(job_submission what, backend_answer<std::string> done);
  /// Calls back once, on a thread of the backend's: when the job has ended or is lost. Nobody else is told of it then.
  void when_ended(std::string id, std::function<void()> over);
  /// How a job ended, and what it wrote, at most so many bytes of each stream. not_found: it is lost.
  struct outcome {
    job_ending end;
    job_output output;
  };
  void collect(std::string id, std::size_t limit_bytes, backend_answer<outcome> done);

  [[nodiscard]] backend_capabilities capabilities() const override;
  void submit(job_submission what, backend_call how, backend_answer<std::string> done) override;
  void status(std::string id, backend_call how, backend_answer<job_report> done) override;
  void find(std::string key, backend_call how, backend_answer<std::optional<std::string>> done) override;
  void cancel(std::string id, backend_call how, backend_answer<void> done) override;
  void logs(std::string id, log_query which, backend_call how, backend_answer<job_log_page> done) override;
  void artifacts(std::string id, backend_call how, backend_answer<std::vector<job_artifact>> done) override;
  void open_artifact(std::string id, std::string name, backend_call how,
                     backend_answer<std::shared_ptr<artifact_reader>> done) override;
  void forget(std::string id, backend_call how, backend_answer<void> done) override;
  void check(backend_call how, backend_answer<std::string> done) override;
  void notify(std::function<void(std::string key)> changed) override;
  void close() override;

 private:
  class impl;
  std::shared_ptr<impl> impl_;
};

}  // namespace perdure::actors
