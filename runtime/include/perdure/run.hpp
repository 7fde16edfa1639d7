// run_ref: a handle to one run, wherever it lives; and what can be read of a run.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "perdure/child.hpp"
#include "perdure/ids.hpp"
#include "perdure/job.hpp"
#include "perdure/message.hpp"

namespace perdure {

/// The numbers are stored; never reuse one.
enum class run_status : std::uint8_t {
  scheduled = 1,
  running = 2,
  waiting = 3,
  paused = 4,
  cancelling = 5,
  compensating = 6,
  succeeded = 7,
  failed = 8,
  cancelled = 9,
  timed_out = 10,
  continued_as_new = 11,
};
BOOST_DESCRIBE_ENUM(run_status, scheduled, running, waiting, paused, cancelling, compensating, succeeded, failed, cancelled,
                    timed_out, continued_as_new)
[[nodiscard]] std::string_view to_string(run_status status) noexcept;
[[nodiscard]] constexpr bool is_terminal(run_status status) noexcept { return status >= run_status::succeeded; }

/// One run in short, as listings give it.
struct run_summary {
  run_id id;
  std::string workflow;
  std::string version;
  run_status status = run_status::scheduled;
  timestamp created_at{};
  timestamp updated_at{};
  std::optional<timestamp> ended_at;
  std::optional<timestamp> wakeup;  ///< earliest deadline of a run that is not terminal
  run_seq seq = 0;                  ///< its last event
  std::string key;                  ///< idempotency key, or empty
  std::string blocked;              ///< why it cannot go on ("workflow not registered"), or empty
};

struct request_info {
  std::string id;  ///< "<activation>.<step>"; "<run>/<activation>.<step>" when a predecessor asked it
  std::string executor;
  payload question;
  timestamp asked_at{};
  std::optional<timestamp> due;
};

/// A child of a run, or its background work.
struct child_info {
  run_id id;   ///< as its parent's handles name it
  run_id run;  ///< where it runs; another one than `id` after the parent was retried or forked
  std::string workflow;
  std::string executor;  ///< background work: where it starts; else empty
  parent_close close = parent_close::cancel;
  bool background = false;
  bool ended = false;                         ///< it told its end, or was refused
  run_status status = run_status::scheduled;  ///< once it has ended
  std::optional<failure> error;
};

/// One run's durable state.
struct run_info : run_summary {
  payload input;
  payload output;  ///< last yielded, null before
  std::vector<payload> outputs;
  std::optional<failure> error;  ///< why it did not succeed
  std::uint32_t handled_errors = 0;
  std::vector<request_info> requests;
  std::optional<run_id> parent;     ///< the run that started it as a child
  std::optional<run_id> source;     ///< the run it came out of: retried, forked, or continued as new
  std::string link;                 ///< "retried", "forked", "continued", or empty
  std::optional<run_id> successor;  ///< continued_as_new: the run that goes on
  std::vector<child_info> children;
  std::vector<job_info> jobs;  ///< in the order in which they were asked for
};

/// An event as subscribers see it: only after it is durable, in order, none left out.
struct run_event {
  lsn_t lsn = 0;
  run_id run;
  run_seq seq = 0;
  timestamp time{};
  std::string kind;
  std::string executor;  ///< empty for events of the whole run
  json::object data;
};

struct start_options {
  std::string key;      ///< the same key attaches to the run it began (same workflow and input)
  duration timeout{0};  ///< tighter than the workflow's own; 0 = the workflow's
};

namespace detail {
class run_access;  // implemented by the node
}

/// Ends a subscription when destroyed (or by cancel()). Movable. Any thread.
class subscription {
 public:
  subscription() = default;
  explicit subscription(std::shared_ptr<void> held) : held_(std::move(held)) {}
  void cancel() { held_.reset(); }

 private:
  std::shared_ptr<void> held_;
};

/// Holds the run's id and a way to reach the node, never an actor. Copies are cheap. Any thread; every call blocks
/// until the answer is durable, at most `timeout` of the node's options, and must not be made from inside a handler.
/// When the run continued as new, commands, wait() and subscriptions go on to the run that goes on.
/// Errors of all calls: not_found, timeout, shutting_down; those of single calls are named there.
class run_ref {
 public:
  run_ref() = default;
  run_ref(run_id id, std::shared_ptr<detail::run_access> access) : id_(id), access_(std::move(access)) {}
  [[nodiscard]] const run_id& id() const noexcept { return id_; }

  [[nodiscard]] result<run_info> status() const;
  /// Waits until the run is terminal; `timeout` when that takes longer than `limit` (0 = no limit).
  [[nodiscard]] result<run_info> wait(duration limit = duration{0}) const;
  /// Gives the run a signal. `command_id` makes it idempotent (empty = not). conflict: the run has ended.
  result<void> signal(std::string_view name, const json::value& value = nullptr, std::string_view command_id = {}) const;
  template <message T>
  result<void> signal(std::string_view name, const T& what) const {
    return signal(name, to_json(what));
  }
  /// Answers a request. not_found: no such open request (answered already, or timed out). invalid_argument: the handler waits
  /// for a value of another type; the message says which member does not fit, nothing is recorded, the request stays open.
  /// workflow_unknown: the run's workflow is not registered yet, so nobody can tell; nothing is recorded.
  result<void> respond(std::string_view request_id, const json::value& answer, std::string_view command_id = {}) const;
  template <message T>
  result<void> respond(std::string_view request_id, const T& answer) const {
    return respond(request_id, to_json(answer));
  }
  /// Asks the run to cancel: handlers may clean up for a grace period, then they are fenced. conflict: it has ended.
  result<void> cancel(std::string_view reason = {}) const;
  /// Asks a job of the run to end (its number is in status()). conflict: the run has ended. not_found: it has no such job.
  result<void> cancel_job(std::uint32_t number) const;
  /// No new attempts, steps or timers until resume(); what runs now ends. conflict: it has ended.
  result<void> pause() const;
  result<void> resume() const;
  /// Starts a linked run of a failed, cancelled or timed-out one; successful steps are kept. conflict: not such a run.
  [[nodiscard]] result<run_ref> retry() const;
  /// Starts a run that shares this one's events 1 to `from` and goes on by itself from there: the way out of a bad step.
  /// This one is left as it is. not_found: it has no such event. conflict: at it the run had ended, or was being cancelled.
  [[nodiscard]] result<run_ref> fork(run_seq from) const;
  /// Calls `on_event` for every event with seq > `after`, first the stored ones, then live. One call at a time, from
  /// a thread of the node; it must not block long nor call back into this run_ref.
  [[nodiscard]] result<subscription> subscribe(std::function<void(const run_event&)> on_event, run_seq after = 0) const;
  /// Stored events with seq > `after`, at most `limit`.
  [[nodiscard]] result<std::vector<run_event>> events(run_seq after = 0, std::size_t limit = 1000) const;

 private:
  run_id id_;
  std::shared_ptr<detail::run_access> access_;
};

}  // namespace perdure
