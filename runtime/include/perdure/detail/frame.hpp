// What a handler's coroutine asks of the engine: the narrow waist between the public context and the activation
// driver. Not for users; the driver (runtime/flow) implements `frame`.
#pragma once

#include <coroutine>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "perdure/detail/rare.hpp"
#include "perdure/ids.hpp"
#include "perdure/payload.hpp"
#include "perdure/policy.hpp"

namespace perdure {

/// What a call body may use. Lives as long as the body runs; may be used from the body's thread only, but for
/// `stop_token`, which any thread may watch.
class call_context {
 public:
  virtual ~call_context() = default;
  /// Stable over retries and restarts: run/executor/activation/step. Hand it to outside systems.
  [[nodiscard]] virtual std::string idempotency_key() const = 0;
  /// Asked to stop when the step's outcome is no longer wanted (timeout, cancel, shutdown).
  [[nodiscard]] virtual std::stop_token stop_token() const = 0;
  /// This try of the step, from 1.
  [[nodiscard]] virtual std::uint32_t attempt() const = 0;
  /// Tells that the body lives, and how far it is. Kept over restarts, monotonic, coalesced. `total` 0 = unknown.
  virtual void progress(std::uint64_t done, std::uint64_t total, std::string_view text = {}) = 0;
};

namespace detail {

/// The numbers are stored; never reuse one.
enum class step_kind : std::uint8_t {
  call = 1,        ///< a closure, run by the attempt's host
  capability = 2,  ///< work named by data (a process, an expression), run by the attempt's host without a thread
  sleep = 3,
  request = 4,       ///< waits for respond()
  signal = 5,        ///< waits for signal()
  poll = 6,          ///< a closure, run again and again until it says complete
  state = 7,         ///< reads run-wide state; answered by the run at once
  child = 8,         ///< starts a child; waits for its start, or for its end
  child_result = 9,  ///< waits for the end of a child that was started before
  tell = 10,         ///< a message to another run; waits for its acknowledgement
  signals = 11,      ///< waits for signal(); takes what came meanwhile too
  job = 12,          ///< submits a job, waits for one, or asks one to cancel
};

/// A step's result: a value, or why there is none.
struct outcome {
  payload value;
  rare<failure> error;
  bool operator==(const outcome&) const = default;
};

/// What a body gives back; only polls may be incomplete.
struct body_result {
  payload value;
  bool complete = true;
};
using step_body = std::function<body_result(call_context&)>;
/// Whether an answer can be taken; null: any can. Made for the type that is waited for, never stored: a replay brings it again.
using answer_check = result<void> (*)(const payload&);

struct step_request {
  step_kind kind = step_kind::call;
  std::string name;                ///< of the call, capability, signal, or state key
  payload args;                    ///< question, capability's spec
  duration timeout{0};             ///< 0 = none
  std::optional<duration> delay;   ///< sleep: from when it is journaled
  std::optional<timestamp> until;  ///< sleep: absolute
  retry_policy retry;              ///< of calls and capabilities; for polls only its backoff
  step_body body;                  ///< calls and polls
  answer_check check = nullptr;    ///< requests
};

class frame;

/// Where a step's outcome goes. Its address stays the same from issue to delivery.
struct step_waiter {
  frame* host = nullptr;  ///< set when it is awaited
  std::coroutine_handle<> handle;
  std::optional<outcome> done;
  std::optional<step_ordinal> ordinal;  ///< set while the step is issued and has no outcome
};

enum class output_kind : std::uint8_t {
  message = 1,
  output = 2,
  state = 3,
  progress = 4,
  scope_start = 5,
  scope_end = 6,
  continuation = 7,
  compensation = 8,
  version = 9,
};

/// Something the handler says without waiting; travels in the turn's record.
/// message: name = stored message name, value = message. output: value. state: name = key, value.
/// progress: value = {"done","total","text"}. scope_*: name, reference (a JSON pointer), value = input or output.
/// continuation: as message; number 1 = with the newest version. compensation: as message, target = its executor.
/// version: name = the change, number = the version that the code took.
struct output {
  output_kind kind = output_kind::message;
  std::string name;
  std::string reference;
  payload value;
  rare<failure> error;       ///< scope_end that failed
  std::uint32_t number = 0;  ///< scope_*: pairs start and end; attempt of the scope in `attempt`
  std::uint32_t attempt = 0;
  std::string target;  ///< message: an executor chosen by the sender, or empty (all edges)
  bool operator==(const output&) const = default;
};

using strand_id = std::uint32_t;

/// What random bits are for: each use draws from a stream of its own.
enum class random_use : std::uint8_t { number = 0, id = 1 };

/// One activation's frame. All calls come from the thread that resumes the coroutine.
class frame {
 public:
  virtual ~frame() = default;
  /// Numbers and issues a step. False: the outcome is already in `waiter` (the run is cancelled, a limit was
  /// passed) and the coroutine goes on at once.
  virtual bool issue(step_request request, step_waiter& waiter) = 0;
  /// The waiter goes away before its outcome came: the step is cancelled.
  virtual void abandon(step_waiter& waiter) noexcept = 0;
  virtual void emit(output what) = 0;
  virtual void log(std::string_view level, std::string_view text) = 0;
  [[nodiscard]] virtual timestamp now() const = 0;
  [[nodiscard]] virtual std::uint64_t random(random_use use) = 0;
  /// The version of a change that this activation takes: recorded the first time, the oldest where the journal shows
  /// that the code ran before the change was made.
  [[nodiscard]] virtual std::uint32_t version(std::string_view change, std::uint32_t oldest, std::uint32_t newest) = 0;
  [[nodiscard]] virtual bool cancelled() const = 0;
  [[nodiscard]] virtual run_id run() const = 0;
  [[nodiscard]] virtual activation_id activation() const = 0;
  [[nodiscard]] virtual std::uint32_t attempt() const = 0;
  [[nodiscard]] virtual const std::string& executor() const = 0;
  [[nodiscard]] virtual const std::string& workflow() const = 0;

  /// Concurrent branches inside the activation. A branch's steps belong to the strand that was current when it
  /// issued them; cancelling a strand cancels those of its descendants too.
  [[nodiscard]] virtual strand_id open_strand() = 0;  ///< child of the current one
  [[nodiscard]] virtual strand_id current_strand() const = 0;
  virtual void enter_strand(strand_id strand) noexcept = 0;  ///< makes it current
  /// Cancels the strand's pending steps and takes its coroutine over; it is destroyed when no body that the strand
  /// started is running any more.
  virtual void retire_strand(strand_id strand, std::coroutine_handle<> coroutine) noexcept = 0;
};

}  // namespace detail
}  // namespace perdure
