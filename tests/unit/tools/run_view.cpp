#include "tools/view/run_view.hpp"

#include "core/resume_message.hpp"
#include "support/catch.hpp"
#include "unit/tools/teller.hpp"

using namespace perdure;
using namespace perdure::core;
using perdure::test::json_payload;
using perdure::test::teller;

namespace {

turn sends(activation_id from, activation_id to, std::string executor) {
  turn out{.activation = from, .attempt = 1, .finished = true};
  out.outputs.push_back({.kind = output_kind::message, .name = "m", .value = json_payload("[\"hi\"]")});
  out.activations.push_back({.id = to, .executor = std::move(executor), .message = "m", .output = 0});
  return out;
}

output scope(output_kind kind, std::uint32_t number, std::string name, std::string_view value) {
  return {.kind = kind, .name = name, .reference = "/do/0/" + name, .value = json_payload(value), .number = number, .attempt = 1};
}

}  // namespace

TEST_CASE("the executors of a run stand in the order they started, with input, output and times") {
  teller run;
  run.start();
  run(sends(1, 2, "second"));
  CHECK(run.view.status() == "running");
  turn last{.activation = 2, .attempt = 1, .finished = true};
  last.outputs.push_back({.kind = output_kind::output, .value = json_payload("42")});
  run(last);
  run(run_ended{.status = run_status::succeeded, .output = json_payload("42")});
  REQUIRE(run.view.executors().size() == 2);
  const auto first = run.executor(0);
  CHECK(first.name == "first");
  CHECK(first.status == "succeeded");
  CHECK(first.started_seq == 1);
  CHECK(first.attempts == 1);
  CHECK(first.input.at("n") == 1);
  CHECK(first.output.at(0) == "hi");
  const auto second = run.executor(1);
  CHECK(second.started_seq == 2);
  CHECK(second.input.at(0) == "hi");
  CHECK(second.output == 42);
  CHECK_FALSE(second.ended_at.empty());
  CHECK(run.view.outcome().at("status") == "succeeded");
  CHECK(run.view.outcome().at("output") == 42);
}

TEST_CASE("what runs show gives has the members of the stable form") {
  teller run;
  run.start();
  const auto shown = run.view.show();
  for (const auto* member : {"run_id", "workflow", "version", "status", "output", "error", "input", "created_at", "started_at",
                             "ended_at", "executors", "timers", "requests", "jobs"}) {
    INFO(member);
    CHECK(shown.if_contains(member) != nullptr);
  }
  const auto& executor = shown.at("executors").at(0).get_object();
  for (const auto* member : {"name", "reference", "activation", "status", "attempts", "started_seq", "started_at", "ended_at",
                             "input", "output", "error", "progress"}) {
    INFO(member);
    CHECK(executor.if_contains(member) != nullptr);
  }
  CHECK(run.view.outcome().size() == 6);
}

TEST_CASE("an executor that waits for a timer or an answer shows it, until that came") {
  teller run;
  run.start();
  turn step{.activation = 1, .attempt = 1, .waits = true};
  step.issued.push_back({.ordinal = 0, .kind = step_kind::sleep, .name = "sleep", .due = run.now + std::chrono::hours{1}});
  step.issued.push_back({.ordinal = 1, .kind = step_kind::request, .name = "request", .args = json_payload("\"ok?\"")});
  run(step);
  CHECK(run.view.status() == "waiting");
  CHECK(run.executor(0).status == "waiting");
  REQUIRE(run.view.timers().size() == 1);
  CHECK(run.view.timers()[0].kind == "sleep");
  REQUIRE(run.view.requests().size() == 1);
  CHECK(run.view.requests()[0].id == "1.1");
  CHECK(run.view.requests()[0].question == "ok?");
  run(step_completed{.activation = 1, .ordinal = 1});
  CHECK(run.view.requests().empty());
  CHECK(run.view.status() == "running");
}

TEST_CASE("a failed attempt that is tried again shows as retrying, and its attempts are counted") {
  teller run;
  run.start();
  run(attempt_failed{
      .activation = 1, .attempt = 1, .error = {.code = "x", .message = "no"}, .retry_at = run.now + std::chrono::hours{1}});
  CHECK(run.executor(0).status == "retrying");
  CHECK(run.view.status() == "waiting");
  CHECK(run.view.timers().at(0).kind == "attempt_retry");
  run(attempt_started{.activation = 1, .attempt = 2});
  CHECK(run.executor(0).status == "running");
  CHECK(run.executor(0).attempts == 2);
  run(attempt_failed{.activation = 1, .attempt = 2, .error = {.code = "timeout", .message = "late"}});
  CHECK(run.executor(0).status == "timed_out");
  CHECK(run.executor(0).error.at("detail") == "late");
}

TEST_CASE("a step in its backoff shows its executor as retrying") {
  teller run;
  run.start();
  step_retrying retry{.activation = 1,
                      .attempt = 1,
                      .ordinal = 0,
                      .step = step_kind::call,
                      .name = "c",
                      .tries = 1,
                      .error = failure{.code = "x", .message = "no"},
                      .retry_at = run.now + std::chrono::hours{1},
                      .waits = true};
  run(retry);
  CHECK(run.executor(0).status == "retrying");
  CHECK(run.view.timers().at(0).kind == "step_retry");
  run(step_resumed{.activation = 1, .ordinal = 0});
  CHECK(run.executor(0).status == "running");
  CHECK(run.view.timers().empty());
}

TEST_CASE("an executor whose start waits stands last, without a start") {
  teller run;
  run.start();
  auto first = sends(1, 2, "later");
  first.finished = false;
  first.activations[0].explicit_start = true;
  run(first);
  CHECK(run.executor(1).status == "pending");
  CHECK(run.view.show().at("executors").at(1).at("started_seq").is_null());
  run(attempt_started{.activation = 2, .attempt = 1});
  CHECK(run.executor(1).status == "running");
  CHECK(run.executor(1).started_seq == 3);
}

TEST_CASE("the tasks of a document are its executors, and what interprets it is left out") {
  teller run;
  run.start("document");
  turn step{.activation = 1, .attempt = 1};
  step.outputs.push_back(scope(output_kind::scope_start, 0, "fetch", "{\"url\":1}"));
  run(step);
  REQUIRE(run.view.executors().size() == 1);
  CHECK(run.executor(0).name == "fetch");
  CHECK(run.executor(0).reference == "/do/0/fetch");
  CHECK(run.executor(0).status == "running");
  turn next{.activation = 1, .attempt = 1, .waits = true};
  next.outputs.push_back(scope(output_kind::scope_end, 0, "fetch", "\"page\""));
  next.outputs.push_back(scope(output_kind::scope_start, 1, "pause", "\"page\""));
  next.issued.push_back({.ordinal = 1, .kind = step_kind::sleep, .name = "sleep", .due = run.now + std::chrono::hours{1}});
  run(next);
  CHECK(run.executor(0).status == "succeeded");
  CHECK(run.executor(0).output == "page");
  CHECK(run.executor(1).status == "waiting");
  CHECK(run.view.timers().at(0).executor == "pause");
  run(cancel_requested{.reason = "enough"});
  CHECK(run.view.status() == "cancelling");
  run(run_ended{.status = run_status::cancelled, .error = failure{.code = "cancelled", .message = "enough"}});
  CHECK(run.executor(1).status == "cancelled");
  CHECK(run.view.timers().empty());
  CHECK(run.view.outcome().at("error").at("code") == "cancelled");
}

TEST_CASE("a wait belongs to the task that it names, whatever the order in which branches began") {
  teller run;
  run.start("document");
  turn step{.activation = 1, .attempt = 1, .waits = true};
  for (std::uint32_t number = 1; number <= 3; ++number)
    step.outputs.push_back(scope(output_kind::scope_start, number, "branch" + std::to_string(number), "1"));
  auto failed = scope(output_kind::scope_end, 2, "branch2", "null");
  failed.error = failure{.code = "runtime", .message = "no"};
  step.outputs.push_back(failed);
  const auto sleeps = [&](step_ordinal ordinal, int task, int hours) {
    step.issued.push_back({.ordinal = ordinal,
                           .kind = step_kind::sleep,
                           .name = "sleep",
                           .args = payload{json::value{{"task", task}}},
                           .due = run.now + std::chrono::hours{hours}});
  };
  sleeps(0, 3, 1);
  sleeps(1, 1, 2);
  sleeps(2, 2, 3);
  run(step);
  const auto timers = run.view.timers();
  REQUIRE(timers.size() == 3);
  CHECK(timers[0].executor == "branch3");
  CHECK(timers[1].executor == "branch1");
  CHECK(timers[2].executor == "branch2");
  CHECK(run.executor(1).status == "retrying");
}

TEST_CASE("a time limit is no wait: the task that it bounds works, and so does a document with one") {
  // A task with a time limit was drawn as waiting for as long as it worked, and its limit was listed as a sleep.
  teller run;
  run.start("document");
  turn step{.activation = 1, .attempt = 1};
  step.outputs.push_back(scope(output_kind::scope_start, 1, "bounded", "1"));
  const auto limits = [&](step_ordinal ordinal, int task, int hours) {
    step.issued.push_back({.ordinal = ordinal,
                           .kind = step_kind::sleep,
                           .name = "sleep",
                           .args = payload{json::value{{"task", task}, {"limit", true}}},
                           .due = run.now + std::chrono::hours{hours}});
  };
  limits(0, 1, 1);
  limits(1, 0, 2);
  run(step);
  CHECK(run.executor(0).status == "running");
  const auto timers = run.view.timers();
  REQUIRE(timers.size() == 2);
  CHECK(timers[0].kind == "task_timeout");
  CHECK(timers[0].executor == "bounded");
  CHECK(timers[1].kind == "run_timeout");
  CHECK(timers[1].executor.empty());
  run.view.look_at(1, [](const tools::run_view::glance& each) { CHECK(each.status == "running"); });
}

TEST_CASE("a task that is done again keeps its place and counts its attempts") {
  teller run;
  run.start("document");
  turn step{.activation = 1, .attempt = 1};
  step.outputs.push_back(scope(output_kind::scope_start, 0, "fetch", "1"));
  auto failed = scope(output_kind::scope_end, 0, "fetch", "null");
  failed.error = failure{.code = "process", .message = "exit code 1"};
  step.outputs.push_back(failed);
  auto again = scope(output_kind::scope_start, 0, "fetch", "1");
  again.attempt = 2;
  step.outputs.push_back(again);
  run(step);
  REQUIRE(run.view.executors().size() == 1);
  CHECK(run.executor(0).attempts == 2);
  CHECK(run.executor(0).status == "running");
  CHECK(run.executor(0).error.is_null());
}

TEST_CASE("a task that a try does again is one executor with its attempts, a loop's rounds are several") {
  teller run;
  run.start("document");
  turn step{.activation = 1, .attempt = 1};
  std::uint32_t number = 0;
  const auto tell = [&](std::uint32_t attempt, bool fails) {
    auto begin = scope(output_kind::scope_start, ++number, "fetch", "1");
    auto end = scope(output_kind::scope_end, number, "fetch", "2");
    begin.attempt = end.attempt = attempt;
    if (fails) end.error = failure{.code = "x", .message = "no"};
    step.outputs.push_back(begin);
    step.outputs.push_back(end);
  };
  tell(1, false);
  tell(1, true);
  tell(2, false);
  tell(2, true);
  tell(3, false);
  tell(3, false);
  run(step);
  REQUIRE(run.view.executors().size() == 2);
  CHECK(run.executor(0).attempts == 3);
  CHECK(run.executor(1).attempts == 3);
  CHECK(run.executor(1).status == "succeeded");
  turn loop{.activation = 1, .attempt = 1};
  loop.outputs.push_back(scope(output_kind::scope_start, ++number, "fetch", "1"));
  run(loop);
  CHECK(run.view.executors().size() == 3);
}

TEST_CASE("a paused run shows as paused until it is resumed") {
  teller run;
  run.start();
  run(run_paused{});
  CHECK(run.view.status() == "paused");
  run(run_resumed{});
  CHECK(run.view.status() == "running");
}

TEST_CASE("a linked run shows what it took over") {
  run_state state;
  state.workflow = "work";
  state.version = "2";
  state.input = json_payload("9");
  auto& in = state.activations[3];
  in.id = 3;
  in.executor = "left";
  in.value = json_payload("\"open\"");
  teller run;
  const auto source = run_id::make();
  run(run_restored{.source = source, .source_seq = 5, .state = encode_state(state, nullptr).value()});
  CHECK(run.view.workflow() == "work");
  CHECK(run.view.input() == 9);
  REQUIRE(run.view.executors().size() == 1);
  CHECK(run.executor(0).name == "left");
  CHECK(run.executor(0).input == "open");
  CHECK(run.view.show().at("retry_of") == json::value(source.str()));
}

TEST_CASE("a run whose handlers are done waits for a child that holds its end back") {
  const auto child = run_id::make();
  teller run;
  run.start();
  turn step{.activation = 1, .attempt = 1, .finished = true};
  const auto args = json::value{{"run", child.str()}, {"workflow", "ship"}, {"close", 2}, {"await", false}};
  step.issued.push_back({.ordinal = 0, .kind = step_kind::child, .name = "ship", .args = payload{args}});
  run(step);
  CHECK(run.view.status() == "waiting");
  run(message_delivered{.number = 1, .to = child});
  CHECK(run.view.status() == "waiting");
  run(child_ended{.child = child, .status = run_status::succeeded});
  CHECK(run.view.status() == "running");
}

TEST_CASE("a run that takes over another's state has its children, those that go on where they run now") {
  const auto going = run_id::make(), anew = run_id::make(), done = run_id::make();
  run_state state;
  state.workflow = "work";
  state.children[going] = {.run = anew, .workflow = "ship", .close = parent_close::wait};
  state.children[done] = {.run = done, .workflow = "bill", .stage = child_stage::ended, .status = run_status::failed};
  teller run;
  run(run_restored{.source = run_id::make(), .source_seq = 5, .state = encode_state(state, nullptr).value()});
  run(message_delivered{.number = 1, .to = anew});
  const auto& children = run.view.relations().children();
  REQUIRE(children.size() == 2);
  const auto& going_on = children[0].workflow == "ship" ? children[0] : children[1];
  const auto& ended = children[0].workflow == "ship" ? children[1] : children[0];
  CHECK(going_on.id == anew.str());
  CHECK(going_on.status == "running");
  CHECK(ended.status == "failed");
  CHECK(run.view.status() == "waiting");
}

TEST_CASE("tasks of a document that goes on in another activation go on with it, and it shows no executor of its own") {
  teller run;
  run.start();
  turn begin{.activation = 1, .attempt = 1};
  begin.outputs.push_back(scope(output_kind::scope_start, 1, "loop", "1"));
  begin.outputs.push_back(scope(output_kind::scope_start, 2, "done", "1"));
  begin.outputs.push_back(scope(output_kind::scope_end, 2, "done", "2"));
  run(begin);
  turn over{.activation = 1, .attempt = 1, .finished = true};
  over.outputs.push_back({.kind = output_kind::message, .name = std::string{resume_message}, .value = json_payload("{}")});
  over.activations.push_back({.id = 2, .executor = "first", .message = std::string{resume_message}, .output = 0});
  run(over);
  REQUIRE(run.view.executors().size() == 2);
  CHECK(run.executor(0).name == "loop");
  CHECK(run.executor(0).status == "running");
  CHECK(run.executor(0).activation == 2);
  CHECK(run.executor(1).activation == 1);
  turn step{.activation = 2, .attempt = 1, .waits = true};
  step.issued.push_back({.ordinal = 0,
                         .kind = step_kind::sleep,
                         .name = "sleep",
                         .args = json_payload(R"({"task":1})"),
                         .due = run.now + std::chrono::hours{1}});
  run(step);
  CHECK(run.view.timers().at(0).executor == "loop");
  turn end{.activation = 2, .attempt = 1, .finished = true};
  end.outputs.push_back(scope(output_kind::scope_end, 1, "loop", "3"));
  run(end);
  CHECK(run.executor(0).status == "succeeded");
  CHECK(run.executor(0).output == 3);
  CHECK(run.view.executors().size() == 2);
}
