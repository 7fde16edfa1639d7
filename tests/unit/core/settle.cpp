// settle: what a state itself calls for. Reads of the run's state are answered, fan-ins fill, runs end.
#include "core/decide.hpp"

#include "perdure/limits.hpp"
#include "perdure/message.hpp"
#include "support/run_fixture.hpp"

using namespace perdure;
using namespace perdure::core;
using namespace perdure::test;

namespace {

output message_of(int value, std::string target = {}) {
  return {.kind = output_kind::message, .name = "m", .value = payload{json::value(value)}, .target = std::move(target)};
}

/// a sends to every x; each x to the fan-in, which delivers to "j".
plan joining(fan_in_mode mode, std::vector<std::string> sources = {"x", "y"}) {
  std::vector<executor_plan> executors{{.name = "a"}};
  std::vector<std::size_t> indices;
  for (const auto& each : sources) {
    indices.push_back(executors.size());
    executors.push_back({.name = each});
  }
  const auto join = executors.size();
  executors.push_back({.name = "j"});
  auto out = make_plan(std::move(executors));
  add_edge(out, {.kind = edge_kind::direct, .from = {0}, .to = indices});
  add_edge(out, {.kind = edge_kind::fan_in, .from = indices, .to = {join}, .mode = mode});
  return out;
}

std::vector<int> numbers(const activation& in) {
  CHECK(in.message == message_name<joined>);
  auto read = from_json<joined>(in.value.value());
  REQUIRE(read.has_value());
  return *read->as<int>();
}

std::vector<warning> warnings(const run_fixture& run) {
  std::vector<warning> out;
  for (const auto& [what, at] : run.history) {
    if (const auto* found = std::get_if<warning>(&what)) out.push_back(*found);
  }
  return out;
}

}  // namespace

TEST_CASE("a read of the run's state is answered with what stands there when it is journaled") {
  run_fixture run{make_plan({{.name = "a"}})};
  auto report = run.waiting(
      1, {{.ordinal = 0, .kind = step_kind::state, .name = "k"}, {.ordinal = 1, .kind = step_kind::state, .name = "none"}});
  report.outputs = {{.kind = output_kind::state, .name = "k", .value = payload{json::value(1)}},
                    {.kind = output_kind::state, .name = "k", .value = payload{json::value(2)}}};
  CHECK(count<step_completed>(run.tell(report)) == 2);
  CHECK(run.activation(1).history[0].result.value.text() == "2");
  CHECK(run.activation(1).history[1].result.value.is_null());
  CHECK(run.state().status == run_status::running);
}

TEST_CASE("a fan-in of all delivers when every source has sent, in the order of the sources") {
  run_fixture run{joining(fan_in_mode::all)};
  run.tell(run.finished(1, {message_of(0)}));  // x = 2, y = 3
  run.tell(run.finished(3, {message_of(30), message_of(31)}));
  CHECK(run.state().fan_ins.at(1).at("y").size() == 2);
  CHECK(run.state().activations.size() == 1);
  run.tell(run.finished(2, {message_of(20)}));
  CHECK(numbers(run.activation(4)) == std::vector<int>{20, 30, 31});
  CHECK(run.state().fan_ins.empty());
  run.tell(run.finished(4));
  CHECK(run.state().status == run_status::succeeded);
  CHECK(warnings(run).empty());
}

TEST_CASE("messages after a full round begin the next one, even within a turn") {
  run_fixture run{joining(fan_in_mode::all)};
  auto both = run.report(1);
  both.outputs = {message_of(0), message_of(0)};  // x = 2, y = 3, x = 4, y = 5
  both.finished = true;
  run.tell(both);
  run.tell(run.finished(2, {message_of(1)}));
  run.tell(run.finished(3, {message_of(2), message_of(3)}));  // fills the round with 2; 3 belongs to the next
  CHECK(numbers(run.activation(6)) == std::vector<int>{1, 2});
  CHECK(run.state().fan_ins.at(1).at("y").size() == 1);
  run.tell(run.finished(4, {message_of(4)}));
  CHECK(numbers(run.activation(7)) == std::vector<int>{4, 3});
  run.tell(run.finished(5));
  run.tell(run.finished(6));
  run.tell(run.finished(7));
  CHECK(run.state().status == run_status::succeeded);
  CHECK(warnings(run).empty());
}

TEST_CASE("a fan-in of any delivers the first message of each round") {
  run_fixture run{joining(fan_in_mode::any)};
  run.tell(run.finished(1, {message_of(0), message_of(0)}));  // x = 2, y = 3, x = 4, y = 5
  run.tell(run.finished(3, {message_of(30)}));
  CHECK(numbers(run.activation(6)) == std::vector<int>{30});
  run.tell(run.finished(5, {message_of(31)}));  // the same source again: the same round
  CHECK(run.state().next_activation == 7);
  run.tell(run.finished(2, {message_of(20)}));  // ends the round
  CHECK(run.state().next_activation == 7);
  CHECK(run.state().rounds.empty());
  run.tell(run.finished(4, {message_of(21)}));
  CHECK(numbers(run.activation(7)) == std::vector<int>{21});
  run.tell(run.finished(6));
  run.tell(run.finished(7));
  CHECK(run.state().status == run_status::succeeded);
  CHECK(warnings(run).empty());
}

TEST_CASE("a run that ends with an unfilled fan-in says so") {
  run_fixture run{joining(fan_in_mode::all)};
  run.tell(run.finished(1, {message_of(0)}));
  run.tell(run.finished(2, {message_of(1)}));
  run.tell(run.finished(3));
  CHECK(run.state().status == run_status::succeeded);
  REQUIRE(warnings(run).size() == 1);
  CHECK(warnings(run)[0].code == "fan_in_unfilled");
  CHECK(warnings(run)[0].text.find("1 from x") != std::string::npos);
}

TEST_CASE("what a fan-in would deliver is limited like every payload") {
  // Each message was within the limit, their sum is not: the run ends with a clear failure instead of a message that no
  // journal takes.
  run_fixture run{joining(fan_in_mode::all)};
  run.tell(run.finished(1, {message_of(0)}));
  const auto large = payload::trusted('"' + std::string(limits::payload_bytes - 1000, 'x') + '"');
  run.tell(run.finished(2, {{.kind = output_kind::message, .name = "m", .value = large}}));
  const auto events = run.tell(run.finished(3, {{.kind = output_kind::message, .name = "m", .value = large}}));
  CHECK(only<run_ended>(events).error->code == "limit");
  CHECK(run.state().status == run_status::failed);
}

TEST_CASE("a fan-in delivers messages of the deepest JSON that is taken in") {
  run_fixture run{joining(fan_in_mode::all)};
  run.tell(run.finished(1, {message_of(0)}));
  const auto deep = payload::trusted(std::string(limits::json_depth, '[') + std::string(limits::json_depth, ']'));
  run.tell(run.finished(2, {{.kind = output_kind::message, .name = "m", .value = deep}}));
  run.tell(run.finished(3, {message_of(1)}));
  const bool delivered =
      run.state().activations.contains(4) && run.activation(4).value.text().find(deep.text()) != std::string_view::npos;
  const bool refused = run.state().status == run_status::failed && run.state().error->code == "limit";
  CHECK((delivered || refused));
}

TEST_CASE("a message that no edge takes is a warning") {
  auto of = make_plan({{.name = "a"}, {.name = "b", .takes = {"n"}}});
  add_edge(of, {.kind = edge_kind::direct, .from = {0}, .to = {1}});
  run_fixture run{of};
  run.tell(run.finished(1, {message_of(1)}));
  REQUIRE(warnings(run).size() == 1);
  CHECK(warnings(run)[0].code == "undeliverable");
  CHECK(warnings(run)[0].executor == "a");
  CHECK(run.state().status == run_status::succeeded);
}

TEST_CASE("a message whose condition throws fails the attempt, and is not lost to the next one") {
  // The failing message counted as sent: the attempt after it skipped it as already recorded, and the run succeeded
  // without it.
  auto of = make_plan({{.name = "a", .retry = retry(2)}, {.name = "b"}});
  int asked = 0;
  add_edge(
      of,
      {.kind = edge_kind::conditional, .from = {0}, .to = {1}, .condition = [&](std::string_view, const payload& value) -> bool {
         if (value.text() == "2" && ++asked == 1) throw std::runtime_error("not now");
         return true;
       }});
  run_fixture run{of};
  const auto events = run.tell(run.finished(1, {message_of(1), message_of(2), message_of(3)}));
  CHECK(only<attempt_failed>(events).error.message.find("not now") != std::string::npos);
  CHECK(run.activation(1).messages_emitted == 1);  // the driver will report the second and third again
  CHECK(run.state().activations.size() == 2);
  run.wake();
  run.tell(run.finished(1, {message_of(2), message_of(3)}));
  CHECK(run.activation(3).value.text() == "2");
  CHECK(run.activation(4).value.text() == "3");
}

TEST_CASE("a cycle ends with its bound") {
  auto of = make_plan({{.name = "a", .retry = retry(5)}});
  add_edge(of, {.kind = edge_kind::direct, .from = {0}, .to = {0}});
  of.max_activations = 3;
  run_fixture run{of};
  run.tell(run.finished(1, {message_of(1)}));
  run.tell(run.finished(2, {message_of(2)}));
  const auto end = only<run_ended>(run.tell(run.finished(3, {message_of(3)})));
  CHECK(end.status == run_status::failed);
  CHECK(end.error->code == "limit");
  CHECK(end.error->message.find("with_max_activations") != std::string::npos);
}

TEST_CASE("activations that are alive at once are limited") {
  auto of = make_plan({{.name = "a"}});
  add_edge(of, {.kind = edge_kind::direct, .from = {0}, .to = {0}});
  run_fixture run{of};
  std::vector<output> outputs(limits::live_activations, message_of(1));
  const auto events = run.tell(run.finished(1, std::move(outputs)));
  CHECK(only<run_ended>(events).error->message.find("live_activations") != std::string::npos);
}

TEST_CASE("the failure of one executor cancels the others and ends the run as failed") {
  run_fixture run{joining(fan_in_mode::all)};
  run.tell(run.finished(1, {message_of(0)}));
  run.tell(run.waiting(3, {{.ordinal = 0, .kind = step_kind::signal, .name = "never"}}));
  const auto events = run.tell(run.failing(2, failed_with("broken")));
  const auto cancel = only<cancel_requested>(events);
  CHECK(cancel.as == run_status::failed);
  CHECK(run.state().status == run_status::cancelling);
  const auto end = only<run_ended>(run.tell(run.failing(3, failed_with("cancelled"))));
  CHECK(end.status == run_status::failed);
  CHECK(end.error->code == "broken");
  CHECK(end.error->executor == "x");
}

TEST_CASE("the run's output is the last that was yielded") {
  run_fixture run{make_plan({{.name = "a"}})};
  const auto end = only<run_ended>(run.tell(run.finished(1, {{.kind = output_kind::output, .value = text_payload("1")},
                                                             {.kind = output_kind::output, .value = text_payload("2")}})));
  CHECK(end.output.text() == "\"2\"");
  CHECK(run.state().outputs.size() == 2);
}

TEST_CASE("a turn that no record can take fails instead of being tried for ever") {
  // Results that were small each, but over record_bytes together, were refused by the journal, decided again after the
  // reload, refused again, without end (as pydantic-ai 7157 did with a payload over its limit).
  run_fixture run{make_plan({{.name = "a", .retry = retry(0)}})};
  const auto size = limits::inline_payload_bytes;
  auto report = run.report(1);
  for (step_ordinal i = 0; i < 2 * limits::record_bytes / size; ++i) {
    report.done.push_back({.ordinal = i, .name = "s", .result = {payload::trusted('"' + std::string(size - 2, 'x') + '"'), {}}});
  }
  const auto events = run.machine.execute(report, run.now);
  REQUIRE(events.has_value());
  for (const auto& each : *events) CHECK(encode(each, nullptr)->size() <= limits::record_bytes);
  const auto end = only<run_ended>(*events);
  CHECK(end.error->code == "limit");
  CHECK(end.error->message.find("record_bytes") != std::string::npos);
}

TEST_CASE("an event that does not fit the state ends the machine, not the process") {
  run_fixture run{make_plan({{.name = "a"}})};
  run.tell(run.waiting(1, {{.ordinal = 0, .kind = step_kind::signal, .name = "go"}}));
  auto state = run.state();
  // Two signals under one number, which no journal of ours can lead to: the second one is wanted, the first one is found.
  state.signals = {{5, "other", {}}, {5, "go", {}}};
  machine broken{state, run.plan};
  std::size_t recorded = 0;
  broken.observe([&](const event&, const run_state&) { ++recorded; });
  CHECK_THROWS_AS(broken.execute(reopened{}, run.now), broken_invariant);
  CHECK(recorded == 0);
}
