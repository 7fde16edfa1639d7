// Commands: what may be put to a run. Requests of callers, reports of attempts, facts from outside.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/events.hpp"

namespace perdure::core {

/// A body that ended (a call, capability or poll).
struct step_report {
  step_ordinal ordinal = 0;
  step_kind kind = step_kind::call;
  std::string name;
  outcome result;
  bool complete = true;   ///< false: a poll that says "not yet"
  bool recorded = false;  ///< the step stands in the run's state (it has a time limit, or was tried before)
  retry_policy retry;
};

/// A step that waits for something outside the attempt; times still relative.
struct wait_request {
  step_ordinal ordinal = 0;
  step_kind kind = step_kind::sleep;
  std::string name;
  payload args;
  duration timeout{0};
  std::optional<duration> delay;
  std::optional<timestamp> until;
};

/// A request that an attempt waits with, and which answers it takes. Known in memory only.
struct asked_request {
  step_ordinal ordinal = 0;
  detail::answer_check check = nullptr;
};

/// What an attempt did since its last report.
struct attempt_report {
  activation_id activation = 0;
  std::uint32_t attempt = 0;
  std::vector<output> outputs;
  std::vector<step_report> done;
  std::vector<wait_request> issued;
  std::vector<step_ordinal> cancelled;
  bool finished = false;
  std::optional<failure> failed;
  bool waits = false;                ///< only recorded steps are in flight now
  std::size_t fed = 0;               ///< items of the history that the attempt had seen when it said so
  std::vector<asked_request> asked;  ///< that were issued since, and at its beginning those that the state has already
};

/// An attempt that waited for its explicit start (or a retried one) has a thread.
struct attempt_began {
  activation_id activation = 0;
};
/// The executor's actor died.
struct attempt_died {
  activation_id activation = 0;
  std::uint32_t attempt = 0;
  failure why;
};
struct progress_made {
  activation_id activation = 0;
  std::uint32_t attempt = 0;
  payload value;
};
/// Some deadline may have come.
struct wake {};
/// The run was read from the journal; `unclean` when the node did not stop properly while it was in flight.
struct reopened {
  bool unclean = false;
};
struct signal_command {
  std::string name;
  payload value;
  std::string command_id;
};
struct respond_command {
  std::string request_id;  ///< "<activation>.<step>", or "<run>/<activation>.<step>" of a predecessor
  payload answer;
  std::string command_id;
  std::optional<run_id> asked_by;  ///< set when it was sent to a predecessor that continued as this run
};
struct cancel_command {
  std::string reason;
  std::string command_id;
};
struct pause_command {
  std::string command_id;
};
struct resume_command {
  std::string command_id;
};
/// The receiver of a message of the outbox has it durably, or will never take it.
struct delivered_command {
  std::uint64_t number = 0;
  std::optional<failure> error;
};
/// From a child's outbox.
struct child_ended_command {
  run_id child;
  run_status status = run_status::succeeded;
  payload output;
  std::optional<failure> error;
};

/// What came of a job's effect, or a word that something has happened to it.
struct job_noticed {
  job_number number = 0;
  std::string key;  ///< its submit key: what is about an earlier submission is not listened to
  job_fact what = job_fact::look;
  std::string id;  ///< submitted
  failure error;   ///< refused, later, ambiguous
  job_sighting seen;
};

/// From outside: a job is to end.
struct cancel_job_command {
  job_number number = 0;
};

using command = std::variant<attempt_report, attempt_began, attempt_died, progress_made, wake, reopened, signal_command,
                             respond_command, cancel_command, pause_command, resume_command, delivered_command,
                             child_ended_command, job_noticed, cancel_job_command>;

/// How a run begins.
struct start_command {
  run_id id;
  std::string message;
  payload input;
  std::string key, tenant;
  duration timeout{0};
  std::string start;  ///< executor that takes the input; empty = the workflow's own
  std::optional<parent_link> parent;
  std::string trace;  ///< traceparent, or empty
};

}  // namespace perdure::core
