// testing: the test kit. Runs workflows in one thread, in virtual time, with the faults of your choice, the same way every
// time: a day passes in microseconds, and what happened once happens again with the same seed.
//
// Operation: a virtual_node takes the place of a node. Nothing goes on by itself: signal(), wait(), skip() and the like drive
// it, and bodies of calls run in the test's thread. After each operation it is checked that the journal has no gap, that a
// replay of it gives the live state, that no step has two outcomes, and that each run has something that will move it.
// Concurrency: none; one thread, no clock, no file but the histories you save.
// Errors: everything that expects something throws test_failure, which says what was expected, what was found, and which
// seed gives it again. It works with any test framework. Link `perdure_testing`; no part of it belongs in a program.
// Limitations: programs (ctx.run_process) are not run: say with answer_step() what they give.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "perdure/backend.hpp"
#include "perdure/run.hpp"
#include "perdure/workflow.hpp"

namespace perdure::testing {

/// What was expected and what was found, for people.
class test_failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct node_options {
  /// 0: what can happen happens in the order in which it became possible. Any other: the seed chooses, and also when runs
  /// leave memory and when snapshots are made.
  std::uint64_t seed = 0;
  timestamp start{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1}};
  /// Runs that only wait leave memory before time goes by, as in a real node: what they wait for brings them back, and
  /// their handlers are replayed. So a handler that is not deterministic is found without any crash.
  bool unload_waiting_runs = true;
  /// Operations in all; more means that something goes on without end.
  std::uint64_t max_operations = 1'000'000;
};

/// Which tries of which steps. Empty members fit everything.
struct step_pattern {
  std::string executor;
  std::string step;                     ///< the name given to call(), poll_until_complete() or run_process()
  std::vector<std::uint32_t> tries;     ///< of the step, from 1: what call_context::attempt() says
  std::vector<std::uint32_t> attempts;  ///< of the executor, from 1: what context::attempt() says
};

/// How often the body of one step was called, over all retries, attempts and crashes.
struct body_count {
  std::string key;  ///< idempotency key
  run_id run;
  std::string executor, step;
  std::uint32_t calls = 0;  ///< begun; those that fail_step() kept from the body count too
  std::uint32_t succeeded = 0, failed = 0;
};

struct log_line {
  run_id run;
  std::string executor, level, text;
};

/// Which events fit. Empty members fit everything.
struct event_pattern {
  std::string kind;  ///< "run_started", "turn", "step_completed", "step_retrying", "attempt_failed", …
  std::string executor;
  std::string step;  ///< one that the event issues, ends, retries or resumes, by its name
};

/// Where today's code does something else than a recorded history.
struct history_parting {
  run_seq seq = 0;
  activation_id activation = 0;  ///< 0: not about a handler
  std::uint32_t attempt = 0;
  std::optional<step_ordinal> step;
  std::string recorded, replayed;
};

class virtual_node;
class engine;  // what is behind it

/// One run of a virtual node. Copies are cheap, and keep what is behind the node alive.
class test_run {
 public:
  [[nodiscard]] const run_id& id() const noexcept { return id_; }
  /// What is durable. Drives nothing.
  [[nodiscard]] run_info status() const;

  // What is put to it. Each returns when it is durable; a client that loses its node to a crash asks again, with the same
  // command id. The plain ones throw when they are refused, the others give the error of run_ref's calls.
  void signal(std::string_view name, const json::value& value = nullptr) const { (void)try_signal(name, value).value(); }
  template <message T>
  void signal(std::string_view name, const T& value) const {
    signal(name, to_json(value));
  }
  void respond(std::string_view request_id, const json::value& answer) const { (void)try_respond(request_id, answer).value(); }
  template <message T>
  void respond(std::string_view request_id, const T& answer) const {
    respond(request_id, to_json(answer));
  }
  /// Answers the only open request. test_failure: there is none, or more than one.
  void answer(const json::value& value) const;
  template <message T>
  void answer(const T& value) const {
    answer(to_json(value));
  }
  void cancel(std::string_view reason = {}) const { (void)try_cancel(reason).value(); }
  void pause() const;
  void resume() const;
  [[nodiscard]] result<void> try_signal(std::string_view name, const json::value& value = nullptr) const;
  [[nodiscard]] result<void> try_respond(std::string_view request_id, const json::value& answer) const;
  [[nodiscard]] result<void> try_cancel(std::string_view reason = {}) const;
  /// Sends and does not wait: it arrives while the node goes on; with a seed, several arrive in any order.
  void signal_later(std::string_view name, const json::value& value = nullptr) const;
  template <message T>
  void signal_later(std::string_view name, const T& value) const {
    signal_later(name, to_json(value));
  }
  /// As run_ref::retry: a linked run takes over one that ended badly; successful steps are kept. It throws when it is refused.
  [[nodiscard]] test_run retry() const;
  /// The actor of the activation that the executor works on dies. test_failure: it works on none.
  void kill_executor(std::string_view executor) const;

  // How it goes on and ends.

  /// Goes on, and lets time pass from one thing that is due to the next, until the run has ended, or the one that goes on
  /// from it when it continued as new: that one is given. test_failure: it cannot
  /// end by itself, or not within `limit` of virtual time.
  run_info wait(duration limit = std::chrono::hours{24 * 3650}) const;
  /// wait(), and test_failure when it ended otherwise.
  run_info expect_end(run_status expected) const;
  /// expect_end(succeeded) with this output.
  run_info expect_output(const json::value& expected) const;
  template <message T>
  run_info expect_output(const T& expected) const {
    return expect_output(to_json(expected));
  }

  // What happened: durable events, in order.

  [[nodiscard]] std::vector<run_event> events() const;
  /// One line an event, as the failures below show them.
  [[nodiscard]] std::string events_text() const;
  /// Exactly these. The failure shows both sides.
  void expect_events(const std::vector<event_pattern>& expected) const;
  /// These in this order, with any others before, between and after. The failure shows both sides.
  void expect_subsequence(const std::vector<event_pattern>& expected) const;
  void expect_no_event(const event_pattern& unwanted) const;
  [[nodiscard]] std::size_t count_events(const event_pattern& of) const;

  /// Runs today's handlers over what was recorded, from the beginning. test_failure: they part.
  void expect_replay() const;
  /// The run as readable JSON lines: a first line about the run, then one event a line. replay_history() reads it.
  [[nodiscard]] std::string history() const;
  void save_history(const std::filesystem::path& file) const;
  /// The history is what the file says. The failure shows the first difference, both sides. With PERDURE_REWRITE_GOLDEN=1 in
  /// the environment the file is written instead.
  void expect_history(const std::filesystem::path& file) const;

 private:
  friend class virtual_node;
  test_run(run_id id, std::shared_ptr<engine> in) : id_(id), engine_(std::move(in)) {}
  [[noreturn]] void fail(const std::string& what) const;
  run_id id_;
  std::shared_ptr<engine> engine_;
};

/// A node in virtual time.
class virtual_node {
 public:
  explicit virtual_node(node_options options = {});
  ~virtual_node();
  virtual_node(const virtual_node&) = delete;
  virtual_node& operator=(const virtual_node&) = delete;

  /// As node::add. Another code with the same graph takes its place: runs that are read from the journal from now on have
  /// it. So a deployment is add() and restart().
  void add(const workflow& definition);
  /// As node::add_backend. It has to answer every call at once, as perdure/memory_backend.hpp does, and it lives on when the
  /// node crashes. Jobs are looked at in virtual time.
  void add_backend(std::string_view name, std::shared_ptr<backend> what);
  /// As node::start; durable when it returns.
  template <message T>
  test_run start(std::string_view workflow, const T& input, start_options options = {}) {
    return start_named(workflow, message_name<T>, payload{to_json(input)}, std::move(options));
  }
  test_run start_named(std::string_view workflow, std::string_view message, payload input, start_options options = {}) {
    return std::move(try_start_named(workflow, message, std::move(input), std::move(options)).value());
  }
  [[nodiscard]] result<test_run> try_start_named(std::string_view workflow, std::string_view message, payload input,
                                                 start_options options = {});
  /// test_failure: there is no such run.
  [[nodiscard]] test_run find(const run_id& id) const;

  // Time. It goes by only here, and in wait().

  [[nodiscard]] timestamp now() const;
  /// All that can happen now. No time goes by.
  void run_until_idle();
  /// So much time goes by; what is due meanwhile happens in due order, each at its time.
  void skip(duration length);
  /// Goes on, and lets time pass from one thing that is due to the next, until the condition holds. test_failure: nothing can
  /// happen any more, or it does not hold within `limit` of virtual time. `what` says in the failure what was waited for.
  void run_until(const std::function<bool()>& condition, duration limit = std::chrono::hours{24 * 3650},
                 std::string_view what = "the condition of run_until");

  // Faults.

  /// The process is killed here: what was not in the journal is lost. It starts again at once, opens what was in flight,
  /// and everything goes on when the node is driven.
  void crash();
  /// It stops properly and starts again.
  void restart();
  /// Killed after so many more operations. An operation is the least thing that happens: a message is taken, a body ends, a
  /// commit is written, its answer arrives.
  void crash_after(std::uint64_t operations);
  /// Killed after one operation in so many, by the seed; 0 = no more. Never so often in a row, without progress between, that
  /// a run would be quarantined: crash() and crash_after() can do that.
  void crash_one_in(std::uint64_t operations);
  [[nodiscard]] std::uint64_t operations() const;
  [[nodiscard]] std::uint64_t crashes() const;

  // The rules for steps: of those that fit, the youngest holds for what the body gives, and the youngest for how long it takes.

  /// The body is not called: the step fails.
  void fail_step(step_pattern which, std::string code, std::string message = "as the test wants");
  /// The body is called, and then the step fails: the outside world has changed, and nobody was told.
  void fail_step_afterwards(step_pattern which, std::string code, std::string message = "as the test wants");
  /// The body is not called: this is its result.
  template <class T>
  void answer_step(step_pattern which, const T& result) {
    answer_step_with(std::move(which), payload{to_json(result)});
  }
  void answer_step_with(step_pattern which, payload result);
  /// Its result comes so much later.
  void slow_step(step_pattern which, duration length);
  /// It never returns; whoever waits for it without a time limit waits for ever.
  void hang_step(step_pattern which);
  void clear_step_rules();

  /// Wake-ups come late by this much; with a seed, by up to this much.
  void delay_timers(duration late);
  /// Commands arrive twice, with the same command id, as those of a client that did not see the answer.
  void duplicate_commands(bool on = true);

  // What bodies did, in the order of their first calls.

  [[nodiscard]] std::vector<body_count> bodies() const;
  /// Calls of all bodies that fit.
  [[nodiscard]] std::uint64_t calls(std::string_view executor, std::string_view step) const;
  /// What handlers wrote with ctx.log().
  [[nodiscard]] const std::vector<log_line>& log() const;

 private:
  std::shared_ptr<engine> engine_;
};

/// Calls the scenario with the seeds first, first + 1, …; says which one failed. With PERDURE_TEST_SEED=N in the environment
/// it is called with that seed alone.
void for_each_seed(std::uint64_t count, const std::function<void(std::uint64_t seed)>& scenario, std::uint64_t first = 1);

/// Calls the scenario with a node of its own, then once for each operation of that first time with a node that is killed
/// right after it; says after which one it failed. With PERDURE_TEST_CRASH=N in the environment only that one is tried.
/// Gives the number of crashes tried. The scenario looks at nothing that it keeps between two calls.
std::uint64_t for_each_crash(const std::function<void(virtual_node&)>& scenario, node_options options = {});

/// Runs the workflow's handlers over a saved history: where they part from it. test_failure: it is no history, or of another
/// workflow.
[[nodiscard]] std::vector<history_parting> find_partings(std::string_view history, const workflow& code);
/// test_failure: they part; both sides are shown.
void replay_history(const std::filesystem::path& file, const workflow& code);

}  // namespace perdure::testing
