// context: what a handler may do. Every awaited operation is a durable step: recorded once, not done again.
//
// Operation: a handler runs until it awaits; what it did since (steps issued, messages sent, state written) becomes
// one journal record. After a crash it is run again from the start and fed the recorded outcomes.
// Concurrency: use it from the handler's coroutine only.
// Limitations: between two awaits a handler must be deterministic: take time, random numbers and ids from here, and
// do outside effects inside call().
#pragma once

#include <chrono>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "perdure/child.hpp"
#include "perdure/job.hpp"
#include "perdure/limits.hpp"
#include "perdure/message.hpp"
#include "perdure/step.hpp"
#include "perdure/when.hpp"

namespace perdure {

struct call_options {
  duration timeout{0};   ///< from the first try to the end of the last; 0 = none
  retry_policy retry{};  ///< tries of this step alone, before the attempt fails
};
struct request_options {
  duration timeout{0};  ///< 0 = waits for ever; after it timeout_error
};
struct signal_options {
  duration timeout{0};
};
struct signals_options {
  std::size_t most = 100;  ///< taken at once, up to limits::signal_batch
  duration timeout{0};     ///< 0 = waits for ever; after it timeout_error
};
struct poll_options {
  perdure::backoff backoff = exponential(std::chrono::seconds{1}, std::chrono::seconds{60});
  duration max_duration{0};  ///< 0 = for ever; after it timeout_error
  duration poll_timeout{0};  ///< one check; 0 = none. A check that takes longer counts as not complete.
};

/// A child program for ctx.run_process. Arguments are passed as they are, no shell is involved.
struct process_spec {
  explicit process_spec(std::string program_path) : program(std::move(program_path)) {}
  process_spec() = default;
  std::string program;
  std::vector<std::string> arguments;
  /// Added to PATH, HOME, LANG of the node and PERDURE_IDEMPOTENCY_KEY (the step's key, see call_context).
  std::map<std::string, std::string> environment;
  std::optional<std::string> directory;
  std::optional<std::string> input;      ///< standard input
  std::optional<std::int64_t> grace_ms;  ///< from SIGTERM to SIGKILL; default 5000
  bool check = true;                     ///< an exit code other than 0 fails the step

  process_spec& arg(std::string value) & {
    arguments.push_back(std::move(value));
    return *this;
  }
  process_spec arg(std::string value) && {
    arguments.push_back(std::move(value));
    return std::move(*this);
  }
};
BOOST_DESCRIBE_STRUCT(process_spec, (), (program, arguments, environment, directory, input, grace_ms, check))

struct process_result {
  std::int32_t code = 0;                   ///< exit code; 128 + signal number when a signal ended it
  std::string output;                      ///< standard output, at most 4 MiB
  std::string error;                       ///< standard error, at most 4 MiB
  std::optional<std::uint64_t> cut_bytes;  ///< bytes of both that did not fit, if any
};
BOOST_DESCRIBE_STRUCT(process_result, (), (code, output, error, cut_bytes))

namespace detail {

template <class F>
inline constexpr bool may_be_temporary = std::is_lvalue_reference_v<F> ||
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
                                         std::is_trivially_destructible_v<std::remove_cvref_t<F>>;
#else
                                         true;
#endif

template <class F>
constexpr void check_function() {
  static_assert(may_be_temporary<F>,
                "GCC before 13 destroys a temporary lambda with non-trivial captures twice inside co_await: name it "
                "first (auto body = [...] {...}; co_await ctx.call(\"name\", body)), or capture by reference");
}

template <class T>
constexpr void check_argument() {
  static_assert(may_be_temporary<T>,
                "GCC before 13 destroys a temporary with non-trivial members twice inside co_await: name the value first "
                "(auto input = order{...}; co_await ctx.run_child<int>(\"ship\", input))");
}

/// What a step of the kind `signals` carries; throws step_error(limit).
[[nodiscard]] payload batch_args(std::size_t most);

/// `answer "verdict/v1"/yes: expected a bool, found a string`; `type` may be empty.
[[nodiscard]] error misfit(std::string_view type, const error& why);

/// For answers that become a T.
template <class T>
constexpr answer_check check_of() {
  if constexpr (std::is_void_v<T> || std::is_same_v<T, payload> || std::is_same_v<T, json::value>) {
    return nullptr;
  } else {
    return [](const payload& answer) -> result<void> {
      const auto read = from_json<T>(answer.value());
      if (read) return {};
      if constexpr (requires { perdure_message_name(static_cast<const T*>(nullptr)); }) {
        return misfit(perdure_message_name(static_cast<const T*>(nullptr)), read.error());
      } else {
        return misfit({}, read.error());
      }
    };
  }
}

template <class F>
decltype(auto) invoke_body(F& function, call_context& with) {
  if constexpr (std::invocable<F&, call_context&>) {
    return function(with);
  } else {
    return function();
  }
}
template <class F>
using body_value =
    std::remove_cvref_t<decltype(invoke_body(std::declval<std::remove_cvref_t<F>&>(), std::declval<call_context&>()))>;

/// The value itself; throws step_error(limit) when it is over limits::payload_bytes.
[[nodiscard]] payload checked_result(payload value);

template <class F>
step_body make_body(F&& function) {
  return [held = std::decay_t<F>(std::forward<F>(function))](call_context& with) mutable -> body_result {
    using value = body_value<F>;
    if constexpr (std::is_void_v<value>) {
      invoke_body(held, with);
      return {};
    } else if constexpr (std::is_same_v<value, payload>) {
      return {checked_result(invoke_body(held, with))};
    } else {
      return {checked_result(payload{to_json(invoke_body(held, with))})};
    }
  };
}

template <class T>
struct poll_value {
  static_assert(std::is_same_v<T, bool>, "a check returns bool, or std::optional of its result");
  using type = void;
};
template <class T>
struct poll_value<std::optional<T>> {
  using type = T;
};

template <class F>
step_body make_check(F&& function) {
  return [held = std::decay_t<F>(std::forward<F>(function))](call_context& with) mutable -> body_result {
    auto value = invoke_body(held, with);
    if constexpr (std::is_same_v<decltype(value), bool>) {
      return {payload{}, value};
    } else {
      if (!value) return {payload{}, false};
      return {checked_result(payload{to_json(*value)}), true};
    }
  };
}

}  // namespace detail

class context {
 public:
  explicit context(detail::frame& frame) : frame_(frame) {}
  context(const context&) = delete;
  context& operator=(const context&) = delete;

  /// Runs `body` (f() or f(call_context&)) on a pool thread and records what it returns. At least once outside; its
  /// idempotency key stays the same. The name shows in the journal and is checked on replay.
  /// After a time limit or a cancel the handler goes on while the body may still run with its stop token set: a body
  /// for which that can happen captures by value what the handler might destroy meanwhile.
  template <class F>
  step<detail::body_value<F>> call(std::string_view name, F&& body, call_options options = {}) {
    detail::check_function<F>();
    return {frame_,
            {.kind = detail::step_kind::call,
             .name = std::string{name},
             .timeout = options.timeout,
             .retry = options.retry,
             .body = detail::make_body(std::forward<F>(body))}};
  }
  /// Waits at least so long, counted from the moment the step is journaled. Survives restarts.
  step<void> sleep_for(duration length) { return {frame_, {.kind = detail::step_kind::sleep, .name = "sleep", .delay = length}}; }
  /// Waits until the time; a time in the past fires at once.
  step<void> sleep_until(timestamp at) { return {frame_, {.kind = detail::step_kind::sleep, .name = "sleep", .until = at}}; }
  /// Asks a person or system; waits for run_ref::respond. The request's id is "<activation>.<step>". An answer that is no T is
  /// refused where it is given, and the request stays open; T is json::value or payload where any answer will do.
  template <class T>
  step<T> request(const json::value& question, request_options options = {}) {
    return {frame_,
            {.kind = detail::step_kind::request,
             .name = "request",
             .args = payload{question},
             .timeout = options.timeout,
             .check = detail::check_of<T>()}};
  }
  template <class T>
  step<T> request(json::value&&, request_options = {}) = delete;  // name the question first (see GCC note in task.hpp)

  /// Waits for the next signal of that name; signals that came before are kept for it. One that is no T throws
  /// step_error(bad_message) here: nobody could check it when it came.
  template <class T = json::value>
  step<T> wait_signal(std::string_view name, signal_options options = {}) {
    return {frame_, {.kind = detail::step_kind::signal, .name = std::string{name}, .timeout = options.timeout}};
  }
  /// Waits until there are signals of that name, and takes up to `most` of those that are there then (fewer when they are
  /// large, see limits::signal_batch), oldest first, as one step: a run that gets thousands of them a second keeps up.
  /// Throws step_error(limit) for `most` of 0 or above the limit.
  template <class T = json::value>
  step<std::vector<T>> wait_signals(std::string_view name, signals_options options = {}) {
    return {frame_,
            {.kind = detail::step_kind::signals,
             .name = std::string{name},
             .args = detail::batch_args(options.most),
             .timeout = options.timeout}};
  }
  /// Runs `check` again and again, with backoff, until it says complete: true, or a filled std::optional. Checks are
  /// wake-ups: nothing is held between them, and a restart goes on with the next one.
  template <class F>
  auto poll_until_complete(std::string_view name, F&& check, poll_options options = {}) {
    detail::check_function<F>();
    using value = typename detail::poll_value<detail::body_value<F>>::type;
    return step<value>{frame_,
                       {.kind = detail::step_kind::poll,
                        .name = std::string{name},
                        .args = payload{json::value{{"poll_timeout_us", options.poll_timeout.count()}}},
                        .timeout = options.max_duration,
                        .retry = {.max_attempts = 0, .backoff = options.backoff},
                        .body = detail::make_check(std::forward<F>(check))}};
  }
  /// Runs a program in a process group of its own; it ends with the node and is then run again.
  step<process_result> run_process(std::string_view name, const process_spec& spec, call_options options = {}) {
    return {frame_,
            {.kind = detail::step_kind::capability,
             .name = std::string{name},
             .args = payload{json::value{{"capability", "process"}, {"spec", to_json(spec)}}},
             .timeout = options.timeout,
             .retry = options.retry}};
  }
  step<process_result> run_process(std::string_view, process_spec&&, call_options = {}) = delete;  // name the spec first

  /// Starts a run of another workflow and goes on; the child tells when it ends (wait_child). Started once, however often
  /// this step is done again. step_error: workflow_unknown (not in the first seconds after the node was opened, see
  /// limits::registration_grace), or what else refused it.
  template <class T>
  step<child> start_child(std::string_view workflow, T&& input, child_options options = {}) {
    detail::check_argument<T>();
    return {frame_, child_request(workflow, message_name<std::remove_cvref_t<T>>, to_json(input), options, false)};
  }
  /// Starts a child and waits for its end: its output as R (void: not looked at). step_error child_failed: it did not
  /// succeed; its own failure is the cause.
  template <class R, class T>
  step<R> run_child(std::string_view workflow, T&& input, child_options options = {}) {
    detail::check_argument<T>();
    return {frame_, child_request(workflow, message_name<std::remove_cvref_t<T>>, to_json(input), options, true)};
  }
  /// Waits for the end of a child of this run that any of its handlers started; as run_child.
  template <class R = json::value>
  step<R> wait_child(const child& which, wait_child_options options = {}) {
    return {frame_,
            {.kind = detail::step_kind::child_result,
             .name = "child",
             .args = payload{json::value{{"run", which.run_id}}},
             .timeout = options.timeout}};
  }
  template <class R = json::value>
  step<R> wait_child(child&&, wait_child_options = {}) = delete;  // name the child first

  /// Lets an executor of this workflow handle a message beside the run, in a run of its own: it does not hold up this one.
  /// What it sends goes along the edges there. Visible as a child of this run.
  template <class T>
  step<child> spawn_background(std::string_view executor, T&& what, background_options options = {}) {
    detail::check_argument<T>();
    json::value args{{"background", true},
                     {"workflow", frame_.workflow()},
                     {"start", executor},
                     {"message", message_name<std::remove_cvref_t<T>>},
                     {"input", to_json(what)},
                     {"close", static_cast<int>(options.at_end)},
                     {"fails_run", options.fails_run},
                     {"timeout_us", options.timeout.count()}};
    return {frame_, {.kind = detail::step_kind::child, .name = std::string{executor}, .args = payload{args}}};
  }

  /// Submits a job to a backend of this node (node::add_backend; "process" is always there) and goes on when it was accepted. Its
  /// submit key is durable before the backend is called: after a crash in between the job is found by it, not submitted twice,
  /// where the backend can do that (see job_options::ambiguous). While the backend cannot be reached the step waits.
  /// step_error: job_refused, job_ambiguous, job_cancelled, job_timed_out, or what options.retry did not help against.
  template <class T>
  step<job_handle> submit_job(std::string_view backend, T&& spec, job_options options = {}) {
    detail::check_argument<T>();
    return {frame_, job_request("submit", backend, to_json(spec), options)};
  }
  /// Submits a job and waits for its end. step_error: as submit_job; job_failed, job_lost … when it did not succeed.
  template <class T>
  step<job_end> run_job(std::string_view backend, T&& spec, job_options options = {}) {
    detail::check_argument<T>();
    return {frame_, job_request("run", backend, to_json(spec), options)};
  }
  /// Waits for the end of a job of this run, however it ends. Nothing is held meanwhile: its status is looked at with backoff,
  /// or when the backend tells, and a restart goes on with the next look.
  step<job_end> poll_until_complete(const job_handle& which, job_wait_options options = {}) {
    return {frame_,
            {.kind = detail::step_kind::job,
             .name = "job",
             .args = detail::job_args(which, options),
             .timeout = options.max_duration}};
  }
  step<job_end> poll_until_complete(job_handle&&, job_wait_options = {}) = delete;  // name the job first
  /// Asks a job of this run to end, and goes on when that is recorded. What becomes of it is seen by waiting for it: it may
  /// still succeed.
  step<void> cancel_job(const job_handle& which) {
    return {frame_, {.kind = detail::step_kind::job, .name = "cancel", .args = detail::job_args("cancel", which)}};
  }
  step<void> cancel_job(job_handle&&) = delete;  // name the job first
  /// A page of what a job wrote so far; also after its end. Bytes that are not UTF-8 become U+FFFD.
  step<job_log_page> job_logs(const job_handle& which, std::string_view cursor = {}, call_options options = {}) {
    return {frame_, job_query("logs", which.backend, json::object{{"id", which.id}, {"cursor", cursor}}, options)};
  }
  step<job_log_page> job_logs(job_handle&&, std::string_view = {}, call_options = {}) = delete;  // name the job first
  /// The files that a job left.
  step<std::vector<job_artifact>> artifacts(const job_handle& which, call_options options = {}) {
    return {frame_, job_query("artifacts", which.backend, json::object{{"id", which.id}}, options)};
  }
  step<std::vector<job_artifact>> artifacts(job_handle&&, call_options = {}) = delete;  // name the job first
  /// The same, copied into the node's own store: they stay until the run is removed, whatever becomes of the backend.
  /// step_error limit: they are too large, or the store is full (node_options::max_artifact_bytes).
  step<std::vector<job_artifact>> keep_artifacts(const job_handle& which, call_options options = {}) {
    return {frame_, job_query("keep", which.backend, json::object{{"id", which.id}, {"job", which.number}}, options)};
  }
  step<std::vector<job_artifact>> keep_artifacts(job_handle&&, call_options = {}) = delete;  // name the job first
  /// What a job would take; it is not started. step_error unsupported: the backend cannot tell.
  template <class T>
  step<job_estimate> estimate_job(std::string_view backend, T&& spec, call_options options = {}) {
    detail::check_argument<T>();
    return {frame_, job_query("estimate", backend, json::object{{"spec", to_json(spec)}}, options)};
  }

  /// Gives another run a signal, once, however often the step is done again. step_error not_delivered: there is no such
  /// run, or it has ended.
  template <class T>
  step<void> signal_run(std::string_view run, std::string_view name, T&& value) {
    detail::check_argument<T>();
    return {frame_,
            {.kind = detail::step_kind::tell,
             .name = std::string{name},
             .args = payload{json::value{{"what", "signal"}, {"to", run}, {"name", name}, {"value", to_json(value)}}}}};
  }
  /// Asks another run to cancel; as signal_run.
  step<void> cancel_run(std::string_view run, std::string_view reason = {}) {
    return {frame_,
            {.kind = detail::step_kind::tell,
             .name = "cancel",
             .args = payload{json::value{{"what", "cancel"}, {"to", run}, {"name", reason}}}}};
  }

  /// Ends this run, once the handler returns, as continued_as_new: another one begins with this message and a history of
  /// its own. Signals that nobody consumed, open requests, children, background work and the run's time limit move along;
  /// other activations that are still going on are dropped. References to the run lead to the one that goes on.
  template <message T>
  void continue_as_new(const T& what, continue_options options = {}) {
    frame_.emit({.kind = detail::output_kind::continuation,
                 .name = std::string{message_name<T>},
                 .value = payload{to_json(what)},
                 .number = options.newest_version ? 1U : 0U});
  }
  /// What undoes the work done so far: when the run fails, is cancelled or times out, the executor handles the message; the
  /// last one said comes first, each with its executor's own retries and time limits.
  template <message T>
  void on_compensate(std::string_view executor, const T& what) {
    frame_.emit({.kind = detail::output_kind::compensation,
                 .name = std::string{message_name<T>},
                 .value = payload{to_json(what)},
                 .target = std::string{executor}});
  }
  /// For a change of a handler whose runs are in flight: `newest` where the handler gets here for the first time, the oldest
  /// where its journal shows that it was here before the change. One activation always gets the same.
  [[nodiscard]] std::uint32_t version(std::string_view change, std::uint32_t oldest, std::uint32_t newest) {
    return frame_.version(change, oldest, newest);
  }

  /// Sends along the workflow's edges that take this type. Goes with the turn's record.
  template <message T>
  void send(const T& what) {
    frame_.emit({.kind = detail::output_kind::message, .name = std::string{message_name<T>}, .value = payload{to_json(what)}});
  }
  /// Sends to one executor that an edge leads to.
  template <message T>
  void send_to(std::string_view executor, const T& what) {
    frame_.emit({.kind = detail::output_kind::message,
                 .name = std::string{message_name<T>},
                 .value = payload{to_json(what)},
                 .target = std::string{executor}});
  }
  /// Adds to the run's outputs; the run's output is the last one.
  template <class T>
  void yield_output(const T& what) {
    frame_.emit({.kind = detail::output_kind::output, .value = payload{to_json(what)}});
  }
  /// Run-wide state: seen by all executors of the run from this record on; the last write wins.
  template <class T>
  void set_state(std::string_view key, const T& value) {
    frame_.emit({.kind = detail::output_kind::state, .name = std::string{key}, .value = payload{to_json(value)}});
  }
  /// Reads run-wide state as it is when the step is journaled; empty when nobody wrote it.
  template <class T>
  step<std::optional<T>> get_state(std::string_view key) {
    return {frame_, {.kind = detail::step_kind::state, .name = std::string{key}}};
  }
  /// How far the handler is; `total` 0 = unknown.
  void progress(std::uint64_t done, std::uint64_t total, std::string_view text = {}) {
    frame_.emit(
        {.kind = detail::output_kind::progress, .value = payload{json::value{{"done", done}, {"total", total}, {"text", text}}}});
  }
  /// Writes to the node's log (once: not again on replay).
  void log(std::string_view text) { frame_.log("info", text); }

  template <class... A>
  all_of<A...> when_all(A&... awaitables) {
    return all_of<A...>{frame_, awaitables...};
  }
  template <class... A>
  any_of<A...> when_any(A&... awaitables) {
    return any_of<A...>{frame_, awaitables...};
  }
  template <class A>
  all_of_range<A> when_all(std::vector<A>& awaitables) {
    return all_of_range<A>{frame_, awaitables};
  }
  template <class A>
  any_of_range<A> when_any(std::vector<A>& awaitables) {
    return any_of_range<A>{frame_, awaitables};
  }

  /// The time of the event last fed: repeats on replay.
  [[nodiscard]] timestamp now() const { return frame_.now(); }
  /// 64 random bits that repeat on replay; drawn by (run, activation, use).
  [[nodiscard]] std::uint64_t random() { return frame_.random(detail::random_use::number); }
  [[nodiscard]] std::string uuid();
  /// True once the run is asked to cancel. Waiting steps then throw cancelled_error.
  [[nodiscard]] bool is_cancelled() const { return frame_.cancelled(); }
  [[nodiscard]] run_id run() const { return frame_.run(); }
  [[nodiscard]] activation_id activation() const { return frame_.activation(); }
  [[nodiscard]] std::uint32_t attempt() const { return frame_.attempt(); }
  [[nodiscard]] const std::string& executor() const { return frame_.executor(); }
  [[nodiscard]] const std::string& workflow() const { return frame_.workflow(); }

  /// For the engine's own layers.
  [[nodiscard]] detail::frame& frame() { return frame_; }

 private:
  static detail::step_request job_request(std::string_view what, std::string_view backend, const json::value& spec,
                                          const job_options& options) {
    return {
        .kind = detail::step_kind::job, .name = std::string{backend}, .args = detail::job_args(what, backend, {}, spec, options)};
  }
  static detail::step_request job_query(std::string_view what, std::string_view backend, json::object more,
                                        call_options options) {
    return {.kind = detail::step_kind::capability,
            .name = std::string{what},
            .args = detail::job_query_args(what, backend, std::move(more)),
            .timeout = options.timeout,
            .retry = options.retry};
  }
  static detail::step_request child_request(std::string_view workflow, std::string_view message, json::value input,
                                            child_options options, bool awaits) {
    json::value args{{"workflow", workflow},      {"message", message},
                     {"input", std::move(input)}, {"close", static_cast<int>(options.close)},
                     {"await", awaits},           {"timeout_us", options.timeout.count()}};
    return {.kind = detail::step_kind::child, .name = std::string{workflow}, .args = payload{args}};
  }
  detail::frame& frame_;
};

}  // namespace perdure
