// Signals of a run: who takes which, one by one and several at once.
#include "core/signals.hpp"

#include "perdure/limits.hpp"
#include "support/run_fixture.hpp"

using namespace perdure;
using namespace perdure::core;
using namespace perdure::test;

namespace {

wait_request for_signal(step_ordinal ordinal, std::string name) {
  return {.ordinal = ordinal, .kind = step_kind::signal, .name = std::move(name)};
}
wait_request for_signals(step_ordinal ordinal, std::string name, std::size_t most) {
  return {.ordinal = ordinal, .kind = step_kind::signals, .name = std::move(name), .args = perdure::detail::batch_args(most)};
}
output message_of(int value) { return {.kind = output_kind::message, .name = "m", .value = payload{json::value(value)}}; }
void signal(run_fixture& run, const std::string& name, std::initializer_list<const char*> texts) {
  for (const auto* each : texts) run.tell(signal_command{name, text_payload(each), ""});
}
std::string kept(const run_fixture& run) {
  std::string out;
  for (const auto& each : run.state().signals) out += each.name + std::string{each.value.text()};
  return out;
}

}  // namespace

TEST_CASE("a signal waits for its waiter, a waiter for its signal") {
  run_fixture run{make_plan({{.name = "a"}})};
  SECTION("signal first") {
    run.tell(signal_command{"s", text_payload("hello"), ""});
    CHECK(run.state().signals.size() == 1);
    const auto events = run.tell(run.waiting(1, {for_signal(0, "s")}));
    CHECK(only<step_completed>(events).result.value.text() == "\"hello\"");
  }
  SECTION("waiter first") {
    run.tell(run.waiting(1, {for_signal(0, "s")}));
    CHECK(run.state().status == run_status::waiting);
    const auto events = run.tell(signal_command{"s", text_payload("hello"), ""});
    CHECK(only<step_completed>(events).result.value.text() == "\"hello\"");
  }
  CHECK(run.state().signals.empty());
  CHECK(run.state().signal_waiters.empty());
  CHECK(run.state().status == run_status::running);
}

TEST_CASE("signals go to waiters of their name, oldest signal to oldest waiter") {
  auto of = make_plan({{.name = "a"}});
  add_edge(of, {.kind = edge_kind::direct, .from = {0}, .to = {0}});
  run_fixture run{of};
  auto first = run.waiting(1, {});
  first.outputs = {message_of(1)};
  run.tell(first);  // activation 2
  run.tell(run.waiting(2, {for_signal(0, "s"), for_signal(1, "t")}));
  run.now += 1s;
  run.tell(run.waiting(1, {for_signal(0, "s"), for_signal(1, "s")}));
  run.tell(signal_command{"other", {}, ""});
  const auto completed = [&](const char* name, const char* text) {
    return only<step_completed>(run.tell(signal_command{name, text_payload(text), ""}));
  };
  auto got = completed("s", "1");
  CHECK((got.activation == 2 && got.ordinal == 0));  // it waits longer, though its number is higher
  got = completed("s", "2");
  CHECK((got.activation == 1 && got.ordinal == 0));
  got = completed("s", "3");
  CHECK((got.activation == 1 && got.ordinal == 1));
  got = completed("t", "4");
  CHECK((got.activation == 2 && got.ordinal == 1));
  CHECK(run.state().signals.size() == 1);  // "other"
  run.tell(signal_command{"s", text_payload("5"), ""});
  run.tell(signal_command{"s", text_payload("6"), ""});
  const auto events = run.tell(run.waiting(1, {for_signal(2, "s"), for_signal(3, "s"), for_signal(4, "s")}));
  CHECK(count<step_completed>(events) == 2);
  CHECK(run.activation(1).history[2].result.value.text() == "\"5\"");
  CHECK(run.activation(1).history[3].result.value.text() == "\"6\"");
  CHECK(run.activation(1).pending.size() == 1);
}

TEST_CASE("a waiter that timed out or was cancelled takes no signal") {
  run_fixture run{make_plan({{.name = "a"}})};
  auto limited = for_signal(0, "s");
  limited.timeout = 1s;
  run.tell(run.waiting(1, {limited, for_signal(1, "s"), for_signal(2, "s")}));
  run.pass(1s);
  auto dropped = run.waiting(1, {});
  dropped.cancelled = {1};
  run.tell(dropped);
  CHECK(only<step_completed>(run.tell(signal_command{"s", {}, ""})).ordinal == 2);
}

TEST_CASE("a signal that a failed attempt took is there for the next attempt") {
  // The sender was told that the run has it. The attempt that took it failed before it got anywhere, the next one keeps
  // only the steps before the first failed one, and waits for the signal again: for ever, were it gone.
  run_fixture run{make_plan({{.name = "a", .retry = retry(3)}})};
  run.tell(run.done(1, 0, {{}, failed_with("e")}));
  run.tell(run.waiting(1, {for_signal(1, "s"), for_signal(2, "s"), for_signal(3, "t")}));
  for (const auto* each : {"1", "2"}) run.tell(signal_command{"s", text_payload(each), ""});
  run.tell(run.done(1, 4));
  run.tell(run.failing(1, failed_with("e")));
  run.tell(signal_command{"s", text_payload("3"), ""});
  run.wake();
  REQUIRE(run.activation(1).attempt == 2);
  REQUIRE(run.activation(1).history.empty());
  const auto events = run.tell(run.waiting(1, {for_signal(0, "s"), for_signal(1, "s"), for_signal(2, "s")}));
  CHECK(count<step_completed>(events) == 3);
  const auto& history = run.activation(1).history;
  REQUIRE(history.size() == 3);
  CHECK(history[0].result.value.text() == "\"1\"");
  CHECK(history[1].result.value.text() == "\"2\"");
  CHECK(history[2].result.value.text() == "\"3\"");
}

TEST_CASE("several signals are taken at once, oldest first, and only those of the name") {
  run_fixture run{make_plan({{.name = "a"}})};
  signal(run, "s", {"1"});
  signal(run, "t", {"2"});
  signal(run, "s", {"3", "4", "5"});
  auto taken = only<step_completed>(run.tell(run.waiting(1, {for_signals(0, "s", 3)})));
  CHECK(taken.result.value.text() == R"(["1","3","4"])");
  CHECK(kept(run) == R"(t"2"s"5")");
  taken = only<step_completed>(run.tell(run.waiting(1, {for_signals(1, "s", 3)})));
  CHECK(taken.result.value.text() == R"(["5"])");
  run.tell(run.waiting(1, {for_signals(2, "s", 3)}));
  CHECK(run.state().status == run_status::waiting);
  taken = only<step_completed>(run.tell(signal_command{"s", text_payload("6"), ""}));
  CHECK(taken.result.value.text() == R"(["6"])");
  CHECK(kept(run) == R"(t"2")");
}

TEST_CASE("what is taken at once keeps within its bytes, and a large signal comes alone") {
  run_fixture run{make_plan({{.name = "a"}})};
  const std::string large(limits::signal_batch_bytes * 3 / 4, 'x');
  signal(run, "s", {"small", large.c_str(), large.c_str(), "end"});
  const auto sizes = [&](step_ordinal ordinal) {
    return only<step_completed>(run.tell(run.waiting(1, {for_signals(ordinal, "s", 100)})))
        .result.value.value()
        .as_array()
        .size();
  };
  CHECK(sizes(0) == 2);
  CHECK(sizes(1) == 2);
  const std::string larger(limits::signal_batch_bytes * 2, 'y');
  signal(run, "s", {larger.c_str(), "end"});
  CHECK(sizes(2) == 1);
  CHECK(sizes(3) == 1);
}

TEST_CASE("signals that a failed attempt took at once are there for the next attempt, in their order") {
  run_fixture run{make_plan({{.name = "a", .retry = retry(3)}})};
  run.tell(run.done(1, 0, {{}, failed_with("e")}));
  signal(run, "s", {"1", "2"});
  run.tell(run.waiting(1, {for_signals(1, "s", 9)}));
  run.tell(run.failing(1, failed_with("e")));
  signal(run, "s", {"3"});
  run.wake();
  REQUIRE(run.activation(1).attempt == 2);
  CHECK(kept(run) == R"(s"1"s"2"s"3")");
  CHECK(only<step_completed>(run.tell(run.waiting(1, {for_signals(0, "s", 9)}))).result.value.text() == R"(["1","2","3"])");
}

TEST_CASE("a wait for several signals that is over its time takes none") {
  run_fixture run{make_plan({{.name = "a"}})};
  auto limited = for_signals(0, "s", 9);
  limited.timeout = 1s;
  run.tell(run.waiting(1, {limited}));
  run.pass(1s);
  CHECK(run.activation(1).history.back().result.error->code == failure_code::timeout);
  signal(run, "s", {"1"});
  CHECK(kept(run) == R"(s"1")");
}

TEST_CASE("how many signals are taken at once has a limit that is told") {
  for (const std::size_t most : {std::size_t{0}, limits::signal_batch + 1}) {
    CHECK_THROWS_AS(perdure::detail::batch_args(most), step_error);
  }
}
