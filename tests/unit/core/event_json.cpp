#include "core/event_json.hpp"

#include <set>

#include "support/catch.hpp"

using namespace perdure;
using namespace perdure::core;

namespace {

payload json_payload(std::string_view text) { return payload::parse_text(text).value(); }

std::vector<event> one_of_each() {
  run_started first{.workflow = "w", .version = "1", .message = "json", .input = json_payload("[1]"), .start = "a"};
  turn step{.activation = 1, .attempt = 1};
  step.outputs.push_back({.kind = output_kind::message, .name = "m/v1", .value = json_payload("7")});
  step.activations.push_back({.id = 2, .executor = "b", .message = "m/v1", .output = 0});
  step.done.push_back({.ordinal = 0, .kind = step_kind::call, .name = "c", .result = {.value = json_payload("5")}});
  step.issued.push_back({.ordinal = 1, .kind = step_kind::sleep, .name = "sleep", .due = timestamp{duration{1}}});
  run_state state;
  state.id = run_id::make();
  const auto bytes = encode_state(state, nullptr).value();
  return {
      first,
      step,
      step_completed{.activation = 1, .ordinal = 1},
      step_retrying{
          .activation = 1, .attempt = 1, .ordinal = 2, .name = "c", .tries = 1, .error = failure{.code = "x", .message = "no"}},
      step_resumed{.activation = 1, .ordinal = 2},
      attempt_started{.activation = 1, .attempt = 2},
      attempt_failed{.activation = 1, .attempt = 1, .error = {.code = "x", .message = "no"}},
      signal_received{.name = "go", .value = json_payload("1")},
      cancel_requested{.reason = "enough"},
      run_paused{},
      run_resumed{},
      run_ended{.status = run_status::failed, .error = failure{.code = "x", .message = "no"}},
      suspect_marked{.marks = 1, .activations = {1}},
      warning{.code = "undeliverable", .text = "nobody", .executor = "a"},
      progress_noted{.activation = 1, .attempt = 1, .value = json_payload(R"({"done":1,"total":2,"text":""})")},
      run_restored{.source = run_id::make(), .source_seq = 3, .state = bytes},
      message_delivered{.number = 1, .to = run_id::make()},
      child_ended{.child = run_id::make()},
      compensation_started{.what = {.id = 2, .executor = "undo", .message = "m"}},
      grace_passed{.fenced = 1},
      request_answered{.asked_by = run_id::make(), .id = "1.0", .answer = json_payload("1")},
      job_noted{.number = 1, .now = {.stage = job_stage::running, .id = "j", .progress = json_payload("{}")}},
      job_ended{.number = 1, .end = {.status = job_status::failed, .exit_code = 3, .error = failure{.code = "x"}}}};
}

}  // namespace

TEST_CASE("every kind of event has a name and members that do not hide its place in the journal") {
  const auto events = one_of_each();
  REQUIRE(events.size() == std::variant_size_v<event>);
  std::set<std::string> names;
  for (const auto& each : events) {
    names.insert(std::string{name_of(kind_of(each))});
    const auto members = event_to_json(each);
    for (const auto* taken : {"lsn", "seq", "time", "kind", "executor", "run_id"}) {
      INFO(name_of(kind_of(each)));
      CHECK(members.if_contains(taken) == nullptr);
    }
  }
  CHECK(names.size() == events.size());
  CHECK_FALSE(names.contains("unknown"));
}

TEST_CASE("a scheduled activation shows the output that it takes as its input") {
  const auto members = event_to_json(one_of_each()[1]);
  const auto& next = members.at("activations").at(0).get_object();
  CHECK(next.at("executor") == "b");
  CHECK(next.at("input") == 7);
}

TEST_CASE("a failure shows all members of the stable form, null where nothing is known, and its causes") {
  failure why{.code = "process", .message = "exit code 3", .executor = "build", .attempt = 2};
  why.causes.push_back({.code = "inner", .message = "deep"});
  const auto shown = failure_to_json(why);
  for (const auto* member : {"type", "status", "title", "detail", "instance", "code", "executor", "attempt"}) {
    CHECK(shown.if_contains(member) != nullptr);
  }
  CHECK(shown.at("type").is_null());
  CHECK(shown.at("status").is_null());
  CHECK(shown.at("detail") == "exit code 3");
  CHECK(shown.at("attempt") == 2);
  CHECK(shown.at("causes").at(0).at("code") == "inner");
}

TEST_CASE("the executor of an event is learnt from what scheduled its activation") {
  const auto events = one_of_each();
  executor_names names;
  record stored{.kind = event_kind::run_started, .run = run_id::make(), .seq = 1};
  CHECK(to_run_event(stored, events[0], names).executor.empty());
  stored.kind = event_kind::turn;
  CHECK(to_run_event(stored, events[1], names).executor == "a");
  CHECK(names.of(step_completed{.activation = 2}) == "b");
  CHECK(names.of(step_completed{.activation = 9}).empty());
  CHECK(names.of(warning{.executor = "c"}) == "c");
}

TEST_CASE("a line begins with the event's place and goes on with its members") {
  executor_names names;
  const record stored{.kind = event_kind::signal_received, .run = run_id::make(), .seq = 4, .lsn = 17};
  const auto line = line_of(to_run_event(stored, signal_received{.name = "go"}, names));
  std::vector<std::string> order;
  for (const auto& [name, value] : line) order.emplace_back(name);
  CHECK(order == std::vector<std::string>{"lsn", "seq", "time", "kind", "executor", "name", "value"});
  CHECK(line.at("lsn") == 17);
  CHECK(line.at("executor").is_null());
}
