// What ties a run to others, decided and applied: children, the outbox, compensations, continuing as new, forks.
#include "core/links.hpp"

#include "core/effects.hpp"
#include "support/run_fixture.hpp"

using namespace perdure;
using namespace perdure::core;
using namespace perdure::test;

namespace {

payload child_args(parent_close close = parent_close::cancel, bool awaits = false, json::value input = 7) {
  return payload{json::value{{"workflow", "other"},
                             {"message", "m"},
                             {"input", std::move(input)},
                             {"close", static_cast<int>(close)},
                             {"await", awaits}}};
}
wait_request child_step(step_ordinal ordinal, parent_close close = parent_close::cancel, bool awaits = false,
                        json::value input = 7) {
  return {.ordinal = ordinal, .kind = step_kind::child, .name = "other", .args = child_args(close, awaits, std::move(input))};
}
output undo(std::string name) {
  return {.kind = output_kind::compensation, .name = "m", .value = text_payload(name), .target = "undo"};
}

plan of_two() { return make_plan({{.name = "a"}, {.name = "undo", .retry = retry(2, fixed(1s))}}); }

run_id only_child(const run_fixture& run) {
  REQUIRE(run.state().children.size() == 1);
  return run.state().children.begin()->first;
}
/// The first message of the outbox is acknowledged.
std::vector<event> deliver(run_fixture& run, std::optional<failure> why = std::nullopt) {
  REQUIRE_FALSE(run.state().outbox.empty());
  return run.tell(delivered_command{run.state().outbox.begin()->first, std::move(why)});
}
child_ended_command end_of(const run_id& child, run_status status = run_status::succeeded) {
  child_ended_command out{.child = child, .status = status, .output = text_payload("result")};
  if (status != run_status::succeeded) out.error = failed_with("broken");
  return out;
}

}  // namespace

TEST_CASE("a child step puts the child's start into the outbox, and completes when it is acknowledged") {
  run_fixture run{of_two()};
  run.tell(run.waiting(1, {child_step(0)}));
  const auto child = only_child(run);
  CHECK(run.state().children.at(child).stage == child_stage::starting);
  REQUIRE(outstanding(run.state()).deliveries.size() == 1);
  CHECK(run.state().outbox.begin()->second.to == child);
  CHECK(has_work(run.state()));
  const auto events = deliver(run);
  CHECK(only<step_completed>(events).result.value.text() == R"({"run_id":")" + child.str() + "\"}");
  CHECK(run.state().children.at(child).stage == child_stage::running);
  CHECK(outstanding(run.state()).deliveries.empty());
}

TEST_CASE("a child that could not be started fails its step with the reason, and the step may start another") {
  run_fixture run{of_two()};
  run.tell(run.waiting(1, {child_step(0)}));
  const auto first = only_child(run);
  CHECK(only<step_completed>(deliver(run, failed_with("workflow_unknown"))).result.error->code == "workflow_unknown");
  CHECK(run.state().children.at(first).stage == child_stage::refused);
}

TEST_CASE("an awaited child's step completes with its output, or with its failure as the cause") {
  for (const bool good : {true, false}) {
    run_fixture run{of_two()};
    run.tell(run.waiting(1, {child_step(0, parent_close::cancel, true)}));
    const auto child = only_child(run);
    CHECK(count<step_completed>(deliver(run)) == 0);
    CHECK(may_park(run.state()));
    const auto events = run.tell(end_of(child, good ? run_status::succeeded : run_status::failed));
    const auto done = only<step_completed>(events);
    if (good) {
      CHECK(done.result.value.text() == "\"result\"");
    } else {
      REQUIRE(done.result.error);
      CHECK(done.result.error->code == failure_code::child_failed);
      REQUIRE(done.result.error->causes.size() == 1);
      CHECK(done.result.error->causes[0].code == "broken");
    }
    CHECK(run.ignored(end_of(child)));
  }
}

TEST_CASE("a child may end before its start was acknowledged, and its result is there for whoever asks later") {
  run_fixture run{of_two()};
  run.tell(run.waiting(1, {child_step(0)}));
  const auto child = only_child(run);
  CHECK(count<step_completed>(run.tell(end_of(child))) == 1);  // it has begun, so the step is done
  deliver(run);
  CHECK(run.state().children.at(child).stage == child_stage::ended);
  const payload asks{json::value{{"run", child.str()}}};
  const auto events = run.tell(run.waiting(1, {{.ordinal = 1, .kind = step_kind::child_result, .name = "child", .args = asks}}));
  CHECK(only<step_completed>(events).result.value.text() == "\"result\"");
}

TEST_CASE("a step that is done again with the same request has the same child, with another request another one") {
  run_fixture run{make_plan({{.name = "a", .retry = retry(5, fixed(1s))}})};
  run.tell(run.waiting(1, {child_step(0)}));
  const auto child = only_child(run);
  deliver(run);
  auto failed = run.failing(1, failed_with("e"));
  // The child's step came first, so the next attempt keeps it; a later one is done again.
  run.tell(run.done(1, 1, {{}, failed_with("e")}));
  run.tell(run.waiting(1, {child_step(2, parent_close::cancel, false, 1)}));
  deliver(run);
  REQUIRE(run.state().children.size() == 2);
  run.tell(failed);
  run.sleep();
  run.tell(run.done(1, 1));
  run.tell(run.waiting(1, {child_step(2, parent_close::cancel, false, 1)}));
  CHECK(run.state().children.size() == 2);
  CHECK(run.activation(1).history.back().ordinal == 2);  // known already, so it completed at once
  run.tell(run.failing(1, failed_with("e")));
  CHECK(run.state().children.contains(child));
}

TEST_CASE("another request at the same step is another child") {
  run_fixture run{make_plan({{.name = "a", .retry = retry(5, fixed(1s))}})};
  run.tell(run.done(1, 0, {{}, failed_with("e")}));
  run.tell(run.waiting(1, {child_step(1, parent_close::cancel, false, 1)}));
  deliver(run);
  run.tell(run.failing(1, failed_with("e")));
  run.sleep();
  run.tell(run.done(1, 0));
  run.tell(run.waiting(1, {child_step(1, parent_close::cancel, false, 2)}));
  CHECK(run.state().children.size() == 2);
}

TEST_CASE("when a parent ends, its children are cancelled, waited for, or left alone, as was said") {
  for (const auto close : {parent_close::cancel, parent_close::wait, parent_close::abandon}) {
    run_fixture run{of_two()};
    run.tell(run.waiting(1, {child_step(0, close)}));
    const auto child = only_child(run);
    deliver(run);
    run.tell(run.finished(1));
    if (close == parent_close::wait) {
      CHECK(run.state().status == run_status::waiting);
      CHECK(run.state().outbox.empty());
      run.tell(end_of(child));
      CHECK(run.state().status == run_status::succeeded);
      CHECK(run.state().outbox.empty());
      continue;
    }
    CHECK(run.state().status == run_status::succeeded);
    CHECK(run.state().outbox.size() == (close == parent_close::cancel ? 1 : 0));
    CHECK(has_work(run.state()) == (close == parent_close::cancel));
    if (close == parent_close::abandon) continue;
    CHECK(run.state().outbox.begin()->second.kind == outgoing_kind::cancel);
    deliver(run);
    CHECK_FALSE(has_work(run.state()));
  }
}

TEST_CASE("a parent that is cancelled asks its children to cancel at once, and ends after those it waits for") {
  run_fixture run{of_two()};
  run.tell(run.waiting(1, {child_step(0, parent_close::wait)}));
  const auto child = only_child(run);
  deliver(run);
  run.tell(cancel_command{"enough"});
  REQUIRE(run.state().outbox.size() == 1);
  CHECK(run.state().outbox.begin()->second.name == "enough");
  run.tell(run.finished(1));
  CHECK(run.state().status == run_status::cancelling);
  deliver(run);
  CHECK(may_park(run.state()));
  run.pass(1h);
  CHECK(run.state().status == run_status::cancelling);
  run.tell(end_of(child, run_status::cancelled));
  CHECK(run.state().status == run_status::cancelled);
}

TEST_CASE("the grace of a cancel ends activations, not the wait for a child") {
  run_fixture run{of_two()};
  run.tell(run.waiting(1, {child_step(0, parent_close::wait)}));
  const auto child = only_child(run);
  deliver(run);
  run.tell(cancel_command{});
  deliver(run);
  CHECK(count<grace_passed>(run.sleep()) == 1);
  CHECK(run.state().status == run_status::cancelling);
  CHECK(run.state().activations.empty());
  run.tell(end_of(child, run_status::cancelled));
  CHECK(run.state().status == run_status::cancelled);
}

TEST_CASE("messages to one run go one after the other, to different runs side by side") {
  run_fixture run{of_two()};
  run.tell(run.waiting(1, {child_step(0), child_step(1)}));
  CHECK(outstanding(run.state()).deliveries.size() == 2);
  run.tell(cancel_command{});
  CHECK(run.state().outbox.size() == 4);
  CHECK(outstanding(run.state()).deliveries == std::set<std::uint64_t>{1, 2});  // starts before cancels
  deliver(run);
  const auto next = outstanding(run.state()).deliveries;
  CHECK(next.size() == 2);
  CHECK(run.state().outbox.at(*next.rbegin()).kind == outgoing_kind::cancel);
  CHECK(run.state().outbox.at(*next.rbegin()).to != run.state().outbox.at(2).to);
}

TEST_CASE("a child tells its parent how it ended, until that is acknowledged") {
  const auto parent = *run_id::parse("01956000-0000-7000-8000-0000000000aa");
  const auto known_as = *run_id::parse("01956000-0000-7000-8000-0000000000ab");
  machine child{known_as, std::make_shared<plan>(of_two())};
  REQUIRE(child.start({.id = known_as, .message = "m", .parent = parent_link{parent, known_as}}, test_epoch).has_value());
  attempt_report end{.activation = 1, .attempt = 1, .finished = true};
  end.outputs = {{.kind = output_kind::output, .value = text_payload("out")}};
  REQUIRE(child.execute(end, test_epoch).has_value());
  REQUIRE(child.state().outbox.size() == 1);
  const auto& told = child.state().outbox.begin()->second;
  CHECK(told.kind == outgoing_kind::child_end);
  CHECK(told.to == parent);
  CHECK(told.child == known_as);
  CHECK(told.status == run_status::succeeded);
  CHECK(told.value.text() == "\"out\"");
  CHECK(has_work(child.state()));
  REQUIRE(child.execute(delivered_command{1, std::nullopt}, test_epoch).has_value());
  CHECK_FALSE(has_work(child.state()));
  CHECK(child.execute(delivered_command{1, std::nullopt}, test_epoch)->empty());
}

TEST_CASE("a signal to another run completes its step when it is taken, and fails it when it is refused") {
  const auto to = run_id::make();
  for (const bool taken : {true, false}) {
    run_fixture run{of_two()};
    const payload args{json::value{{"what", "signal"}, {"to", to.str()}, {"name", "go"}, {"value", 5}}};
    run.tell(run.waiting(1, {{.ordinal = 0, .kind = step_kind::tell, .name = "go", .args = args}}));
    const auto& message = run.state().outbox.at(1);
    CHECK(message.to == to);
    CHECK(message.name == "go");
    CHECK(message.value.text() == "5");
    const auto done = only<step_completed>(deliver(run, taken ? std::nullopt : std::optional{failed_with("not_delivered")}));
    CHECK(done.result.error.has_value() != taken);
  }
}

TEST_CASE("compensations run last first after a failure, and the run ends with its own failure") {
  run_fixture run{of_two()};
  auto first = run.report();
  first.outputs = {undo("one"), undo("two")};
  run.tell(first);
  run.tell(run.failing(1, failed_with("broken")));
  CHECK(run.state().status == run_status::compensating);
  CHECK(run.activation(2).executor == "undo");
  CHECK(run.activation(2).value.text() == "\"two\"");
  CHECK(run.refused(pause_command{}) == errc::conflict);
  run.tell(run.finished(2));
  CHECK(run.activation(3).value.text() == "\"one\"");
  run.tell(run.finished(3));
  CHECK(run.state().status == run_status::failed);
  CHECK(run.state().error->code == "broken");
}

TEST_CASE("a run that succeeds compensates nothing; one that is cancelled or times out does") {
  {
    run_fixture run{of_two()};
    auto last = run.finished(1, {undo("one")});
    run.tell(last);
    CHECK(run.state().status == run_status::succeeded);
  }
  for (const bool late : {false, true}) {
    run_fixture run{of_two(), late ? 10s : 0s};
    run.tell(run.waiting(1, {{.ordinal = 0, .name = "sleep", .delay = 1h}}));
    auto said = run.report();
    said.outputs = {undo("one")};
    said.waits = true;
    run.tell(said);
    if (late) {
      run.pass(10s);
    } else {
      run.tell(cancel_command{});
    }
    CHECK(run.state().status == run_status::cancelling);
    run.tell(run.finished(1));
    CHECK(run.state().status == run_status::compensating);
    run.tell(run.finished(2));
    CHECK(run.state().status == (late ? run_status::timed_out : run_status::cancelled));
  }
}

TEST_CASE("a compensation is retried by its executor's policy, waits for its backoff without an actor, and may fail") {
  run_fixture run{of_two()};
  auto said = run.report();
  said.outputs = {undo("one"), undo("two")};
  run.tell(said);
  run.tell(run.failing(1, failed_with("broken")));
  run.tell(run.failing(2, failed_with("stuck")));
  CHECK(run.activation(2).status == activation_status::retrying);
  CHECK(may_park(run.state()));
  run.sleep();
  CHECK(run.activation(2).attempt == 2);
  run.tell(run.failing(2, failed_with("stuck")));
  CHECK(run.activation(3).value.text() == "\"one\"");  // the others are done nevertheless
  run.tell(run.finished(3));
  CHECK(run.state().status == run_status::failed);
  REQUIRE(run.state().error->causes.size() == 2);
  CHECK(run.state().error->code == failure_code::compensation);
  CHECK(run.state().error->causes[0].code == "broken");
  CHECK(run.state().error->causes[1].code == "stuck");
}

TEST_CASE("a compensation may sleep, and its steps are retried, although the run is ending") {
  run_fixture run{of_two()};
  auto said = run.report();
  said.outputs = {undo("one")};
  run.tell(said);
  run.tell(run.failing(1, failed_with("broken")));
  run.tell(run.waiting(2, {{.ordinal = 0, .name = "sleep", .delay = 1h}}));
  CHECK(run.state().status == run_status::compensating);
  CHECK(may_park(run.state()));
  run.sleep();
  CHECK(run.activation(2).history.size() == 1);
  const auto retried = run.tell(run.done(2, 1, {{}, failed_with("busy")}, retry(3, fixed(1s))));
  CHECK(count<step_retrying>(retried) == 1);
}

TEST_CASE("compensation of an executor that is not there, or with a message it does not take, is refused when it is said") {
  auto plan = of_two();
  plan.executors[1].takes = {"n"};
  for (const auto* target : {"undo", "nobody"}) {
    run_fixture run{plan};
    auto said = run.report();
    said.outputs = {undo("one")};
    said.outputs[0].target = target;
    run.tell(said);
    CHECK(run.state().status == run_status::failed);
    CHECK(run.state().error->code == failure_code::bad_message);
  }
}

TEST_CASE("what was compensated is done again from the beginning when the run is retried") {
  run_fixture run{of_two()};
  auto said = run.done(1, 0, {text_payload("reserved"), {}});
  said.outputs = {undo("one")};
  run.tell(said);
  run.tell(run.failing(1, failed_with("broken")));
  run.tell(run.finished(2));
  const auto state = state_for_retry(run.history, run_id::make(), run.plan.get(), test_epoch);
  REQUIRE(state.has_value());
  REQUIRE(state->activations.size() == 1);
  CHECK(state->activations.at(1).history.empty());
  CHECK(state->compensations.empty());
}

namespace {

output again(std::string_view message = "m") {
  return {.kind = output_kind::continuation, .name = std::string{message}, .value = text_payload("next")};
}
plan with_edge() {
  auto out = of_two();
  add_edge(out, {.kind = edge_kind::direct, .from = {0}, .to = {1}});
  return out;
}
/// Another activation asks, and waits for the answer.
void ask_beside(run_fixture& run, const payload& question) {
  auto sends = run.report(1);
  sends.outputs = {{.kind = output_kind::message, .name = "m"}};
  run.tell(sends);
  run.tell(run.waiting(2, {{.ordinal = 0, .kind = step_kind::request, .name = "request", .args = question}}));
}
run_state successor_of(const run_fixture& run) {
  REQUIRE(run.state().status == run_status::continued_as_new);
  REQUIRE(run.state().outbox.size() == 1);
  const auto& message = run.state().outbox.begin()->second;
  CHECK(message.kind == outgoing_kind::continue_run);
  CHECK(message.to == run.state().successor);
  machine next{message.to, run.plan};
  auto events = next.adopt(
      run_restored{.source = run_fixture::id_of_test(), .state = message.state, .link = restore_link::continued}, run.now);
  REQUIRE(events.has_value());
  return next.state();
}

}  // namespace

TEST_CASE("a run that continues as new hands on what nobody consumed, and begins with the new message") {
  run_fixture run{with_edge(), 5h};
  run.tell(run.waiting(1, {child_step(0)}));
  run.tell(signal_command{"later", text_payload("kept"), "c1"});
  const payload question{json::value("ship?")};
  ask_beside(run, question);
  run.tell(run.finished(1, {again()}));
  const auto next = successor_of(run);
  CHECK(next.link == restore_link::continued);
  CHECK(next.message == "m");
  CHECK(next.input.text() == "\"next\"");
  REQUIRE(next.activations.size() == 1);
  CHECK(next.activations.at(1).executor == "a");
  CHECK(next.activations.at(1).attempt == 0);
  CHECK(next.signals.size() == 1);
  CHECK(next.deadline_at == test_epoch + 5h);
  CHECK(next.children.size() == 1);
  CHECK(next.outbox.size() == 1);  // the child's start, not acknowledged yet
  REQUIRE(next.carried.size() == 1);
  CHECK(next.carried[0].id == "2.0");
  CHECK(next.outputs.empty());
}

TEST_CASE("a signal in the record that continues as new is not lost") {
  run_fixture run{of_two()};
  run.tell(signal_command{"s", text_payload("first"), {}});
  run.tell(run.finished(1, {again()}));
  CHECK(run.refused(signal_command{"s", {}, {}}) == errc::conflict);  // the actor passes it on instead
  CHECK(successor_of(run).signals.size() == 1);
}

TEST_CASE("an open request is answered under its old name, before or after the next run asks it again") {
  const payload question{json::value("ship?")};
  run_fixture run{with_edge()};
  ask_beside(run, question);
  run.tell(run.finished(1, {again()}));
  const auto state = successor_of(run);
  for (const bool before : {true, false}) {
    machine next{state, run.plan};
    const auto tell = [&](command what) {
      auto events = next.execute(what, test_epoch);
      if (!events) FAIL(events.error().message);
      return std::move(*events);
    };
    const auto answer = respond_command{"2.0", text_payload("yes"), {}, run_fixture::id_of_test()};
    tell(attempt_began{1});
    if (before) CHECK(count<request_answered>(tell(answer)) == 1);
    const attempt_report asks{.activation = 1,
                              .attempt = 1,
                              .issued = {{.ordinal = 0, .kind = step_kind::request, .name = "request", .args = question}},
                              .waits = true};
    const auto asked = tell(asks);
    const auto done = only<step_completed>(before ? asked : tell(answer));
    CHECK(done.result.value.text() == "\"yes\"");
    CHECK(next.state().carried.empty());
    CHECK(next.execute(answer, test_epoch).error().code == errc::not_found);
  }
}

TEST_CASE("a fork shares the events up to one, and does the rest by itself") {
  run_fixture run{of_two()};
  run.tell(run.done(1, 0, {text_payload("good"), {}}));
  run.tell(run.done(1, 1, {text_payload("bad"), {}}));
  run.tell(run.finished(1));
  const auto id = run_id::make();
  const auto state = state_for_fork(run.history, id, 2, run.plan.get(), test_epoch + 1h);
  REQUIRE(state.has_value());
  REQUIRE(state->activations.at(1).history.size() == 1);
  CHECK(state->activations.at(1).history[0].result.value.text() == "\"good\"");
  CHECK(state_for_fork(run.history, id, 99).error().code == errc::not_found);
  CHECK(state_for_fork(run.history, id, 0).error().code == errc::not_found);
  CHECK(state_for_fork(run.history, id, run.history.size()).error().code == errc::conflict);
}

TEST_CASE("children that were going on are started again as its own by a run that takes the state over") {
  run_fixture run{of_two()};
  run.tell(run.waiting(1, {child_step(0)}));
  const auto child = only_child(run);
  deliver(run);
  const auto state = state_for_fork(run.history, run_id::make(), run.history.size(), run.plan.get(), test_epoch);
  REQUIRE(state.has_value());
  REQUIRE(state->children.contains(child));
  CHECK(state->children.at(child).run != child);
  CHECK(state->children.at(child).stage == child_stage::starting);
  REQUIRE(state->outbox.size() == 1);
  CHECK(state->outbox.begin()->second.to == state->children.at(child).run);
}

TEST_CASE("background work that fails is a warning, or fails the run when that was asked for") {
  for (const bool fatal : {false, true}) {
    run_fixture run{of_two()};
    auto step = child_step(0);
    auto args = step.args.value();
    args.get_object()["background"] = true;
    args.get_object()["start"] = "undo";
    args.get_object()["fails_run"] = fatal;
    step.args = payload{args};
    run.tell(run.waiting(1, {step}));
    const auto child = only_child(run);
    CHECK(run.state().children.at(child).workflow == "w");
    CHECK(run.state().children.at(child).definition_hash == "h");
    deliver(run);
    const auto events = run.tell(end_of(child, run_status::failed));
    CHECK(count<warning>(events) == (fatal ? 0 : 1));
    CHECK(run.state().status == (fatal ? run_status::cancelling : run_status::running));
  }
}

TEST_CASE("background work that is waited for may fail after everything else has ended") {
  // Its warning came after the event with which the run ended: an invariant broke, and with it the process, at every open.
  for (const auto end : {run_status::failed, run_status::timed_out, run_status::cancelled, run_status::succeeded}) {
    run_fixture run{of_two()};
    auto step = child_step(0, parent_close::wait);
    auto args = step.args.value();
    args.get_object()["background"] = true;
    args.get_object()["start"] = "undo";
    step.args = payload{args};
    run.tell(run.waiting(1, {step}));
    const auto child = only_child(run);
    deliver(run);
    run.tell(run.finished(1));
    REQUIRE_FALSE(is_terminal(run.state().status));
    const auto events = run.tell(end_of(child, end));
    CHECK(count<warning>(events) == (end == run_status::failed || end == run_status::timed_out ? 1 : 0));
    CHECK(run.state().status == run_status::succeeded);
  }
}

TEST_CASE("states and first events of the older format are read") {
  run_fixture run{of_two()};
  const auto bytes = encode(run.history.front().first, nullptr);
  REQUIRE(bytes.has_value());
  // The members that schemas 2 and 3 added are the last two bytes: an absent parent, a trace without characters.
  for (std::uint8_t schema = 1; schema <= 2; ++schema) {
    const auto part = std::string_view{*bytes}.substr(0, bytes->size() - (3U - schema));
    const auto old = decode(event_kind::run_started, schema, part, nullptr);
    REQUIRE(old.has_value());
    CHECK(same(*old, run.history.front().first));
  }
}
