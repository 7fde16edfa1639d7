// slurm_backend: batch jobs of a Slurm cluster. Its spec is a perdure::slurm_job.
//
// Operation: a job has a folder that the cluster shares (slurm_folder.hpp), named by a hash of its submit key, so it is found by
// its key and does its work once. Its id is Slurm's number and that hash. All jobs are looked at with one squeue, at most each
// `refresh`; what has left Slurm's memory is told by accounting where there is some, else by the word that the job itself left.
// Concurrency: any thread; two threads of its own do the work, one runs Slurm's commands, one reads logs and files.
// Limitations: the two streams of a job come as one, without times: as Slurm writes them.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "actors/backends/orphan_keeper.hpp"
#include "perdure/backend.hpp"

namespace perdure::actors {

struct slurm_options {
  std::filesystem::path root;                      ///< shared with the cluster's machines; made when it is needed
  std::filesystem::path commands;                  ///< folder of sbatch and the others; empty = PATH
  std::filesystem::path conf;                      ///< SLURM_CONF; empty = as Slurm finds it
  std::map<std::string, std::string> job_options;  ///< of sbatch, for jobs that have not their own
  std::chrono::milliseconds refresh{1'000};
  std::string owner;                          ///< the root may be shared with other nodes: only jobs of this one are removed
  std::function<void(std::string_view)> log;  ///< any thread; may be empty
};

class slurm_backend final : public backend, public orphan_keeper {
 public:
  explicit slurm_backend(slurm_options how);
  ~slurm_backend() override;

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
  void close() override;
  void remove_orphans(std::function<bool(const run_id&)> exists, std::chrono::seconds age) override;

 private:
  class impl;
  std::shared_ptr<impl> impl_;
};

}  // namespace perdure::actors
