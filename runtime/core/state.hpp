// run_state: everything a run is, folded from its events by `apply`. Also the content of a snapshot.
#pragma once

#include <compare>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/events.hpp"

namespace perdure::core {

enum class history_kind : std::uint8_t { outcome = 1, cancel = 2 };
BOOST_DESCRIBE_ENUM(history_kind, outcome, cancel)

/// One thing an attempt was fed, in order.
struct history_item {
  history_kind what = history_kind::outcome;
  step_ordinal ordinal = 0;
  step_kind kind = step_kind::call;
  std::string name;
  outcome result;
  timestamp time{};                  ///< of the event; `now` of the turn it starts
  std::uint32_t outputs_before = 0;  ///< `outputs_recorded` before it
};
BOOST_DESCRIBE_STRUCT(history_item, (), (what, ordinal, kind, name, result, time, outputs_before))

/// A recorded step that waits.
struct pending_step {
  step_ordinal ordinal = 0;
  step_kind kind = step_kind::sleep;
  std::string name;
  payload args;
  timestamp since{};
  std::optional<timestamp> due;       ///< sleep: completes; others: times out
  std::uint32_t tries = 0;            ///< of a call or poll that is tried again
  std::optional<timestamp> retry_at;  ///< its body waits until then
  std::optional<timestamp> first_at;  ///< when its first try failed
  detail::rare<failure> last_error;
};
BOOST_DESCRIBE_STRUCT(pending_step, (), (ordinal, kind, name, args, since, due, tries, retry_at, first_at, last_error))

/// Stored; never reuse a number.
enum class activation_status : std::uint8_t { pending = 1, running = 2, retrying = 3 };
BOOST_DESCRIBE_ENUM(activation_status, pending, running, retrying)

/// One live activation; it leaves the state when it ends.
struct activation {
  activation_id id = 0;
  std::string executor;
  std::string message;
  payload value;
  activation_status status = activation_status::running;
  std::uint32_t attempt = 1;  ///< running or next; 0 = waits for its first start
  timestamp scheduled_at{};
  timestamp began_at{};  ///< of the attempt
  std::optional<timestamp> start_by, close_by, attempt_close_by, retry_at, beat_by;
  std::optional<duration> heartbeat;
  std::vector<history_item> history;
  std::map<step_ordinal, pending_step> pending;
  std::uint32_t outputs_recorded = 0;             ///< state, progress and scopes of the attempt: a later one does them again
  std::uint32_t messages_emitted = 0;             ///< messages and outputs of all attempts: sent once
  bool waiting = false;                           ///< the attempt waits for recorded steps only
  std::map<std::string, std::uint32_t> versions;  ///< of changes; derived from run_state::versions, which is stored
};
BOOST_DESCRIBE_STRUCT(activation, (),
                      (id, executor, message, value, status, attempt, scheduled_at, began_at, start_by, close_by,
                       attempt_close_by, retry_at, beat_by, heartbeat, history, pending, outputs_recorded, messages_emitted,
                       waiting))

struct buffered_signal {
  std::uint64_t number = 0;
  std::string name;
  payload value;
};
BOOST_DESCRIBE_STRUCT(buffered_signal, (), (number, name, value))

struct joined_message {
  std::string from;
  payload value;
};
BOOST_DESCRIBE_STRUCT(joined_message, (), (from, value))

/// What a deadline is about. Derived from the rest of the state, not stored.
enum class deadline_kind : std::uint8_t {
  run,
  grace,
  start_by,
  close_by,
  attempt_close_by,
  heartbeat,
  attempt_retry,
  step_due,
  step_retry,
  job_look,  ///< of the job with the number `ordinal`
  job_due
};
struct deadline {
  timestamp at{};
  activation_id activation = 0;
  step_ordinal ordinal = 0;
  deadline_kind kind = deadline_kind::run;
  auto operator<=>(const deadline&) const = default;
};

struct run_state {
  run_id id;
  run_seq seq = 0;
  std::string workflow, version, definition_hash, key, tenant;
  run_status status = run_status::scheduled;  ///< as last stored; `status_of` derives it
  std::string message;
  payload input;
  timestamp created_at{}, updated_at{};
  std::optional<timestamp> ended_at, deadline_at, grace_until;
  bool paused = false;
  std::optional<run_status> ending_as;  ///< cancelling: what it will end as
  std::string cancel_reason;
  std::optional<failure> error;  ///< first unhandled failure, or why it ended
  std::vector<payload> outputs;
  std::uint32_t handled_errors = 0;
  std::uint32_t next_activation = 1;
  std::uint32_t suspect_marks = 0;
  std::uint64_t next_signal = 1;
  std::map<activation_id, activation> activations;
  std::map<std::uint32_t, std::map<std::string, std::vector<joined_message>>> fan_ins;  ///< group → source → messages
  std::map<std::uint32_t, std::vector<std::string>> rounds;  ///< `any` fan-ins: sources that sent in this round
  std::map<std::string, payload> values;                     ///< run-wide state
  std::deque<buffered_signal> signals;
  std::deque<std::string> command_ids;  ///< last ones, oldest first
  std::optional<run_id> source;         ///< the run it was restored from
  // From format 2:
  restore_link link = restore_link::retried;  ///< how, when there is a source
  std::string start;                          ///< executor that took the input
  std::optional<parent_link> parent;
  std::map<run_id, child_record> children;   ///< by the id that handles name
  std::map<std::uint64_t, outgoing> outbox;  ///< owed to other runs, also by a run that has ended
  std::uint64_t next_outgoing = 1;
  std::vector<compensation> compensations;    ///< to be done on failure, the last first
  std::optional<activation_id> compensating;  ///< the one that is being done
  std::vector<failure> compensation_errors;
  std::optional<core::continuation> continuation;
  std::vector<carried_request> carried;
  std::optional<run_id> successor;                                         ///< continued_as_new: the run that goes on
  std::map<activation_id, std::map<std::string, std::uint32_t>> versions;  ///< of changes, by live activation
  std::string key_input;  ///< hash of the input that the key came with, when that was a predecessor's
  // From format 3:
  std::map<job_number, job_record> jobs;
  job_number next_job = 1;
  // From format 4:
  std::string trace;  ///< traceparent, or empty

  // Derived from the rest, not stored:
  std::set<deadline> deadlines;
  std::map<std::string, std::set<std::pair<timestamp, std::pair<activation_id, step_ordinal>>>, std::less<>> signal_waiters;
  std::set<std::pair<activation_id, step_ordinal>> state_readers;
  std::map<run_id, std::set<std::pair<activation_id, step_ordinal>>> child_waiters;  ///< by the child's id
  std::set<std::pair<activation_id, step_ordinal>> ready_waiters;                    ///< those that can be answered
  std::map<run_id, std::set<std::uint64_t>> outbox_to;  ///< numbers by receiver: one at a time is on its way
  std::size_t awaited_children = 0;                     ///< live ones that the end of the run waits for
  std::map<job_number, std::set<std::pair<activation_id, step_ordinal>>> job_waiters;
  std::set<job_number> jobs_at_work;  ///< that are being submitted or told to end
  std::size_t awaited_jobs = 0;
};
BOOST_DESCRIBE_STRUCT(run_state, (),
                      (id, seq, workflow, version, definition_hash, key, tenant, status, message, input, created_at, updated_at,
                       ended_at, deadline_at, grace_until, paused, ending_as, cancel_reason, error, outputs, handled_errors,
                       next_activation, suspect_marks, next_signal, activations, fan_ins, rounds, values, signals, command_ids,
                       source, link, start, parent, children, outbox, next_outgoing, compensations, compensating,
                       compensation_errors, continuation, carried, successor, versions, key_input, jobs, next_job, trace))

/// Folds one event in. Pure. The event must be one that was decided on this state; `corrupt` says what does not fit
/// (a damaged or foreign journal), and the state is then useless.
result<void> apply(run_state& state, const event& what, timestamp at);

[[nodiscard]] run_status status_of(const run_state& state);
/// An attempt is in flight or due, and the run is not paused, or settle() has something to say: it has to be in memory.
[[nodiscard]] bool has_work(const run_state& state);
/// Somebody outside the run, or another run, ends a step of this kind.
[[nodiscard]] constexpr bool waits_outside(step_kind kind) {
  return kind == step_kind::request || kind == step_kind::signal || kind == step_kind::signals || kind == step_kind::child ||
         kind == step_kind::child_result;
}  // a job is looked at by the run itself
/// Something is owed to others, also by a run that has ended: messages, and jobs that are to be told to end.
[[nodiscard]] inline bool owes(const run_state& state) { return !state.outbox.empty() || !state.jobs_at_work.empty(); }
/// It only waits: nothing would be lost if it were not in memory.
[[nodiscard]] bool may_park(const run_state& state);
/// Whether settle() gives something.
[[nodiscard]] bool unsettled(const run_state& state);
/// What the end of a run with no activation in its way calls for, in this order.
enum class ending : std::uint8_t {
  none,        ///< it goes on, or waits for activations or children
  cancel,      ///< it failed, and others are to be told before it ends
  compensate,  ///< the next compensation
  continue_as_new,
  warn,  ///< a fan-in was not filled
  end,
};
[[nodiscard]] ending next_ending(const run_state& state);
/// Parts that follow from the others, for a state that was read or put together.
void derive(run_state& state);
[[nodiscard]] std::optional<timestamp> next_wakeup(const run_state& state);

[[nodiscard]] result<std::string> encode_state(const run_state& state, blob_port* blobs);
[[nodiscard]] result<run_state> decode_state(std::string_view bytes, blob_port* blobs);

}  // namespace perdure::core
