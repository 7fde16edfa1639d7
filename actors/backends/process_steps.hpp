// process_steps: the capability "process" for steps whose program is to survive the node: it runs as a job of the backend
// "process", under the step's own key.
//
// Operation: a spec with `"durable": true` is submitted as a job; its end is the step's outcome. A node that starts again does
// the step again, with the same key: that finds the job, running or ended, and waits for it; so the program is not started
// twice. A job that ended since its step was stopped, of which another try of the step hears, is submitted anew. What ended
// and was told is removed a while later: its outcome is in the journal then. What no step asks for again is ended by
// leftover_steps, and so is, when the node closes, what a run left that has ended. Everything else is process_capability's.
// Concurrency: any thread.
// Limitations: a node that dies in the moments between a program's end and its record finds the outcome by the job's folder;
// what it had told and not removed yet goes with the run.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "actors/backends/leftover_steps.hpp"
#include "actors/backends/process_backend.hpp"
#include "actors/capabilities/process.hpp"

namespace perdure::actors {

class process_steps final : public process_capability {
 public:
  /// `closing`: the node ends; stops are not meant for the programs then.
  process_steps(std::shared_ptr<spawner> children, std::shared_ptr<process_backend> jobs, std::shared_ptr<leftover_steps> left,
                std::function<bool()> closing);
  ~process_steps() override;

  void start(capability_request request) override;
  void run(capability_request request, process_spec spec) override;
  void stop_all() override;

 private:
  struct work;
  struct state;
  std::shared_ptr<state> state_;
};

}  // namespace perdure::actors
