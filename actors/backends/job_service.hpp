// job_service: carries out what runs want of their jobs: submits them to their backends, looks at their status, asks them to
// end.
//
// Operation: one entry per job. A submit that may have been tried before looks for the job by its key first. A running job is
// looked at with its own backoff, or at once when its backend tells; the run hears of changes only. What a backend cannot do
// now is tried again: submits by the run (durably), all else from here. A backend's gate (backend_gate.hpp) says whose turn it
// is; a run whose job waits longer than a moment is told so, may leave memory, and is told again when it is its turn.
// Concurrency: every member from any thread. Backends are called on the service's own thread and answer on any.
// Limitations: keeps nothing on disk: after a restart the runs say again what they want.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "actors/backends/job_port.hpp"
#include "core/command.hpp"
#include "perdure/backend.hpp"

namespace perdure::actors {

class job_service final : public job_port {
 public:
  struct options {
    std::function<void(const run_id&, core::job_noticed)> tell;  ///< any thread; must not block
    std::function<void(std::string_view level, std::string_view text)> log;
    /// What a backend gets of the spec that the run has; empty = the same. An error is one that may pass. Must not block.
    std::function<result<payload>(const payload& spec)> spec_of;
    std::chrono::milliseconds patience{5'000};  ///< so long a job waits for a backend that nobody has added
  };
  explicit job_service(options chosen);
  ~job_service() override;
  job_service(const job_service&) = delete;
  job_service& operator=(const job_service&) = delete;

  /// already_exists: the name is taken.
  result<void> add(std::string name, std::shared_ptr<backend> what, backend_options how);
  [[nodiscard]] std::shared_ptr<backend> find(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> names() const;
  /// not_found.
  [[nodiscard]] result<backend_health> health(std::string_view name) const;
  /// Jobs that are looked after.
  [[nodiscard]] std::size_t size() const;

  void carry_on(core::job_order what) override;
  void leave(const run_id& run, const core::job_effect& what) override;
  /// No answer is listened to from now on; backends are closed. Waits for the thread, not for calls that are under way.
  void stop();

 private:
  struct state;  // job_entries.hpp
  std::shared_ptr<state> state_;
};

}  // namespace perdure::actors
