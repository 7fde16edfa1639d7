// The journaled facts of a run. Only these change its state. The numbers in `event_kind` and the order of members are
// the stored format: kinds are never reused; a changed struct gets a new `schema` and an upcast in events.cpp.
#pragma once

#include <boost/describe.hpp>

#include <string>
#include <variant>
#include <vector>

#include "core/jobs.hpp"
#include "core/relations.hpp"
#include "perdure/error.hpp"
#include "perdure/payload.hpp"
#include "perdure/run.hpp"

namespace perdure::core {

using detail::outcome;
using detail::output;
using detail::output_kind;
using detail::step_kind;

enum class event_kind : std::uint8_t {
  run_started = 1,
  turn = 2,
  step_completed = 3,
  step_retrying = 4,
  step_resumed = 5,
  attempt_started = 6,
  attempt_failed = 7,
  signal_received = 8,
  cancel_requested = 9,
  run_paused = 10,
  run_resumed = 11,
  run_ended = 12,
  suspect_marked = 13,
  warning = 14,
  progress_noted = 15,
  run_restored = 16,
  message_delivered = 17,
  child_ended = 18,
  compensation_started = 19,
  grace_passed = 20,
  request_answered = 21,
  job_noted = 22,
  job_ended = 23,
};
BOOST_DESCRIBE_ENUM(event_kind, run_started, turn, step_completed, step_retrying, step_resumed, attempt_started, attempt_failed,
                    signal_received, cancel_requested, run_paused, run_resumed, run_ended, suspect_marked, warning,
                    progress_noted, run_restored, message_delivered, child_ended, compensation_started, grace_passed,
                    request_answered, job_noted, job_ended)

/// First event of a run: everything it starts with. Schedules activation 1.
struct run_started {
  static constexpr auto kind = event_kind::run_started;
  std::string workflow, version, definition_hash;
  std::string message;  ///< stored name of the input's type
  payload input;
  std::string start;  ///< executor that takes it
  std::string key, tenant;
  std::optional<timestamp> deadline;  ///< of the whole run
  std::optional<timestamp> start_by;  ///< schedule-to-start of activation 1
  std::optional<timestamp> close_by;  ///< schedule-to-close of activation 1
  bool explicit_start = false;        ///< activation 1 waits for attempt_started
  std::optional<parent_link> parent;  ///< from schema 2
  std::string trace;                  ///< from schema 3: the traceparent of whoever asked, or empty
  static constexpr std::size_t schema_1_members = 12, schema_2_members = 13;
};
BOOST_DESCRIBE_STRUCT(run_started, (),
                      (workflow, version, definition_hash, message, input, start, key, tenant, deadline, start_by, close_by,
                       explicit_start, parent, trace))

/// A call or capability that ended, with what its body gave.
struct step_done {
  step_ordinal ordinal = 0;
  step_kind kind = step_kind::call;
  std::string name;
  outcome result;
};
BOOST_DESCRIBE_STRUCT(step_done, (), (ordinal, kind, name, result))

/// A step that waits in the run's state. Times are absolute, computed when it is decided.
struct step_issued {
  step_ordinal ordinal = 0;
  step_kind kind = step_kind::sleep;
  std::string name;
  payload args;
  std::optional<timestamp> due;  ///< sleep: when it completes; others: when it times out
};
BOOST_DESCRIBE_STRUCT(step_issued, (), (ordinal, kind, name, args, due))

/// A new activation. `id` is the next number of the run.
struct scheduled {
  activation_id id = 0;
  std::string executor;
  std::string message;
  std::optional<std::uint32_t> output;  ///< the value is this output of the turn, else a fan-in's buffer or `value`
  payload value;
  bool explicit_start = false;
  std::optional<timestamp> start_by, close_by;
};
BOOST_DESCRIBE_STRUCT(scheduled, (), (id, executor, message, output, value, explicit_start, start_by, close_by))

/// A message put into a fan-in's buffer.
struct buffered {
  std::uint32_t group = 0;  ///< index of the edge group in the definition
  std::uint32_t output = 0;
  bool any = false;        ///< a fan-in that takes the first: only the round is noted
  bool completes = false;  ///< every source has sent: the round ends, the buffer is emptied
};
BOOST_DESCRIBE_STRUCT(buffered, (), (group, output, any, completes))

/// What one turn of a handler did: the hot event, one a step.
struct turn {
  static constexpr auto kind = event_kind::turn;
  activation_id activation = 0;
  std::uint32_t attempt = 0;
  std::vector<step_done> done;
  std::vector<step_issued> issued;
  std::vector<step_ordinal> cancelled;
  std::vector<output> outputs;
  std::vector<buffered> joins;  ///< fan-in buffers that outputs of this turn went to
  std::vector<scheduled> activations;
  bool finished = false;  ///< the handler returned
  bool waits = false;     ///< only recorded steps are in flight after it
};
BOOST_DESCRIBE_STRUCT(turn, (), (activation, attempt, done, issued, cancelled, outputs, joins, activations, finished, waits))

/// A waiting step got its outcome from outside: a timer, answer, signal, timeout, the run's own state.
struct step_completed {
  static constexpr auto kind = event_kind::step_completed;
  activation_id activation = 0;
  step_ordinal ordinal = 0;
  outcome result;
  std::string command_id;               ///< of the command that brought it, or empty
  std::optional<std::uint64_t> signal;  ///< number of the buffered signal that it took
};
BOOST_DESCRIBE_STRUCT(step_completed, (), (activation, ordinal, result, command_id, signal))

/// A call failed and will be tried again, or a poll's check said "not yet".
struct step_retrying {
  static constexpr auto kind = event_kind::step_retrying;
  activation_id activation = 0;
  std::uint32_t attempt = 0;
  step_ordinal ordinal = 0;
  step_kind step = step_kind::call;
  std::string name;
  std::uint32_t tries = 0;       ///< made so far
  std::optional<failure> error;  ///< none for a poll
  timestamp retry_at{};
  timestamp first_at{};  ///< when the first try failed
  bool waits = false;    ///< only recorded steps are in flight after it
};
BOOST_DESCRIBE_STRUCT(step_retrying, (), (activation, attempt, ordinal, step, name, tries, error, retry_at, first_at, waits))

/// The backoff of a step is over: its body runs again.
struct step_resumed {
  static constexpr auto kind = event_kind::step_resumed;
  activation_id activation = 0;
  step_ordinal ordinal = 0;
};
BOOST_DESCRIBE_STRUCT(step_resumed, (), (activation, ordinal))

/// An attempt begins. The first one of an activation without time limits is implied by its scheduling.
struct attempt_started {
  static constexpr auto kind = event_kind::attempt_started;
  activation_id activation = 0;
  std::uint32_t attempt = 1;
  std::uint32_t keep = 0;             ///< recorded outcomes that the attempt is fed instead of doing them again
  std::optional<timestamp> close_by;  ///< start-to-close
  std::optional<duration> heartbeat;
};
BOOST_DESCRIBE_STRUCT(attempt_started, (), (activation, attempt, keep, close_by, heartbeat))

/// An attempt ended without success. With `retry_at` another one follows, else the activation has failed.
struct attempt_failed {
  static constexpr auto kind = event_kind::attempt_failed;
  activation_id activation = 0;
  std::uint32_t attempt = 0;
  failure error;
  std::optional<timestamp> retry_at;
};
BOOST_DESCRIBE_STRUCT(attempt_failed, (), (activation, attempt, error, retry_at))

struct signal_received {
  static constexpr auto kind = event_kind::signal_received;
  std::string name;
  payload value;
  std::string command_id;
};
BOOST_DESCRIBE_STRUCT(signal_received, (), (name, value, command_id))

struct cancel_requested {
  static constexpr auto kind = event_kind::cancel_requested;
  std::string reason;
  std::string command_id;
  timestamp grace_until{};
  run_status as = run_status::cancelled;  ///< what the run ends as: cancelled, or timed_out or failed
  std::optional<failure> error;           ///< why, when it is not the caller's wish
};
BOOST_DESCRIBE_STRUCT(cancel_requested, (), (reason, command_id, grace_until, as, error))

struct run_paused {
  static constexpr auto kind = event_kind::run_paused;
  std::string command_id;
};
BOOST_DESCRIBE_STRUCT(run_paused, (), (command_id))

struct run_resumed {
  static constexpr auto kind = event_kind::run_resumed;
  std::string command_id;
};
BOOST_DESCRIBE_STRUCT(run_resumed, (), (command_id))

struct run_ended {
  static constexpr auto kind = event_kind::run_ended;
  run_status status = run_status::succeeded;
  payload output;
  std::optional<failure> error;
  // From schema 2; continued_as_new: how the successor begins.
  std::optional<run_id> successor;
  std::string message;
  payload input;
  std::optional<timestamp> start_by, close_by;
  bool newest = false;  ///< with the newest version of the workflow
  static constexpr std::size_t schema_1_members = 3;
};
BOOST_DESCRIBE_STRUCT(run_ended, (), (status, output, error, successor, message, input, start_by, close_by, newest))

/// The node stopped uncleanly while these activations had an attempt in flight.
struct suspect_marked {
  static constexpr auto kind = event_kind::suspect_marked;
  std::uint32_t marks = 0;
  std::vector<activation_id> activations;
};
BOOST_DESCRIBE_STRUCT(suspect_marked, (), (marks, activations))

struct warning {
  static constexpr auto kind = event_kind::warning;
  std::string code;  ///< "undeliverable", "fan_in_unfilled", …
  std::string text;
  std::string executor;
};
BOOST_DESCRIBE_STRUCT(warning, (), (code, text, executor))

/// Progress or a heartbeat from inside a body; coalesced.
struct progress_noted {
  static constexpr auto kind = event_kind::progress_noted;
  activation_id activation = 0;
  std::uint32_t attempt = 0;
  payload value;  ///< {"done","total","text"}
};
BOOST_DESCRIBE_STRUCT(progress_noted, (), (activation, attempt, value))

/// First event of a linked run: it takes over another run's state.
struct run_restored {
  static constexpr auto kind = event_kind::run_restored;
  run_id source;
  run_seq source_seq = 0;
  std::string state;                          ///< encoded run_state, as in a snapshot
  restore_link link = restore_link::retried;  ///< from schema 2
  static constexpr std::size_t schema_1_members = 3;
};
BOOST_DESCRIBE_STRUCT(run_restored, (), (source, source_seq, state, link))

/// Another run has taken a message of the outbox (durably), or will never take it.
struct message_delivered {
  static constexpr auto kind = event_kind::message_delivered;
  std::uint64_t number = 0;
  run_id to;
  std::optional<failure> error;
};
BOOST_DESCRIBE_STRUCT(message_delivered, (), (number, to, error))

/// A child told how it ended.
struct child_ended {
  static constexpr auto kind = event_kind::child_ended;
  run_id child;  ///< the id that this run knows
  run_status status = run_status::succeeded;
  payload output;
  std::optional<failure> error;
};
BOOST_DESCRIBE_STRUCT(child_ended, (), (child, status, output, error))

/// The latest compensation becomes an activation.
struct compensation_started {
  static constexpr auto kind = event_kind::compensation_started;
  scheduled what;
};
BOOST_DESCRIBE_STRUCT(compensation_started, (), (what))

/// The time to clean up is over: activations that are still going on are fenced.
struct grace_passed {
  static constexpr auto kind = event_kind::grace_passed;
  std::uint32_t fenced = 0;  ///< so many
};
BOOST_DESCRIBE_STRUCT(grace_passed, (), (fenced))

/// A request that a predecessor left open was answered before anybody asked it again.
struct request_answered {
  static constexpr auto kind = event_kind::request_answered;
  run_id asked_by;
  std::string id;
  payload answer;
  std::string command_id;
};
BOOST_DESCRIBE_STRUCT(request_answered, (), (asked_by, id, answer, command_id))

/// Something about a job has changed that is not its end: it was accepted, its submit failed, its status is another one.
struct job_noted {
  static constexpr auto kind = event_kind::job_noted;
  job_number number = 0;
  job_progress now;
};
BOOST_DESCRIBE_STRUCT(job_noted, (), (number, now))

struct job_ended {
  static constexpr auto kind = event_kind::job_ended;
  job_number number = 0;
  job_outcome end;
  bool cancel = false;  ///< the backend is still to be told: the run does not want it any more
};
BOOST_DESCRIBE_STRUCT(job_ended, (), (number, end, cancel))

using event =
    std::variant<run_started, turn, step_completed, step_retrying, step_resumed, attempt_started, attempt_failed, signal_received,
                 cancel_requested, run_paused, run_resumed, run_ended, suspect_marked, warning, progress_noted, run_restored,
                 message_delivered, child_ended, compensation_started, grace_passed, request_answered, job_noted, job_ended>;

[[nodiscard]] event_kind kind_of(const event& what) noexcept;
/// What pays off a debt of a run that has ended.
[[nodiscard]] constexpr bool may_follow_end(event_kind kind) {
  return kind == event_kind::message_delivered || kind == event_kind::job_noted || kind == event_kind::job_ended;
}
/// The schema version that `encode` writes for every kind.
inline constexpr std::uint8_t event_schema = 3;

/// Where payloads over limits::inline_payload_bytes are kept. Any thread.
class blob_port {
 public:
  virtual ~blob_port() = default;
  /// Durable when it returns. The hash is SHA-256 of the text.
  virtual result<std::array<std::uint8_t, 32>> put(std::string_view text) = 0;
  virtual result<payload> get(const std::array<std::uint8_t, 32>& hash) = 0;
};

/// The stored bytes of an event. `blobs` may be null: then everything is inline.
[[nodiscard]] result<std::string> encode(const event& what, blob_port* blobs);
/// `corrupt` when the bytes are not such an event; never reads outside them. Upcasts old schemas.
[[nodiscard]] result<event> decode(event_kind kind, std::uint8_t schema, std::string_view bytes, blob_port* blobs);

}  // namespace perdure::core
