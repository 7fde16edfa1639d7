// The activation driver: runs a handler's coroutine over an ordered input, the same way live and on replay.
//
// Operation: `start` runs the handler until it blocks; each `feed` gives it one recorded outcome and runs it until it
// blocks again. What came of that is a `progress_report`; the caller turns reports into commands for the run.
// Steps are numbered in the order they are issued, so the same inputs give the same numbers.
// Concurrency: one thread at a time; whoever runs a body co-owns the driver, so that the frame outlives it.
// Limitations: knows no clock, thread, journal or actor.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/command.hpp"
#include "core/state.hpp"
#include "flow/definition.hpp"
#include "perdure/executor.hpp"

namespace perdure::flow {

/// A step issued in a turn that waits for its outcome.
struct new_step {
  step_ordinal ordinal = 0;
  const detail::step_request& request;  ///< the driver's own; valid until the step's outcome is fed or it is cancelled
};

/// What one run of the coroutine (from one block to the next) did. After a failure nothing is issued any more; outputs
/// from before it count, but for nondeterminism.
struct progress_report {
  std::vector<new_step> issued;            ///< not answered by the recorded history
  std::vector<step_ordinal> cancelled;     ///< issued or recorded before, no longer wanted
  std::vector<core::output> outputs;       ///< beyond those that were recorded already
  std::vector<core::asked_request> asked;  ///< requests that wait and were not told before, recorded ones too
  bool finished = false;                   ///< the handler has returned
  std::optional<failure> failed;           ///< or failed: exception, nondeterminism, limit
};

struct driver_input {
  run_id run;
  std::string workflow;
  std::string executor;
  activation_id activation = 0;
  std::uint32_t attempt = 1;
  std::string message;  ///< stored name
  payload value;
  timestamp began{};                              ///< the first `now`
  std::uint32_t outputs_recorded = 0;             ///< state, progress and scopes of the attempt (and of what it keeps): the
                                                  ///< first so many are not reported again
  std::uint32_t messages_emitted = 0;             ///< messages and outputs, of earlier attempts too: the first so many are not
                                                  ///< reported again
  std::map<std::string, std::uint32_t> versions;  ///< of changes, as this activation recorded them
  step_ordinal recorded_steps = 0;  ///< so many steps are recorded although they are not given to `start` (they are fed)
  std::function<void(std::string_view level, std::string_view text)> log;  ///< not called while replaying
};

class driver {
 public:
  /// Makes the executor object and its coroutine; a message that it does not take fails at `start`.
  driver(const detail::executor_factory& make, driver_input input);
  ~driver();
  driver(const driver&) = delete;
  driver& operator=(const driver&) = delete;

  /// Runs the handler from its beginning through the whole history (may be empty), in order. `pending` are the
  /// recorded steps that have no outcome yet: the handler must issue them again, they are not reported as new
  /// unless their body is to run now (calls and polls always are in `issued`; the host decides by the run's state
  /// whether to run them). A difference in ordinal, kind or name fails with code "nondeterminism" and shows both sides.
  progress_report start(std::span<const core::history_item> history, std::span<const core::pending_step> pending);
  /// Gives the next recorded item: a step's outcome, or the cancel of the run.
  progress_report feed(const core::history_item& item);

  /// The request of an issued step, with the body of calls and polls for the host to run; null when the step is gone.
  [[nodiscard]] const detail::step_request* request(step_ordinal ordinal) const;
  /// Frames of cancelled branches are kept while one of their bodies runs.
  void body_started(step_ordinal ordinal);
  void body_ended(step_ordinal ordinal);

  [[nodiscard]] bool ended() const;
  [[nodiscard]] std::uint32_t attempt() const;

 private:
  class impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace perdure::flow
