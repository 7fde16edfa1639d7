// state_for_retry: a linked run that takes over what a run that ended badly had done.
#include "core/machine.hpp"

#include "support/run_fixture.hpp"

using namespace perdure;
using namespace perdure::core;
using namespace perdure::test;

namespace {

const auto new_id = *run_id::parse("01956000-0000-7000-8000-0000000000ff");

plan chain(timeouts limits = {}) {
  auto out = make_plan({{.name = "a"}, {.name = "b", .timeouts = limits}});
  add_edge(out, {.kind = edge_kind::direct, .from = {0}, .to = {1}});
  return out;
}

run_state for_retry(const run_fixture& run) {
  auto out = state_for_retry(run.history, new_id, run.plan.get(), test_epoch + 24h);
  if (!out) FAIL(out.error().message);
  return std::move(*out);
}
errc refused(const run_fixture& run) {
  const auto out = state_for_retry(run.history, new_id);
  REQUIRE(out.has_error());
  return out.error().code;
}

/// The linked run as the node starts it.
struct linked {
  explicit linked(const run_fixture& from, timestamp at = test_epoch + 24h) : one(new_id, from.plan), now(at) {
    auto events =
        one.adopt(run_restored{.source = run_fixture::id_of_test(), .state = *encode_state(for_retry(from), nullptr)}, now);
    REQUIRE(events.has_value());
  }
  std::vector<event> tell(const command& what) {
    auto events = one.execute(what, now);
    if (!events) FAIL(events.error().message);
    return std::move(*events);
  }
  const run_state& state() const { return one.state(); }
  attempt_report report(activation_id id) const {
    const auto& in = state().activations.at(id);
    return {.activation = id, .attempt = in.attempt, .fed = in.history.size()};
  }
  machine one;
  timestamp now;
};

}  // namespace

TEST_CASE("a failed run is taken over as it was before its failure, with its successful steps") {
  run_fixture run{chain()};
  run.tell(signal_command{"later", text_payload("kept"), "c1"});
  auto sent = run.done(1, 0, {text_payload("done"), {}});
  sent.outputs = {{.kind = output_kind::message, .name = "m", .value = text_payload("hello")},
                  {.kind = output_kind::state, .name = "k"}};
  run.tell(sent);
  run.tell(run.finished(1));
  run.tell(run.done(2, 0, {text_payload("one"), {}}));
  run.tell(run.done(2, 1, {{}, failed_with("e")}));
  run.tell(run.done(2, 2, {text_payload("three"), {}}));
  run.tell(run.failing(2, failed_with("e")));
  REQUIRE(run.state().status == run_status::failed);

  linked again{run};
  CHECK(again.state().id == new_id);
  CHECK(again.state().source == run_fixture::id_of_test());
  CHECK(again.state().seq == 1);
  CHECK(again.state().created_at == again.now);
  CHECK_FALSE(is_terminal(again.state().status));
  CHECK_FALSE(again.state().error.has_value());
  CHECK(again.state().values.contains("k"));
  CHECK(again.state().signals.size() == 1);
  REQUIRE(again.state().activations.size() == 1);
  again.tell(attempt_began{2});
  const auto& in = again.state().activations.at(2);
  CHECK(in.value.text() == "\"hello\"");
  REQUIRE(in.history.size() == 1);
  CHECK(in.history[0].result.value.text() == "\"one\"");
  CHECK(again.state().activations.at(2).attempt == 1);
  auto end = again.report(2);
  end.finished = true;
  again.tell(end);
  CHECK(again.state().status == run_status::succeeded);
}

TEST_CASE("a retry does the task that failed again, whatever its steps gave, and keeps those before it") {
  const auto begin = [](std::uint32_t number) { return output{.kind = output_kind::scope_start, .name = "t", .number = number}; };
  const auto over = [](std::uint32_t number, std::optional<failure> why = {}) {
    output out{.kind = output_kind::scope_end, .name = "t", .number = number};
    if (why) out.error = std::move(*why);
    return out;
  };
  const auto why = failed_with("runtime", "exit code 1");
  std::uint32_t before = 3;  // what was told before the task
  run_fixture run{make_plan({{.name = "a"}})};
  auto first = run.done(1, 0, {text_payload("one"), {}});
  first.outputs = {begin(1)};
  run.tell(first);
  auto second = run.done(1, 1, {text_payload("two"), {}});
  second.outputs = {over(1), begin(2)};
  SECTION("by itself") {
    second.outputs.push_back(begin(3));
    run.tell(second);
  }
  SECTION("beside a branch that is cut off, after another failed attempt at it") {
    before = 6;
    second.outputs.push_back(begin(4));
    second.outputs.push_back(over(4, why));  // caught
    second.outputs.push_back(begin(5));
    second.outputs.push_back(begin(3));
    run.tell(second);
  }
  auto last = run.failing(1, why);
  last.outputs = {over(3, why), over(5, failed_with("cancelled", "cut off")), over(2, why)};
  run.tell(last);
  REQUIRE(run.state().status == run_status::failed);

  linked again{run};
  again.tell(attempt_began{1});
  const auto& in = again.state().activations.at(1);
  REQUIRE(in.history.size() == 1);
  CHECK(in.history[0].result.value.text() == "\"one\"");
  CHECK(in.outputs_recorded == before);
}

TEST_CASE("runs that were cancelled, timed out or quarantined can be taken over") {
  run_fixture run{chain(), 1h};
  run.tell(run.done(1, 0, {text_payload("one"), {}}));
  SECTION("cancelled") {
    run.tell(cancel_command{});
    run.tell(run.failing(1, failed_with("cancelled")));
  }
  SECTION("timed out") {
    run.sleep();
    run.sleep();
  }
  SECTION("quarantined") {
    for (int i = 0; i < 3; ++i) run.tell(reopened{.unclean = true});
  }
  REQUIRE(is_terminal(run.state().status));
  const auto state = for_retry(run);
  CHECK(state.suspect_marks == 0);
  CHECK_FALSE(state.ending_as.has_value());
  CHECK(state.activations.at(1).history.size() == 1);
  linked again{run};
  CHECK_FALSE(is_terminal(again.state().status));
}

TEST_CASE("a run that succeeded, or goes on, is not taken over") {
  run_fixture run{chain()};
  CHECK(refused(run) == errc::conflict);
  SECTION("succeeded") { run.tell(run.finished(1)); }
  SECTION("still cancelling: its handlers may be cleaning up") { run.tell(cancel_command{}); }
  SECTION("one executor has failed, another one is in its grace") {
    run_fixture other{[] {
      auto of = make_plan({{.name = "a"}});
      add_edge(of, {.kind = edge_kind::direct, .from = {0}, .to = {0}});
      return of;
    }()};
    auto two = other.report(1);
    two.outputs = {{.kind = output_kind::message, .name = "m"}};
    other.tell(two);
    other.tell(other.failing(1, failed_with("e")));
    REQUIRE(other.state().status == run_status::cancelling);
    CHECK(refused(other) == errc::conflict);
    other.tell(other.finished(2));
    CHECK(for_retry(other).activations.size() == 2);
  }
  CHECK(refused(run) == errc::conflict);
}

TEST_CASE("an attempt of a run that was taken over has its time limits") {
  run_fixture run{chain({.schedule_to_start = 1s, .start_to_close = 10s, .schedule_to_close = 1min, .heartbeat = 5s})};
  run.tell(run.finished(1, {{.kind = output_kind::message, .name = "m"}}));
  run.tell(attempt_began{2});
  run.tell(run.failing(2, failed_with("e")));
  linked again{run};
  CHECK(again.state().activations.at(2).status == activation_status::pending);
  CHECK(again.state().activations.at(2).start_by == again.now + 1s);
  CHECK(again.state().activations.at(2).close_by == again.now + 1min);
  const auto started = only<attempt_started>(again.tell(attempt_began{2}));
  CHECK(started.close_by == again.now + 10s);
  CHECK(started.heartbeat == 5s);
}

TEST_CASE("the retry policy of a run that was taken over begins anew") {
  auto of = make_plan({{.name = "a", .retry = retry(2, fixed(1s)).within(1min)}});
  run_fixture run{of};
  run.tell(run.failing(1, failed_with("e")));
  run.sleep();
  run.tell(run.failing(1, failed_with("e")));
  REQUIRE(run.state().status == run_status::failed);
  linked again{run};
  again.tell(attempt_began{1});
  auto failing = again.report(1);
  failing.failed = failed_with("e");
  CHECK(only<attempt_failed>(again.tell(failing)).retry_at == again.now + 1s);
}

TEST_CASE("commands given to the old run are not known to the new one") {
  run_fixture run{chain()};
  run.tell(signal_command{"s", {}, "id"});
  run.tell(run.failing(1, failed_with("e")));
  linked again{run};
  CHECK(again.tell(signal_command{"s", {}, "id"}).size() == 1);
  CHECK(again.state().signals.size() == 2);
}

TEST_CASE("deadlines of the old run do not haunt the new one") {
  run_fixture run{chain(), 1h};
  run.tell(run.waiting(1, {{.ordinal = 0, .kind = step_kind::sleep, .name = "sleep", .delay = 10min},
                           {.ordinal = 1, .kind = step_kind::signal, .name = "s", .timeout = 20min}}));
  run.tell(pause_command{});
  run.tell(cancel_command{});
  run.tell(run.failing(1, failed_with("cancelled")));
  linked again{run};
  CHECK_FALSE(again.state().paused);
  CHECK(again.state().deadlines.empty());
  CHECK(again.state().signal_waiters.empty());
  CHECK(again.tell(wake{}).empty());
}

TEST_CASE("the workflow's time limit begins anew with the linked run") {
  auto of = chain();
  of.timeout = 1h;
  run_fixture run{of};
  run.tell(run.failing(1, failed_with("e")));
  linked again{run};
  CHECK(next_wakeup(again.state()) == again.now + 1h);
}

TEST_CASE("signals that the failed attempt took after its first failed step are there for the linked run") {
  run_fixture run{chain()};
  run.tell(run.done(1, 0, {{}, failed_with("e")}));
  run.tell(run.waiting(1, {{.ordinal = 1, .kind = step_kind::signal, .name = "s"}}));
  run.tell(signal_command{"s", text_payload("taken"), ""});
  run.tell(run.failing(1, failed_with("e")));
  linked again{run};
  again.tell(attempt_began{1});
  REQUIRE(again.state().signals.size() == 1);
  CHECK(again.state().signals[0].value.text() == "\"taken\"");
}

TEST_CASE("a run that was taken over can be taken over again") {
  run_fixture run{chain()};
  run.tell(run.done(1, 0, {text_payload("one"), {}}));
  run.tell(run.failing(1, failed_with("e")));
  linked second{run};
  std::vector<std::pair<event, timestamp>> history{
      {run_restored{.source = run_fixture::id_of_test(), .state = *encode_state(for_retry(run), nullptr)}, second.now}};
  const auto keep = [&](std::vector<event> events) {
    for (auto& each : events) history.emplace_back(std::move(each), second.now);
  };
  keep(second.tell(attempt_began{1}));
  auto report = second.report(1);
  report.done = {{.ordinal = 1, .name = "s1", .result = {text_payload("two"), {}}}};
  keep(second.tell(report));
  auto failing = second.report(1);
  failing.failed = failed_with("e");
  keep(second.tell(failing));
  const auto third = state_for_retry(history, *run_id::parse("01956000-0000-7000-8000-0000000000aa"));
  REQUIRE(third.has_value());
  CHECK(third->activations.at(1).history.size() == 2);
}

TEST_CASE("an adopted first event that is none is refused, and nothing changes") {
  machine fresh{new_id, std::make_shared<plan>(chain())};
  CHECK(fresh.adopt(run_restored{.state = "no state"}, test_epoch).error().code == errc::invalid_argument);
  CHECK(fresh.adopt(run_paused{}, test_epoch).error().code == errc::invalid_argument);
  CHECK(fresh.state().seq == 0);
  CHECK(fresh.start({.id = new_id, .message = "m"}, test_epoch).has_value());
}
