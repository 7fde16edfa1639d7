// What ties a run to others: its parent and children, the messages it owes them, and what it leaves to a successor.
// Parts of the run's state and of events; stored, so members are only ever added at the end with a new version.
#pragma once

#include <boost/describe.hpp>

#include <cstdint>
#include <optional>
#include <string>

#include "core/describe_public.hpp"
#include "perdure/child.hpp"
#include "perdure/error.hpp"
#include "perdure/ids.hpp"
#include "perdure/payload.hpp"
#include "perdure/run.hpp"

namespace perdure::core {

/// Who started a run, and under which id it is known there (its own first one).
struct parent_link {
  run_id run;
  run_id child;
  bool operator==(const parent_link&) const = default;
};
BOOST_DESCRIBE_STRUCT(parent_link, (), (run, child))

/// Stored; never reuse a number.
enum class child_stage : std::uint8_t {
  starting = 1,  ///< its start is in the outbox
  running = 2,
  ended = 3,
  refused = 4,  ///< could not be started; `error` says why
};
BOOST_DESCRIBE_ENUM(child_stage, starting, running, ended, refused)

/// One child, under the id that handles name. It stays when it has ended: somebody may still ask for its result.
struct child_record {
  run_id run;                    ///< where it runs: the same id, or another after a retry or fork of the parent
  std::uint32_t activation = 0;  ///< the step that started it
  std::uint32_t ordinal = 0;
  std::string workflow, version, definition_hash;  ///< version and hash empty: the newest
  std::string start;                               ///< executor it starts at; empty = the workflow's own
  std::string message;
  payload input;  ///< until it has ended
  parent_close close = parent_close::cancel;
  bool background = false;
  bool fails_run = false;
  duration timeout{0};
  child_stage stage = child_stage::starting;
  bool cancel_sent = false;
  run_status status = run_status::scheduled;
  payload output;
  std::optional<failure> error;
  [[nodiscard]] bool live() const { return stage == child_stage::starting || stage == child_stage::running; }
};
BOOST_DESCRIBE_STRUCT(child_record, (),
                      (run, activation, ordinal, workflow, version, definition_hash, start, message, input, close, background,
                       fails_run, timeout, stage, cancel_sent, status, output, error))

/// Stored; never reuse a number.
enum class outgoing_kind : std::uint8_t {
  start_child = 1,
  signal = 2,
  cancel = 3,
  child_end = 4,     ///< to the parent
  continue_run = 5,  ///< begins the successor
};
BOOST_DESCRIBE_ENUM(outgoing_kind, start_child, signal, cancel, child_end, continue_run)

/// A message to another run. It is owed until the receiver's durable event acknowledges it; the receiver tells
/// duplicates by `id` (or by what the message is about).
struct outgoing {
  outgoing_kind kind = outgoing_kind::signal;
  run_id to;
  std::string id;
  std::uint32_t activation = 0;  ///< the step that waits for the acknowledgement; 0 = none
  std::uint32_t ordinal = 0;
  run_id child;                               ///< start_child, child_end: the id that the parent knows
  std::string name;                           ///< signal's name; cancel's reason
  payload value;                              ///< signal's value; child_end: output
  run_status status = run_status::scheduled;  ///< child_end
  std::optional<failure> error;               ///< child_end
  std::string state;                          ///< continue_run: the successor's first state, encoded
  bool newest = false;                        ///< continue_run: with the newest version of the workflow
};
BOOST_DESCRIBE_STRUCT(outgoing, (), (kind, to, id, activation, ordinal, child, name, value, status, error, state, newest))

/// Work to be done, latest first, when the run fails, is cancelled or times out.
struct compensation {
  std::string executor;
  std::string message;
  payload value;
};
BOOST_DESCRIBE_STRUCT(compensation, (), (executor, message, value))

/// The wish to continue as new: carried out when the activation that said it has ended.
struct continuation {
  std::uint32_t activation = 0;
  std::string message;
  payload value;
  bool newest = false;
};
BOOST_DESCRIBE_STRUCT(continuation, (), (activation, message, value, newest))

/// A request that a predecessor left open. The same question asked here takes it over, with an answer that came meanwhile.
struct carried_request {
  run_id asked_by;
  std::string id;  ///< there
  std::string executor;
  payload question;
  timestamp asked_at{};
  std::uint32_t activation = 0;  ///< the step here that asks it now; 0 = none yet
  std::uint32_t ordinal = 0;
  std::optional<payload> answer;  ///< came before anybody here asked
};
BOOST_DESCRIBE_STRUCT(carried_request, (), (asked_by, id, executor, question, asked_at, activation, ordinal, answer))

/// How a run came out of another. Stored; never reuse a number.
enum class restore_link : std::uint8_t { retried = 1, forked = 2, continued = 3 };
BOOST_DESCRIBE_ENUM(restore_link, retried, forked, continued)

}  // namespace perdure::core
