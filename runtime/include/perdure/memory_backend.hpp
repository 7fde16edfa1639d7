// memory_backend: a backend for tests, in memory. Jobs do what the test says; what the node asked of it is counted.
//
// Operation: answers every call at once. A job without a plan of its own runs at the first look and has succeeded at the second.
// Concurrency: every member from any thread.
// Limitations: it forgets everything with itself: keep it over a restart of the node, as a real system would be.
// Link `perdure_testing`; no part of it belongs in a program.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "perdure/backend.hpp"

namespace perdure::testing {

class memory_backend : public backend {
 public:
  struct job {
    std::string id;
    job_submission what;
    std::uint32_t submits = 0;  ///< calls with its key, accepted
    std::uint32_t looks = 0;
    std::uint32_t cancels = 0;
    std::optional<job_report> is;  ///< what the test said last
    std::vector<job_log_line> lines;
    std::map<std::string, std::string> files;  ///< artifacts: name, content
  };
  using planner = std::function<job_report(const job& of)>;
  using fault = std::function<std::optional<error>(const job_submission&)>;

  explicit memory_backend(backend_capabilities can = {
                              .find = true, .cancel = true, .logs = true, .artifacts = true, .estimate = true, .notices = true});

  // What the test says.

  /// How a job is at a look, `looks` counts it already. A cancelled job is not asked for any more.
  void plan(planner how);
  /// A submit that it gives an error is not accepted; of `after`, it is, and the error is the answer all the same.
  void fail_before(fault which);
  void fail_after(fault which);
  /// The job is so from now on, and the node is told.
  void set(const std::string& id, job_report is);
  void finish(const std::string& id, job_status status = job_status::succeeded, payload result = {});
  /// The backend does not know the job any more.
  void lose(const std::string& id);
  void write(const std::string& id, std::string line, std::string stream = "stdout");
  void leave_file(const std::string& id, std::string name, std::string content);
  /// Cancels are taken and nothing follows: as with systems that cannot stop what runs.
  void ignore_cancels(bool on);
  /// No call is answered until it is up again: they give `io_error`.
  void down(bool on);

  // What the node did.

  [[nodiscard]] std::vector<job> jobs() const;
  [[nodiscard]] std::optional<job> find_job(const std::string& key) const;
  /// Submits that were accepted as jobs of their own.
  [[nodiscard]] std::size_t accepted() const;

  [[nodiscard]] backend_capabilities capabilities() const override { return can_; }
  void submit(job_submission what, backend_call how, backend_answer<std::string> done) override;
  void status(std::string id, backend_call how, backend_answer<job_report> done) override;
  void find(std::string key, backend_call how, backend_answer<std::optional<std::string>> done) override;
  void cancel(std::string id, backend_call how, backend_answer<void> done) override;
  void logs(std::string id, log_query which, backend_call how, backend_answer<job_log_page> done) override;
  void artifacts(std::string id, backend_call how, backend_answer<std::vector<job_artifact>> done) override;
  void open_artifact(std::string id, std::string name, backend_call how,
                     backend_answer<std::shared_ptr<artifact_reader>> done) override;
  void estimate(payload spec, backend_call how, backend_answer<job_estimate> done) override;
  void notify(std::function<void(std::string key)> changed) override;

 private:
  template <class T>
  std::optional<result<T>> out_of_order() const;
  void tell(const std::string& key);

  backend_capabilities can_;
  mutable std::mutex mutex_;
  planner plan_;
  fault before_, after_;
  std::map<std::string, job> jobs_;  ///< by id
  std::map<std::string, std::string> by_key_;
  std::function<void(std::string key)> changed_;
  std::size_t ids_ = 0;
  bool ignore_cancels_ = false, down_ = false;
};

}  // namespace perdure::testing
