// attempt_turns: the book of one attempt: which of its steps stand in the run's state, are carried out now, or wait for their
// turn to be tried again. It feeds the driver and turns what came of that, and what bodies came to, into reports for the run.
//
// Operation: a report goes out when a turn did something durable, and with each body's outcome; the coroutine goes on only
// when the run feeds that outcome back, durable. Where and when bodies run is the host's: the node's (actors/attempt_host)
// and the one of simulated time (cluster/testing/attempt) keep one book, so that what the one shows holds for the other.
// Concurrency: one thread at a time.
// Limitations: knows no clock, thread, journal or actor.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <stop_token>

#include "core/command.hpp"
#include "flow/driver.hpp"

namespace perdure::flow {

/// One run of a step's body.
struct body_run {
  body_run() = default;
  body_run(const body_run&) = delete;
  body_run& operator=(const body_run&) = delete;
  virtual ~body_run() = default;

  step_ordinal ordinal = 0;
  std::uint32_t tries = 1;
  detail::step_request request;  ///< kind, name, arguments, retry, and the function (shared by copy) unless it runs in the turn
  bool recorded = false;
  bool fenced = false;  ///< its outcome is not wanted any more
  std::stop_source stop;
};

/// What the driver has to know of an activation.
[[nodiscard]] driver_input input_of(const core::activation& what, const run_id& run, const std::string& workflow);

/// Runs a body; whatever it throws becomes a failure.
[[nodiscard]] std::optional<failure> guarded(const std::function<void()>& what);

/// The time limit of a poll's check; zero: none, or another step.
[[nodiscard]] duration poll_limit(const detail::step_request& of);

class attempt_turns {
 public:
  attempt_turns(const attempt_turns&) = delete;
  attempt_turns& operator=(const attempt_turns&) = delete;

 protected:
  /// `in_turn`: bodies of calls and polls never block and run inside the turn that asks for them (cooperative executors).
  attempt_turns(activation_id activation, std::uint32_t attempt, bool in_turn);
  virtual ~attempt_turns();

  void begin(std::unique_ptr<driver> with, const core::activation& what);
  void take(const core::history_item& item);
  /// A step's backoff is over.
  void try_again(step_ordinal ordinal);
  /// A body has ended. False when nobody wanted to know any more; nothing is reported then.
  bool body_ended(const std::shared_ptr<body_run>& ended, detail::body_result value, std::optional<failure> why);
  /// A body that is over its time limit; nothing when it has ended.
  void body_overdue(const std::shared_ptr<body_run>& late);
  /// Of the attempt as a whole; the report's place is filled in.
  void report(core::attempt_report what);

  // The host's:

  [[nodiscard]] virtual std::shared_ptr<body_run> make_body(const detail::step_request& request) = 0;
  /// Called when the book knows the body, before it runs.
  virtual void body_begins(body_run& /*of*/) {}
  /// Runs a body now; gives what it threw.
  virtual std::optional<failure> run_in_turn(body_run& of, const detail::step_body& function, detail::body_result& value) = 0;
  /// Lets a body run elsewhere; its end is told to body_ended(). `lone`: the turn has nothing else to do.
  virtual void launch(const std::shared_ptr<body_run>& running, bool lone) = 0;
  virtual void send(core::attempt_report report) = 0;

  [[nodiscard]] bool in_turn() const { return in_turn_; }

 private:
  void handle(progress_report turn);
  void start_body(step_ordinal ordinal);
  std::shared_ptr<body_run> enter(step_ordinal ordinal);
  [[nodiscard]] core::step_report run_now(const std::shared_ptr<body_run>& running);
  core::step_report leave(const std::shared_ptr<body_run>& ended, detail::body_result value, std::optional<failure> why);
  core::step_report report_on(const body_run& ended, detail::body_result value, std::optional<failure> why);
  void fence(step_ordinal ordinal);
  void fence_all();

  const activation_id activation_;
  const std::uint32_t attempt_;
  const bool in_turn_;
  std::unique_ptr<driver> driver_;
  std::map<step_ordinal, std::shared_ptr<body_run>> bodies_;
  std::map<step_ordinal, std::uint32_t> tries_;  ///< of steps that were tried before
  std::size_t fed_ = 0;                          ///< history items it has seen
  std::set<step_ordinal> recorded_;              ///< calls that stand in the run's state
  std::set<step_ordinal> held_;                  ///< wait for try_again
};

}  // namespace perdure::flow
