// decide: what commands make of a run. Reports of attempts, signals, answers, cancel, pause and resume, the reopening.
#include "core/decide.hpp"

#include "perdure/limits.hpp"
#include "support/run_fixture.hpp"

using namespace perdure;
using namespace perdure::core;
using namespace perdure::test;

namespace {

plan lone(executor_plan how = {.name = "a"}) { return make_plan({std::move(how)}); }

wait_request wait_for_signal(step_ordinal ordinal, std::string name, duration timeout = {}) {
  return {.ordinal = ordinal, .kind = step_kind::signal, .name = std::move(name), .timeout = timeout};
}
wait_request ask(step_ordinal ordinal) { return {.ordinal = ordinal, .kind = step_kind::request, .name = "request"}; }

}  // namespace

TEST_CASE("a run starts only with a message that its first executor takes") {
  auto of = make_plan({{.name = "a", .takes = {"x", "y"}}});
  const auto refused = decide_start(of, {.message = "m"}, test_epoch);
  REQUIRE(refused.has_error());
  CHECK(refused.error().code == errc::invalid_argument);
  CHECK(refused.error().message == "workflow \"w\" starts with x, y, not with \"m\"");
  CHECK(decide_start(of, {.message = "y"}, test_epoch).has_value());
}

TEST_CASE("the tighter of the caller's and the workflow's time limit counts") {
  auto of = lone();
  const auto deadline = [&](duration wanted) {
    return std::get<run_started>(*decide_start(of, {.message = "m", .timeout = wanted}, test_epoch)).deadline;
  };
  CHECK_FALSE(deadline(0s).has_value());
  CHECK(deadline(5s) == test_epoch + 5s);
  of.timeout = 1min;
  CHECK(deadline(0s) == test_epoch + 1min);
  CHECK(deadline(5s) == test_epoch + 5s);
  CHECK(deadline(5min) == test_epoch + 1min);
}

TEST_CASE("what a stale attempt reports is fenced and changes nothing") {
  run_fixture run{lone({.name = "a", .retry = retry(3, fixed(1s))})};
  const auto stale = run.done(1, 0);
  const auto died = attempt_died{1, 1, failed_with("executor_died")};
  run.tell(run.failing(1, failed_with("e")));
  CHECK(run.refused(stale) == errc::fenced);
  CHECK(run.refused(died) == errc::fenced);
  CHECK(run.refused(progress_made{1, 1, {}}) == errc::fenced);
  CHECK(run.refused(attempt_began{1}) == errc::fenced);
  CHECK(run.refused(run.report(1)) == errc::fenced);  // attempt 2 waits for its backoff
  CHECK(run.refused(attempt_died{1, 2, failed_with("executor_died")}) == errc::fenced);
  CHECK(run.refused(attempt_report{.activation = 9, .attempt = 1}) == errc::fenced);
  run.sleep();
  CHECK(run.refused(stale) == errc::fenced);
  run.tell(run.done(1, 0));
  run.tell(run.finished(1));
  CHECK(run.state().status == run_status::succeeded);
  CHECK(run.refused(stale) == errc::fenced);
}

TEST_CASE("commands on a run that has ended are conflicts, unless they were taken before") {
  run_fixture run{lone()};
  run.tell(run.waiting(1, {ask(0)}));
  run.tell(signal_command{"s", {}, "c1"});
  run.tell(respond_command{"1.0", {}, "c2"});
  run.tell(pause_command{"c3"});
  run.tell(resume_command{"c4"});
  run.tell(run.finished(1));
  REQUIRE(run.state().status == run_status::succeeded);
  CHECK(run.refused(signal_command{"s", {}, "new"}) == errc::conflict);
  CHECK(run.refused(respond_command{"1.0", {}, "new"}) == errc::conflict);
  CHECK(run.refused(cancel_command{}) == errc::conflict);
  CHECK(run.refused(pause_command{}) == errc::conflict);
  CHECK(run.refused(resume_command{}) == errc::conflict);
  // The answer to the first was lost on its way, say: the caller asks again and hears that it was done.
  CHECK(run.ignored(signal_command{"s", {}, "c1"}));
  CHECK(run.ignored(respond_command{"1.0", {}, "c2"}));
  CHECK(run.ignored(pause_command{"c3"}));
  CHECK(run.ignored(resume_command{"c4"}));
}

TEST_CASE("a command with an id that the run knows does nothing") {
  run_fixture run{lone()};
  run.tell(signal_command{"s", text_payload("first"), "id"});
  CHECK(run.ignored(signal_command{"s", text_payload("again"), "id"}));
  CHECK(run.state().signals.size() == 1);
  // Without an id every one counts.
  run.tell(signal_command{"s", {}, ""});
  run.tell(signal_command{"s", {}, ""});
  CHECK(run.state().signals.size() == 3);
}

TEST_CASE("a run remembers its last command ids, no more") {
  run_fixture run{lone()};
  run_state state = run.state();
  for (std::size_t i = 0; i < limits::remembered_commands + 5; ++i) {
    REQUIRE(apply(state, signal_received{.name = "s", .command_id = "c" + std::to_string(i)}, test_epoch).has_value());
    state.signals.clear();
  }
  CHECK(state.command_ids.size() == limits::remembered_commands);
  CHECK(state.command_ids.front() == "c5");
  CHECK(decide(run.plan.get(), state, signal_command{"s", {}, "c4"}, test_epoch)->size() == 1);
  CHECK(decide(run.plan.get(), state, signal_command{"s", {}, "c5"}, test_epoch)->empty());
}

TEST_CASE("signals that nobody waits for are limited in number") {
  run_fixture run{lone()};
  run_state state = run.state();
  for (std::size_t i = 0; i < limits::buffered_signals; ++i)
    REQUIRE(apply(state, signal_received{.name = "s"}, test_epoch).has_value());
  const auto refused = decide(run.plan.get(), state, signal_command{"s", {}, ""}, test_epoch);
  REQUIRE(refused.has_error());
  CHECK(refused.error().code == errc::limit_exceeded);
}

TEST_CASE("an answer reaches its open request once") {
  run_fixture run{lone()};
  run.tell(run.waiting(1, {ask(0), wait_for_signal(1, "s")}));
  for (const auto* unknown :
       {"", "1", "1.", ".0", "1.0x", "x1.0", "1.1", "1.2", "2.0", "1.0.0", "-1.0", "1.99999999999", " 1.0"}) {
    INFO(unknown);
    CHECK(run.refused(respond_command{unknown, {}, ""}) == errc::not_found);
  }
  const auto answered = only<step_completed>(run.tell(respond_command{"1.0", text_payload("yes"), "id"}));
  CHECK(answered.result.value.text() == "\"yes\"");
  CHECK(run.activation(1).history.size() == 1);
  CHECK(run.ignored(respond_command{"1.0", text_payload("no"), "id"}));
  CHECK(run.refused(respond_command{"1.0", {}, "other"}) == errc::not_found);
}

TEST_CASE("the request that an answer is for is known before it is decided, and what changes nothing is for none") {
  run_fixture run{lone()};
  run.tell(run.waiting(1, {ask(0), wait_for_signal(1, "s")}));
  const auto place = step_answered(run.state(), respond_command{"1.0", {}, "id"});
  REQUIRE(place.has_value());
  CHECK(*place == std::pair<activation_id, step_ordinal>{1, 0});
  for (const auto* unknown : {"", "1", "1.1", "1.2", "2.0", "job.1", "1.0x"}) {
    INFO(unknown);
    CHECK_FALSE(step_answered(run.state(), respond_command{unknown, {}, ""}));
  }
  run.tell(respond_command{"1.0", text_payload("yes"), "id"});
  CHECK_FALSE(step_answered(run.state(), respond_command{"1.0", {}, ""}));
  run.tell(run.waiting(1, {ask(2)}));
  CHECK(step_answered(run.state(), respond_command{"1.2", {}, "other"}));
  CHECK_FALSE(step_answered(run.state(), respond_command{"1.2", {}, "id"}));  // a command that comes again
}

TEST_CASE("what requests take is told without a record") {
  run_fixture run{lone()};
  run.tell(run.waiting(1, {ask(0)}));
  REQUIRE(run.activation(1).waiting);
  auto told = run.report(1);
  told.asked.push_back({0, [](const payload&) -> result<void> { return {}; }});
  CHECK(run.ignored(told));
  CHECK(run.activation(1).waiting);
  told.attempt = 2;
  CHECK(run.refused(told) == errc::fenced);
}

TEST_CASE("a turn says that the attempt waits only when it has seen all that was fed to it") {
  // A turn said "I wait for the request" while the outcome of a timer was on its way to it. The run took the word for it,
  // counted as waiting, was not brought in after a crash, and nobody fed it the timer again: a state without a waker.
  run_fixture run{lone()};
  run.tell(run.waiting(1, {{.ordinal = 0, .kind = step_kind::sleep, .name = "sleep", .delay = 1s}, ask(1)}));
  CHECK(run.state().status == run_status::waiting);
  auto early = run.waiting(1, {ask(2)});
  run.sleep();
  CHECK(run.state().status == run_status::running);
  run.tell(early);
  CHECK(run.state().status == run_status::running);
  CHECK(has_work(run.state()));
  run.tell(run.waiting(1, {}));
  CHECK(run.state().status == run_status::waiting);
}

TEST_CASE("an attempt does not wait while a step's body is to run again") {
  run_fixture run{lone()};
  auto report = run.done(1, 0, {{}, failed_with("e")}, retry(5, fixed(1s)));
  report.waits = true;
  run.tell(report);
  CHECK(run.state().status == run_status::waiting);
  auto early = run.waiting(1, {ask(1)});
  run.sleep();
  CHECK(run.state().status == run_status::running);
  run.tell(early);
  CHECK(run.state().status == run_status::running);
}

TEST_CASE("of two steps reported at once, one done and one to be tried again, the attempt goes on with the first") {
  run_fixture run{lone()};
  auto report = run.done(1, 0, {text_payload("ok"), {}});
  report.done.push_back({.ordinal = 1, .name = "s1", .result = {{}, failed_with("e")}, .retry = retry(3, fixed(1h))});
  report.waits = true;
  const auto events = run.tell(report);
  CHECK(count<turn>(events) == 1);
  CHECK(count<step_retrying>(events) == 1);
  CHECK(run.state().status == run_status::running);
  CHECK(has_work(run.state()));
}

TEST_CASE("a call with a time limit may end in the turn that issues it") {
  // A cooperative executor's calls do. The outcome was taken for that of a step given up meanwhile; the call hung until its
  // limit.
  run_fixture run{lone()};
  auto report = run.done(1, 0, {text_payload("ok"), {}});
  report.done.front().recorded = true;
  report.issued = {{.ordinal = 0, .kind = step_kind::call, .name = "s0", .timeout = 1h}};
  SECTION("with its outcome") {
    run.tell(report);
    CHECK(run.activation(1).pending.empty());
    REQUIRE(run.activation(1).history.size() == 1);
    CHECK(run.activation(1).history[0].result.value.text() == text_payload("ok").text());
  }
  SECTION("with a failure that is to be tried again") {
    report.done.front().result = {{}, failed_with("e")};
    report.done.front().retry = retry(3, fixed(1s));
    run.tell(report);
    REQUIRE(run.activation(1).pending.contains(0));
    CHECK(run.activation(1).pending.at(0).tries == 1);
    CHECK(run.activation(1).pending.at(0).retry_at);
    CHECK(run.activation(1).pending.at(0).due);
  }
}

TEST_CASE("an attempt whose read of the run's state is answered at once does not wait beside a retry") {
  run_fixture run{lone()};
  auto report = run.done(1, 0, {{}, failed_with("e")}, retry(3, fixed(1h)));
  report.issued = {{.ordinal = 1, .kind = step_kind::state, .name = "key"}};
  report.waits = true;
  run.tell(report);
  CHECK(run.activation(1).history.size() == 1);
  CHECK(has_work(run.state()));
}

TEST_CASE("a failed step is tried again as its policy says, then its failure is the outcome") {
  run_fixture run{lone()};
  const auto policy = retry(3, exponential(1s, 1min));
  const outcome bad{{}, failed_with("e")};
  auto first = only<step_retrying>(run.tell(run.done(1, 0, bad, policy)));
  CHECK(first.tries == 1);
  CHECK(first.retry_at == run.now + 1s);
  run.sleep();
  auto second = only<step_retrying>(run.tell(run.done(1, 0, bad, policy)));
  CHECK(second.tries == 2);
  CHECK(second.retry_at == run.now + 2s);
  CHECK(second.first_at == test_epoch);
  CHECK(run.state().handled_errors == 2);
  run.sleep();
  const auto last = only<turn>(run.tell(run.done(1, 0, bad, policy)));
  REQUIRE(last.done.size() == 1);
  CHECK(last.done[0].result.error->code == "e");
  CHECK(last.done[0].result.error->executor == "a");
  CHECK(run.activation(1).pending.empty());
  CHECK(run.activation(1).history.size() == 1);
}

TEST_CASE("the codes of a step's policy decide, and a hint delays it") {
  run_fixture run{lone()};
  const auto picky = retry(5, fixed(1s)).on("busy").not_on("gone");
  SECTION("named") { CHECK(only<step_retrying>(run.tell(run.done(1, 0, {{}, failed_with("busy")}, picky))).tries == 1); }
  SECTION("not named") { CHECK(only<turn>(run.tell(run.done(1, 0, {{}, failed_with("other")}, picky))).done.size() == 1); }
  SECTION("never") { CHECK(only<turn>(run.tell(run.done(1, 0, {{}, failed_with("gone")}, picky))).done.size() == 1); }
  SECTION("hint") {
    auto why = failed_with("busy");
    why.retry_after = 1h;
    CHECK(only<step_retrying>(run.tell(run.done(1, 0, {{}, why}, picky))).retry_at == test_epoch + 1h);
  }
  SECTION("a hint beyond all time") {
    auto why = failed_with("busy");
    why.retry_after = duration::max();
    CHECK(only<step_retrying>(run.tell(run.done(1, 0, {{}, why}, picky))).retry_at > test_epoch + 24h * 365 * 1000);
  }
  SECTION("a hint in the past") {
    auto why = failed_with("busy");
    why.retry_after = duration::min();
    CHECK(only<step_retrying>(run.tell(run.done(1, 0, {{}, why}, picky))).retry_at == test_epoch + 1s);
  }
}

TEST_CASE("a step's tries end with its longest elapsed time") {
  run_fixture run{lone()};
  const auto policy = retry(0, fixed(10s)).within(25s);
  const outcome bad{{}, failed_with("e")};
  int tries = 1;
  while (count<step_retrying>(run.tell(run.done(1, 0, bad, policy))) == 1) {
    run.sleep();
    ++tries;
  }
  CHECK(tries == 4);  // at 0, 10, 20, 30 seconds
}

TEST_CASE("a poll that is not complete comes again without end, and is no error") {
  run_fixture run{lone()};
  for (int i = 1; i < 20; ++i) {
    auto report = run.report(1);
    report.done.push_back({.ordinal = 0,
                           .kind = step_kind::poll,
                           .name = "p",
                           .complete = false,
                           .recorded = i > 1,
                           .retry = {.max_attempts = 0, .backoff = fixed(1s)}});
    CHECK(only<step_retrying>(run.tell(report)).tries == static_cast<std::uint32_t>(i));
    run.sleep();
  }
  CHECK(run.state().handled_errors == 0);
}

TEST_CASE("the outcome of a step that was given up meanwhile is dropped") {
  run_fixture run{lone()};
  auto begun = run.report(1);
  begun.issued = {{.ordinal = 0, .kind = step_kind::call, .name = "s0", .timeout = 1s}};
  run.tell(begun);
  const auto late = run.done(1, 0, {text_payload("late"), {}});
  run.pass(2s);
  REQUIRE(run.activation(1).history.size() == 1);
  CHECK(run.activation(1).history[0].result.error->code == "timeout");
  CHECK(run.ignored(late));
  CHECK(run.activation(1).history.size() == 1);
}

TEST_CASE("a failed attempt is followed by another while the policy allows, and keeps what succeeded before the first failure") {
  run_fixture run{lone({.name = "a", .retry = retry(2, fixed(1s))})};
  run.tell(run.done(1, 0, {text_payload("a"), {}}));
  run.tell(run.done(1, 1, {{}, failed_with("e")}));
  run.tell(run.done(1, 2, {text_payload("c"), {}}));
  const auto failed = only<attempt_failed>(run.tell(run.failing(1, failed_with("e"))));
  CHECK(failed.retry_at == run.now + 1s);
  CHECK(failed.error.executor == "a");
  CHECK(failed.error.attempt == 1);
  CHECK(run.state().status == run_status::waiting);
  const auto started = only<attempt_started>(run.sleep());
  CHECK(started.attempt == 2);
  CHECK(started.keep == 1);
  REQUIRE(run.activation(1).history.size() == 1);
  const auto last = run.tell(run.failing(1, failed_with("e")));
  CHECK_FALSE(only<attempt_failed>(last).retry_at.has_value());
  CHECK(only<run_ended>(last).status == run_status::failed);
  CHECK(only<run_ended>(last).error->attempt == 2);
}

TEST_CASE("the policy's codes decide about attempts, and some failures never come again") {
  const auto tried_again = [](retry_policy policy, std::string code) {
    run_fixture run{lone({.name = "a", .retry = policy})};
    return count<run_ended>(run.tell(run.failing(1, failed_with(std::move(code))))) == 0;
  };
  CHECK(tried_again(retry(3), "e"));
  CHECK_FALSE(tried_again(retry(1), "e"));
  CHECK(tried_again(retry(0), "e"));
  CHECK(tried_again(retry(3).on("e"), "e"));
  CHECK_FALSE(tried_again(retry(3).on("f"), "e"));
  CHECK_FALSE(tried_again(retry(3).not_on("e"), "e"));
  CHECK_FALSE(tried_again(retry(3), "cancelled"));
  CHECK_FALSE(tried_again(retry(3), "nondeterminism"));
  CHECK_FALSE(tried_again(retry(3), "limit"));
  CHECK_FALSE(tried_again(retry(3), "bad_message"));
  CHECK(tried_again(retry(3).on("limit"), "limit"));
}

TEST_CASE("an attempt that would begin after the activation's time limit is not planned") {
  run_fixture run{lone({.name = "a", .timeouts = {.schedule_to_close = 10s}, .retry = retry(0, fixed(4s))})};
  run.tell(attempt_began{1});
  run.now += 3s;
  CHECK(only<attempt_failed>(run.tell(run.failing(1, failed_with("e")))).retry_at == test_epoch + 7s);
  run.sleep();
  const auto events = run.tell(run.failing(1, failed_with("e")));  // 7 s + 4 s are too late
  CHECK_FALSE(only<attempt_failed>(events).retry_at.has_value());
  CHECK(run.state().status == run_status::failed);
}

TEST_CASE("attempts end with the policy's longest elapsed time, and a hint delays them") {
  run_fixture run{lone({.name = "a", .retry = retry(0, fixed(10s)).within(15s)})};
  auto hinted = failed_with("e");
  hinted.retry_after = 20s;
  CHECK(only<attempt_failed>(run.tell(run.failing(1, hinted))).retry_at == test_epoch + 20s);
  run.sleep();
  CHECK_FALSE(only<attempt_failed>(run.tell(run.failing(1, hinted))).retry_at.has_value());
}

TEST_CASE("the death of an executor's actor is a failure of its attempt") {
  run_fixture run{lone({.name = "a", .retry = retry(2, fixed(1s))})};
  CHECK(only<attempt_failed>(run.tell(attempt_died{1, 1, failed_with("executor_died")})).retry_at == test_epoch + 1s);
  SECTION("an attempt that was not begun yet, too") {
    run_fixture other{lone({.name = "a", .timeouts = {.start_to_close = 1s}, .retry = retry(2, fixed(1s))})};
    other.tell(attempt_died{1, 0, failed_with("executor_died")});
    CHECK(only<attempt_started>(other.sleep()).attempt == 1);
  }
}

TEST_CASE("an executor with time limits waits for its explicit start") {
  run_fixture run{lone({.name = "a", .timeouts = {.start_to_close = 5s, .heartbeat = 2s}})};
  CHECK(run.activation(1).attempt == 0);
  CHECK(run.activation(1).status == activation_status::pending);
  CHECK(run.state().status == run_status::running);
  run.now += 1s;
  const auto started = only<attempt_started>(run.tell(attempt_began{1}));
  CHECK(started.attempt == 1);
  CHECK(started.close_by == run.now + 5s);
  CHECK(run.activation(1).beat_by == run.now + 2s);
  CHECK(run.activation(1).began_at == run.now);
  CHECK(run.refused(attempt_began{1}) == errc::fenced);
}

TEST_CASE("reports need the workflow, other commands do not") {
  run_fixture run{lone()};
  run.tell(run.waiting(1, {ask(0)}));
  run.machine.set_definition(nullptr);
  CHECK(run.refused(run.report(1)) == errc::workflow_unknown);
  run.tell(signal_command{"s", {}, ""});
  run.tell(respond_command{"1.0", {}, ""});
  run.tell(cancel_command{});
  CHECK(run.state().status == run_status::cancelling);
}

TEST_CASE("a pause stops no attempt but its timers, and a resume lets them go on") {
  run_fixture run{lone(), 1h};
  run.tell(run.waiting(1, {{.ordinal = 0, .kind = step_kind::sleep, .name = "sleep", .delay = 1min}}));
  run.tell(pause_command{"p"});
  CHECK(run.state().status == run_status::paused);
  CHECK_FALSE(has_work(run.state()));
  CHECK_FALSE(next_wakeup(run.state()).has_value());
  CHECK(run.ignored(pause_command{"q"}));
  CHECK(run.pass(2min).empty());
  CHECK(run.tell(signal_command{"s", {}, ""}).size() == 1);
  run.tell(resume_command{"r"});
  CHECK(run.ignored(resume_command{"s"}));
  CHECK(run.state().status == run_status::waiting);
  CHECK(next_wakeup(run.state()) == test_epoch + 1min);
  CHECK(only<step_completed>(run.wake()).ordinal == 0);
}

TEST_CASE("what ran when the run was paused may end") {
  run_fixture run{lone()};
  run.tell(pause_command{});
  run.tell(run.done(1, 0));
  CHECK(run.state().status == run_status::paused);
  run.tell(run.finished(1));
  CHECK(run.state().status == run_status::succeeded);
}

TEST_CASE("a cancel gives running attempts their grace and drops what waits") {
  run_fixture run{lone(), 1h};
  run.tell(run.waiting(
      1, {{.ordinal = 0, .kind = step_kind::sleep, .name = "sleep", .delay = 1min}, wait_for_signal(1, "s"), ask(2)}));
  const auto asked = only<cancel_requested>(run.tell(cancel_command{"enough", "id"}));
  CHECK(asked.grace_until == test_epoch + limits::cancel_grace);
  CHECK(run.state().status == run_status::cancelling);
  CHECK(has_work(run.state()));
  CHECK(run.activation(1).pending.empty());
  REQUIRE(run.activation(1).history.size() == 1);
  CHECK(run.activation(1).history[0].what == history_kind::cancel);
  CHECK(next_wakeup(run.state()) == asked.grace_until);
  CHECK(run.ignored(cancel_command{"enough", "id"}));
  CHECK(run.ignored(cancel_command{"really", "other"}));
  CHECK(run.refused(pause_command{}) == errc::conflict);
  CHECK(run.refused(respond_command{"1.2", {}, ""}) == errc::not_found);
  SECTION("the handler cleans up") {
    run.tell(run.done(1, 3));
    run.tell(run.failing(1, failed_with("cancelled")));
    CHECK(run.state().status == run_status::cancelled);
    CHECK(run.state().error->code == "cancelled");
    CHECK(run.state().error->message == "enough");
  }
  SECTION("the handler ends well; the run is cancelled all the same") {
    run.tell(run.finished(1));
    CHECK(run.state().status == run_status::cancelled);
  }
  SECTION("the handler does not hear") {
    const auto late = run.finished(1);
    CHECK(run.pass(limits::cancel_grace - 1s).empty());
    CHECK(only<run_ended>(run.pass(1s)).status == run_status::cancelled);
    CHECK(run.refused(late) == errc::fenced);
  }
}

TEST_CASE("a cancel ends at once what has no attempt in flight") {
  auto of = make_plan({{.name = "a", .retry = retry(2, fixed(1h))}, {.name = "b", .timeouts = {.start_to_close = 1s}}});
  add_edge(of, {.kind = edge_kind::direct, .from = {0}, .to = {1}});
  run_fixture run{of};
  auto report = run.failing(1, failed_with("e"));
  report.outputs = {{.kind = output_kind::message, .name = "m"}};
  run.tell(report);
  REQUIRE(run.activation(1).status == activation_status::retrying);
  REQUIRE(run.activation(2).status == activation_status::pending);
  const auto events = run.tell(cancel_command{});
  CHECK(only<run_ended>(events).status == run_status::cancelled);
}

TEST_CASE("a paused run can be cancelled") {
  run_fixture run{lone()};
  run.tell(pause_command{});
  run.tell(cancel_command{});
  CHECK(run.state().status == run_status::cancelling);
  CHECK_FALSE(run.state().paused);
  run.pass(limits::cancel_grace);
  CHECK(run.state().status == run_status::cancelled);
}

TEST_CASE("during the grace nothing is tried again and nothing is sent on") {
  auto of = make_plan({{.name = "a", .retry = retry(5, fixed(1s))}, {.name = "b"}});
  add_edge(of, {.kind = edge_kind::direct, .from = {0}, .to = {1}});
  run_fixture run{of};
  run.tell(cancel_command{});
  auto report = run.done(1, 0, {{}, failed_with("e")}, retry(5, fixed(1s)));
  report.outputs = {{.kind = output_kind::message, .name = "m"}, {.kind = output_kind::output, .value = text_payload("kept")}};
  const auto turned = only<turn>(run.tell(report));
  CHECK(turned.done.size() == 1);
  CHECK(turned.activations.empty());
  run.tell(run.failing(1, failed_with("e")));
  CHECK(run.state().status == run_status::cancelled);
  CHECK(run.state().outputs.size() == 1);
}

TEST_CASE("a poll that is not complete when the run is being cancelled has no outcome") {
  run_fixture run{lone()};
  auto report = run.report(1);
  report.done.push_back({.ordinal = 0,
                         .kind = step_kind::poll,
                         .name = "p",
                         .complete = false,
                         .retry = {.max_attempts = 0, .backoff = fixed(1s)}});
  run.tell(cancel_command{});
  run.tell(report);
  for (const auto& each : run.activation(1).history) CHECK(each.what == history_kind::cancel);
}

TEST_CASE("an unclean stop marks the runs that had an attempt in flight, and the third in a row ends them") {
  run_fixture run{lone()};
  CHECK(run.ignored(reopened{.unclean = false}));
  for (std::uint32_t i = 1; i < limits::suspect_marks; ++i) {
    const auto mark = only<suspect_marked>(run.tell(reopened{.unclean = true}));
    CHECK(mark.marks == i);
    CHECK(mark.activations == std::vector<activation_id>{1});
  }
  SECTION("the last one") {
    const auto end = only<run_ended>(run.tell(reopened{.unclean = true}));
    CHECK(end.status == run_status::failed);
    CHECK(end.error->code == "quarantined");
  }
  SECTION("progress wipes them out") {
    run.tell(run.done(1, 0));
    CHECK(run.state().suspect_marks == 0);
    CHECK(only<suspect_marked>(run.tell(reopened{.unclean = true})).marks == 1);
  }
  SECTION("a step that is to be tried again is progress, too") {
    run.tell(run.done(1, 0, {{}, failed_with("e")}, retry(3, fixed(1s))));
    CHECK(run.state().suspect_marks == 0);
  }
}

TEST_CASE("a run that only waited when the node stopped is not suspect") {
  run_fixture run{lone()};
  run.tell(run.waiting(1, {ask(0)}));
  CHECK(run.ignored(reopened{.unclean = true}));
  run.tell(pause_command{});
  CHECK(run.ignored(reopened{.unclean = true}));
}

TEST_CASE("progress is a sign of life") {
  run_fixture run{lone({.name = "a", .timeouts = {.heartbeat = 10s}})};
  run.tell(attempt_began{1});
  run.now += 8s;
  CHECK(only<progress_noted>(run.tell(progress_made{1, 1, text_payload("x")})).activation == 1);
  CHECK(next_wakeup(run.state()) == run.now + 10s);
}

TEST_CASE("time does not run backwards for a run") {
  run_fixture run{lone()};
  run.tell(signal_command{"s", {}, ""});
  run.now -= 1h;
  run.tell(signal_command{"s", {}, ""});
  CHECK(run.state().updated_at == test_epoch);
  run.tell(run.waiting(1, {{.ordinal = 0, .kind = step_kind::sleep, .name = "sleep", .delay = 1min}}));
  CHECK(next_wakeup(run.state()) == test_epoch + 1min);
}

TEST_CASE("lengths of time without bound do not overflow") {
  run_fixture run{lone({.name = "a",
                        .timeouts = {.schedule_to_start = duration::max(),
                                     .start_to_close = duration::max(),
                                     .schedule_to_close = duration::max(),
                                     .heartbeat = duration::max()}}),
                  duration::max()};
  run.tell(attempt_began{1});
  run.tell(run.waiting(1, {{.ordinal = 0, .kind = step_kind::sleep, .name = "sleep", .delay = duration::max()},
                           {.ordinal = 1, .kind = step_kind::sleep, .name = "sleep", .delay = duration::min()},
                           {.ordinal = 2, .kind = step_kind::request, .name = "request", .timeout = duration::max()},
                           {.ordinal = 3, .kind = step_kind::sleep, .name = "sleep", .until = timestamp::max()}}));
  CHECK(only<step_completed>(run.wake()).ordinal == 1);
  CHECK(run.pass(24h * 365 * 1000).empty());
}

TEST_CASE("a failure whose causes are nested deeper than is stored is cut, not lost") {
  // A handler that wraps what it catches at every retry made a chain that could be written but not be read again.
  auto why = failed_with("root");
  for (int i = 0; i < 500; ++i) {
    auto outer = failed_with("wrapped");
    outer.causes.push_back(std::move(why));
    why = std::move(outer);
  }
  SECTION("of a step") { run_fixture{lone()}.tell(run_fixture{lone()}.done(1, 0, {{}, why})); }
  SECTION("of a step that is tried again") {
    run_fixture run{lone()};
    run.tell(run.done(1, 0, {{}, why}, retry(3, fixed(1s))));
  }
  SECTION("of an attempt") {
    run_fixture run{lone()};
    run.tell(run.failing(1, why));
    CHECK(run.state().error->code == "wrapped");
  }
  SECTION("of an executor's actor") {
    run_fixture run{lone()};
    run.tell(attempt_died{1, 1, why});
    CHECK(run.state().error->code == "wrapped");
  }
}
