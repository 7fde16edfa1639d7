// expire: what deadlines do when they come. The five time limits, backoffs, the run's limit, the grace.
#include "core/decide.hpp"

#include "perdure/limits.hpp"
#include "support/run_fixture.hpp"

using namespace perdure;
using namespace perdure::core;
using namespace perdure::test;

namespace {
plan limited(timeouts limits, retry_policy again = {}) { return make_plan({{.name = "a", .timeouts = limits, .retry = again}}); }
wait_request nap(step_ordinal ordinal, duration length) {
  return {.ordinal = ordinal, .kind = step_kind::sleep, .name = "sleep", .delay = length};
}
}  // namespace

TEST_CASE("nothing fires early") {
  run_fixture run{limited({.schedule_to_start = 10s, .schedule_to_close = 1min}), 1h};
  CHECK(run.wake().empty());
  CHECK(run.pass(10s - 1us).empty());
  CHECK_FALSE(run.pass(1us).empty());
}

TEST_CASE("schedule_to_start: an attempt that gets no thread in time fails its activation for good") {
  run_fixture run{limited({.schedule_to_start = 10s}, retry(5, fixed(1s)))};
  SECTION("in time") {
    run.now += 9s;
    run.tell(attempt_began{1});
    CHECK(run.pass(1h).empty());
  }
  SECTION("too late") {
    const auto events = run.pass(10s);
    CHECK(only<attempt_failed>(events).error.code == "timeout");
    CHECK(only<attempt_failed>(events).error.message == "executor \"a\": not started within schedule_to_start");
    CHECK(only<run_ended>(events).status == run_status::failed);
    CHECK(run.refused(attempt_began{1}) == errc::fenced);
  }
}

TEST_CASE("start_to_close: an attempt that takes too long is fenced and tried again") {
  run_fixture run{limited({.start_to_close = 10s}, retry(2, fixed(1s)))};
  run.now += 1h;  // waiting for a thread does not count
  run.tell(attempt_began{1});
  const auto late = run.done(1, 0);
  const auto events = run.pass(10s);
  CHECK(only<attempt_failed>(events).error.code == "timeout");
  CHECK(only<attempt_failed>(events).retry_at == run.now + 1s);
  CHECK(run.refused(late) == errc::fenced);
  const auto second = run.sleep();
  CHECK(only<attempt_started>(second).close_by == run.now + 10s);
  CHECK(only<run_ended>(run.pass(10s)).status == run_status::failed);
}

TEST_CASE("start_to_close counts what the attempt waits for") {
  run_fixture run{limited({.start_to_close = 10s})};
  run.tell(attempt_began{1});
  run.tell(run.waiting(1, {nap(0, 1h)}));
  CHECK(only<attempt_failed>(run.pass(10s)).error.code == "timeout");
}

TEST_CASE("schedule_to_close: the activation with all its attempts ends in time") {
  run_fixture run{limited({.schedule_to_close = 10s}, retry(0, fixed(1s)))};
  run.now += 2s;
  run.tell(attempt_began{1});
  run.now += 2s;
  run.tell(run.failing(1, failed_with("e")));
  CHECK(only<attempt_started>(run.sleep()).attempt == 2);
  const auto events = run.pass(5s);
  CHECK(run.now == test_epoch + 10s);
  CHECK_FALSE(only<attempt_failed>(events).retry_at.has_value());
  CHECK(only<run_ended>(events).error->message == "executor \"a\": not done within schedule_to_close");
}

TEST_CASE("schedule_to_close ends an activation that waits for its next attempt, and one that never began") {
  run_fixture run{limited({.schedule_to_close = 10s}, retry(0, fixed(1s)))};
  SECTION("pending") {}
  SECTION("retrying") {
    run.tell(attempt_began{1});
    run.tell(run.failing(1, failed_with("e")));
    run.machine.set_definition(std::make_shared<plan>(limited({.schedule_to_close = 10s}, retry(1))));
  }
  run.now += 10s;
  run.wake();
  CHECK(run.state().status == run_status::failed);
}

TEST_CASE("heartbeat: silence ends an attempt; steps, progress and what is fed are life") {
  run_fixture run{limited({.heartbeat = 10s}, retry(2, fixed(1s)))};
  run.tell(attempt_began{1});
  const auto alive = [&] { return run.pass(9s).empty(); };
  CHECK(alive());
  run.tell(run.done(1, 0));
  CHECK(alive());
  run.tell(progress_made{1, 1, {}});
  CHECK(alive());
  run.tell(run.done(1, 1, {{}, failed_with("e")}, retry(5, fixed(0s))));
  run.wake();
  CHECK(alive());
  auto begun = run.report(1);
  begun.issued = {{.ordinal = 2, .kind = step_kind::request, .name = "request"}};
  run.tell(begun);
  CHECK(alive());
  run.tell(respond_command{"1.2", {}, ""});
  CHECK(alive());
  const auto events = run.pass(1s);
  CHECK(only<attempt_failed>(events).error.message == "executor \"a\": no sign of life within the heartbeat time");
  CHECK(only<attempt_started>(run.sleep()).heartbeat == 10s);
  CHECK(count<run_ended>(run.pass(10s)) == 1);
}

TEST_CASE("an attempt that only waits need not beat") {
  // A handler with a heartbeat of seconds that slept for a day was taken for dead.
  run_fixture run{limited({.heartbeat = 10s})};
  run.tell(attempt_began{1});
  run.tell(run.waiting(1, {nap(0, 24h)}));
  CHECK(next_wakeup(run.state()) == test_epoch + 24h);
  CHECK(run.pass(1h).empty());
  run.sleep();
  CHECK(next_wakeup(run.state()) == run.now + 10s);  // it goes on: silence counts again
  SECTION("waiting for a backoff") {
    auto report = run.done(1, 1, {{}, failed_with("e")}, retry(2, fixed(1h)));
    report.waits = true;
    run.tell(report);
    CHECK(next_wakeup(run.state()) == run.now + 1h);
    run.sleep();
    CHECK(next_wakeup(run.state()) == run.now + 10s);
  }
}

TEST_CASE("the time that a run is paused is no silence") {
  run_fixture run{limited({.heartbeat = 10s})};
  run.tell(attempt_began{1});
  run.tell(pause_command{});
  run.now += 1h;
  run.tell(run.done(1, 0));
  run.now += 1h;
  run.tell(resume_command{});
  CHECK(run.wake().empty());
  CHECK(next_wakeup(run.state()) == run.now + 10s);
}

TEST_CASE("the run's limit cancels it, and it ends as timed out") {
  run_fixture run{make_plan({{.name = "a"}}), 1min};
  run.tell(run.waiting(1, {nap(0, 1h)}));
  const auto asked = only<cancel_requested>(run.sleep());
  CHECK(run.now == test_epoch + 1min);
  CHECK(asked.as == run_status::timed_out);
  CHECK(run.state().status == run_status::cancelling);
  CHECK(run.ignored(cancel_command{}));
  SECTION("it cleans up") { run.tell(run.finished(1)); }
  SECTION("it does not") { run.sleep(); }
  CHECK(run.state().status == run_status::timed_out);
  CHECK(run.state().error->code == "timeout");
}

TEST_CASE("a cancel takes the place of the run's limit") {
  run_fixture run{make_plan({{.name = "a"}}), 5s};
  run.tell(cancel_command{});
  CHECK(run.pass(5s).empty());
  run.sleep();
  CHECK(run.state().status == run_status::cancelled);
}

TEST_CASE("a run whose grace is over ends, whatever it waits for") {
  run_fixture run{limited({.start_to_close = 1h})};
  run.tell(attempt_began{1});
  run.tell(cancel_command{});
  run.tell(run.waiting(1, {nap(0, 1h)}));  // said before it heard of the cancel
  run.sleep();
  CHECK(run.state().status == run_status::cancelled);
}

TEST_CASE("sleeps complete, waits time out") {
  run_fixture run{make_plan({{.name = "a"}})};
  auto begun = run.report(1);
  begun.issued = {nap(0, 5s),
                  {.ordinal = 1, .kind = step_kind::sleep, .name = "sleep", .until = test_epoch + 6s},
                  {.ordinal = 2, .kind = step_kind::request, .name = "request", .timeout = 7s},
                  {.ordinal = 3, .kind = step_kind::signal, .name = "s", .timeout = 8s},
                  {.ordinal = 4, .kind = step_kind::call, .name = "c", .timeout = 9s},
                  {.ordinal = 5, .kind = step_kind::sleep, .name = "sleep", .until = test_epoch - 1h}};
  run.tell(begun);
  CHECK(only<step_completed>(run.wake()).ordinal == 5);  // a time in the past fires at once
  for (step_ordinal i = 0; i < 5; ++i) {
    const auto fired = only<step_completed>(run.sleep());
    CHECK(fired.ordinal == i);
    CHECK(fired.result.error.has_value() == (i > 1));
    if (i > 1) CHECK(fired.result.error->code == "timeout");
    CHECK(run.wake().empty());
  }
  CHECK(run.state().signal_waiters.empty());
}

TEST_CASE("a timed out step names its last error") {
  run_fixture run{make_plan({{.name = "a"}})};
  auto begun = run.report(1);
  begun.issued = {{.ordinal = 0, .kind = step_kind::call, .name = "s0", .timeout = 10s}};
  run.tell(begun);
  run.tell(run.done(1, 0, {{}, failed_with("busy")}, retry(0, fixed(1h))));
  const auto fired = only<step_completed>(run.sleep());
  CHECK(run.now == test_epoch + 10s);
  REQUIRE(fired.result.error->causes.size() == 1);
  CHECK(fired.result.error->causes[0].code == "busy");
}

TEST_CASE("what came due while the process was down fires when the run is opened again, in due order") {
  run_fixture run{make_plan({{.name = "a"}})};
  run.tell(run.waiting(1, {nap(0, 3h), nap(1, 1h), nap(2, 2h), nap(3, 9h)}));
  run.now += 5h;
  const auto events = run.tell(reopened{.unclean = true});
  REQUIRE(events.size() == 3);
  CHECK(std::get<step_completed>(events[0]).ordinal == 1);
  CHECK(std::get<step_completed>(events[1]).ordinal == 2);
  CHECK(std::get<step_completed>(events[2]).ordinal == 0);
  CHECK(next_wakeup(run.state()) == test_epoch + 9h);
}

TEST_CASE("all five limits survive the store") {
  // run_fixture compares the stored state with the live one after every event; here the deadlines themselves.
  run_fixture run{limited({.schedule_to_start = 1s, .start_to_close = 2s, .schedule_to_close = 3s, .heartbeat = 4s}), 5s};
  const auto due = [&] {
    auto back = decode_state(*encode_state(run.state(), nullptr), nullptr);
    std::vector<duration> out;
    for (const auto& each : back->deadlines) out.push_back(each.at - test_epoch);
    return out;
  };
  CHECK(due() == std::vector<duration>{1s, 3s, 5s});
  run.tell(attempt_began{1});
  CHECK(due() == std::vector<duration>{2s, 3s, 4s, 5s});
}

TEST_CASE("many deadlines at once are worked off over several wake-ups") {
  run_fixture run{make_plan({{.name = "a"}})};
  std::vector<wait_request> naps;
  for (step_ordinal i = 0; i < 1'000; ++i) naps.push_back(nap(i, 1s));
  REQUIRE(run.machine.execute(run.waiting(1, naps), run.now).has_value());
  run.now += 2s;
  std::size_t fired = 0;
  for (int i = 0; i < 3; ++i) fired += run.machine.execute(wake{}, run.now)->size();
  CHECK(fired == 1'000);
}

TEST_CASE("while the workflow is not registered no attempt is judged") {
  // Its policy is not known: the limit of an attempt that came due then failed the activation for good, a backoff that
  // ended then began an attempt without any time limit.
  run_fixture run{limited({.start_to_close = 10s}, retry(3, fixed(5s))), 1h};
  run.tell(attempt_began{1});
  const auto plan = run.plan;
  SECTION("the attempt's limit") {
    run.machine.set_definition(nullptr);
    CHECK(run.pass(20s).empty());
    run.machine.set_definition(plan);
    CHECK(only<attempt_failed>(run.wake()).retry_at.has_value());
  }
  SECTION("the backoff") {
    run.tell(run.failing(1, failed_with("e")));
    run.machine.set_definition(nullptr);
    CHECK(run.pass(20s).empty());
    run.machine.set_definition(plan);
    CHECK(only<attempt_started>(run.wake()).close_by == run.now + 10s);
  }
  SECTION("the run's own limit and grace hold all the same, and sleeps end") {
    run.tell(run.waiting(1, {nap(0, 20s)}));
    run.machine.set_definition(nullptr);
    CHECK(only<step_completed>(run.pass(20s)).ordinal == 0);
    run.pass(1h);
    CHECK(run.state().status == run_status::cancelling);
    run.pass(limits::cancel_grace);
    CHECK(run.state().status == run_status::timed_out);
  }
}
