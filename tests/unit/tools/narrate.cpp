#include "tools/cli/narrate.hpp"

#include "core/resume_message.hpp"
#include "support/catch.hpp"
#include "unit/tools/teller.hpp"

using namespace perdure;
using namespace perdure::core;
using perdure::test::json_payload;
using perdure::test::teller;
using perdure::tools::cli::display_width;
using perdure::tools::cli::narrator;

TEST_CASE("lines of a followed run fit the width and keep control characters out") {
  teller run;
  narrator told;
  turn step{.activation = 1, .attempt = 1};
  step.done.push_back({.ordinal = 0,
                       .kind = step_kind::call,
                       .name = "a very long name of a step " + std::string(100, 'n'),
                       .result = {.value = payload{json::value(std::string(300, 'v'))}}});
  step.outputs.push_back({.kind = output_kind::scope_start, .name = "task\x1b[1m", .reference = "/do/0/x", .number = 0});
  for (const std::size_t width : {50U, 80U, 132U}) {
    for (const auto& line : told.lines(run.event(step), width)) {
      CHECK(display_width(line) <= width);
      CHECK(line.find('\x1b') == std::string::npos);
    }
  }
}

TEST_CASE("a document's tasks are told with their start, their end and how long they took") {
  teller run;
  narrator told;
  turn begin{.activation = 1, .attempt = 1};
  begin.outputs.push_back({.kind = output_kind::scope_start, .name = "fetch", .number = 0, .attempt = 1});
  const auto started = told.tell(run.event(begin));
  REQUIRE(started.size() == 1);
  CHECK(started[0].who == "fetch");
  CHECK(started[0].what == "started");
  turn end{.activation = 1, .attempt = 1, .finished = true};
  end.outputs.push_back({.kind = output_kind::scope_end, .name = "fetch", .value = json_payload("7"), .number = 0, .attempt = 1});
  const auto ended = told.tell(run.event(end));
  REQUIRE(ended.size() == 1);
  CHECK(ended[0].what == "succeeded in 1s");
  CHECK(ended[0].detail == "7");
}

TEST_CASE("a retried step is told with its try, its error and when it goes on") {
  teller run;
  narrator told;
  const auto lines = told.tell(run.event(step_retrying{.activation = 1,
                                                       .attempt = 1,
                                                       .name = "get",
                                                       .tries = 2,
                                                       .error = failure{.code = "unavailable", .message = "503"},
                                                       .retry_at = run.now + std::chrono::seconds{3}}));
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].what == "get failed");
  CHECK(lines[0].detail.find("try 2") != std::string::npos);
  CHECK(lines[0].detail.find("unavailable: 503") != std::string::npos);
}

TEST_CASE("every kind of event is told without failing") {
  teller run;
  narrator told;
  const std::vector<event> all{run_started{},     step_completed{},   step_resumed{},  attempt_started{}, attempt_failed{},
                               signal_received{}, cancel_requested{}, run_paused{},    run_resumed{},     run_ended{},
                               suspect_marked{},  warning{},          progress_noted{}};
  for (const auto& each : all) CHECK_FALSE(told.lines(run.event(each), 80).empty());
}

TEST_CASE("what a call tells while it goes on is told as it came") {
  teller run;
  narrator told;
  const auto lines = told.tell(run.event(progress_noted{
      .activation = 1, .attempt = 1, .value = json_payload(R"({"step":0,"task":1,"told":[{"note":"looks"},{"text":"Hi"}]})")}));
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].what == "notes");
  CHECK(lines[0].detail == "looks");
  CHECK(lines[1].what == "writes");
  CHECK(lines[1].detail == "Hi");
  CHECK(told.tell(run.event(progress_noted{.activation = 1, .attempt = 1, .value = json_payload(R"({"done":3})")}))[0].what ==
        "progress");
}

TEST_CASE("a job is told with what its backend says of it") {
  teller run;
  narrator told;
  const auto waits = told.tell(run.event(job_noted{
      .number = 2,
      .now = {
          .tries = 1, .look_at = run.now + std::chrono::seconds{5}, .error = failure{.code = "overloaded", .message = "down"}}}));
  REQUIRE(waits.size() == 1);
  CHECK(waits[0].who == "job 2");
  CHECK(waits[0].what == "not submitted yet");
  CHECK(waits[0].detail.find("down") != std::string::npos);
  const auto goes_on =
      told.tell(run.event(job_noted{.number = 2,
                                    .now = {.stage = job_stage::running,
                                            .id = "j7",
                                            .status = job_status::running,
                                            .progress = json_payload(R"({"done":3,"total":9,"text":"more"})")}}));
  REQUIRE(goes_on.size() == 1);
  CHECK(goes_on[0].what == "running");
  CHECK(goes_on[0].detail == "3/9 more");
  const auto ended = told.tell(run.event(job_ended{.number = 2, .end = {.status = job_status::succeeded, .exit_code = 0}}));
  REQUIRE(ended.size() == 1);
  CHECK(ended[0].what == "succeeded");
  CHECK(ended[0].detail == "exit code 0");
}

TEST_CASE("a time limit is told as one, not as a wait") {
  teller run;
  narrator told;
  turn begin{.activation = 1, .attempt = 1};
  begin.outputs.push_back({.kind = output_kind::scope_start, .name = "bounded", .number = 1, .attempt = 1});
  for (const int task : {1, 0}) {
    begin.issued.push_back({.ordinal = task == 1 ? 0U : 1U,
                            .kind = step_kind::sleep,
                            .name = "sleep",
                            .args = payload{json::value{{"task", task}, {"limit", true}}},
                            .due = run.now + std::chrono::hours{1}});
  }
  std::string lines;
  for (const auto& each : told.tell(run.event(begin))) lines += each.who + "|" + each.what + "\n";
  CHECK(lines == "bounded|started\nbounded|may take\n|may take\n");
}

TEST_CASE("children, compensation and the run that goes on are told in words") {
  const auto child = run_id::make();
  teller run;
  narrator told;
  turn begin{.activation = 1, .attempt = 1};
  const auto args = json::value{{"run", child.str()}, {"workflow", "ship"}, {"close", 2}, {"await", true}};
  begin.issued.push_back({.ordinal = 0, .kind = step_kind::child, .name = "ship", .args = payload{args}});
  const auto only = [&](const core::event& what) {
    const auto lines = told.tell(run.event(what));
    REQUIRE(lines.size() == 1);
    return lines[0].what + "|" + lines[0].detail;
  };
  CHECK(only(begin) == "starts child|ship " + child.str());
  CHECK(only(message_delivered{.number = 1, .to = child}) == "reached run|" + child.str());
  const failure late{.code = "late", .message = "lorry"};
  CHECK(only(child_ended{.child = child, .status = run_status::failed, .error = late}) ==
        "child failed|" + child.str() + " late: lorry");
  CHECK(only(compensation_started{.what = {.id = 2, .executor = "undo", .value = json_payload("7")}}) == "compensates|7");
  const auto next = run_id::make();
  CHECK(only(run_ended{.status = run_status::continued_as_new, .successor = next, .input = json_payload("8")}) ==
        "continued_as_new|run " + next.str() + " goes on 8");
}

TEST_CASE("that a document goes on in another activation is not told, and its tasks are known there") {
  teller run;
  narrator told;
  turn begin{.activation = 1, .attempt = 1};
  begin.outputs.push_back({.kind = output_kind::scope_start, .name = "loop", .number = 1, .attempt = 1});
  REQUIRE(told.tell(run.event(begin)).size() == 1);
  turn over{.activation = 1, .attempt = 1, .finished = true};
  over.outputs.push_back({.kind = output_kind::message, .name = std::string{resume_message}, .value = json_payload("{}")});
  over.activations.push_back({.id = 2, .executor = "first", .message = std::string{resume_message}, .output = 0});
  CHECK(told.tell(run.event(over)).empty());
  turn end{.activation = 2, .attempt = 1, .finished = true};
  end.outputs.push_back({.kind = output_kind::scope_end, .name = "loop", .value = json_payload("7"), .number = 1, .attempt = 1});
  const auto lines = told.tell(run.event(end));
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].what == "succeeded in 2s");
}
