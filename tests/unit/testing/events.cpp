#include "unit/testing/desk.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

struct parcel {
  int weight = 0;
};
PERDURE_MESSAGE(parcel, "events.parcel/v1", weight)

class packer final : public executor<job> {
  task<> handle(const job& what, context& ctx) override {
    auto weigh = [&] { return what.number; };
    const int weight = co_await ctx.call("weigh", weigh);
    co_await ctx.sleep_for(1min);
    ctx.send(parcel{weight});
  }
};
class shipper final : public executor<parcel> {
  task<> handle(const parcel& what, context& ctx) override {
    const auto to = co_await ctx.wait_signal<std::string>("address");
    ctx.yield_output(std::to_string(what.weight) + " kg to " + to);
  }
};
workflow shipping() {
  return workflow_builder("ship", "1")
      .add<packer>("packer")
      .add<shipper>("shipper")
      .start_at("packer")
      .edge("packer", "shipper")
      .build();
}

testing::test_run shipped(virtual_node& node) {
  node.add(shipping());
  const auto run = node.start("ship", job{7});
  node.run_until_idle();
  run.signal("address", json::value("Rome"));
  run.expect_output(json::value("7 kg to Rome"));
  return run;
}

}  // namespace

TEST_CASE("events are told one a line, with executors and the names of steps") {
  virtual_node node;
  node.add(shipping());
  const auto run = node.start("ship", job{7});
  node.skip(2min);
  run.signal("address", json::value("Rome"));
  run.expect_output(json::value("7 kg to Rome"));
  CHECK(run.events_text() ==
        R"(       1  run_started: of "ship" 1
       2  turn "packer": done call "weigh"
       3  turn "packer": waits for sleep
       4  step_completed "packer": done sleep
       5  turn "packer": message "events.parcel/v1", to "shipper", finished
       6  turn "shipper": waits for signal "address"
       7  signal_received: "address"
       8  step_completed "shipper": done signal "address"
       9  turn "shipper": output, finished
      10  run_ended: succeeded
)");
}

TEST_CASE("expected events fit by kind, executor and step, or both sides are shown") {
  virtual_node node;
  const auto run = shipped(node);
  const std::vector<testing::event_pattern> all{
      {"run_started"},
      {"turn", "packer", "weigh"},
      {.step = "sleep"},
      {.kind = "signal_received"},
      {},
      {.executor = "packer"},
      {"turn", "shipper", "address"},
      {"step_completed", "shipper", "address"},
      {"turn", "shipper"},
      {"run_ended"},
  };
  run.expect_events(all);

  auto wrong = all;
  wrong[1].step = "measure";
  const auto said = failure_of([&] { run.expect_events(wrong); });
  CHECK(contains(said, "from number 2 on"));
  CHECK(contains(said, " ->    2  turn \"packer\", step \"measure\""));
  CHECK(contains(said, " ->    2  turn \"packer\": done call \"weigh\""));

  auto longer = all;
  longer.push_back({"turn"});
  CHECK(contains(failure_of([&] { run.expect_events(longer); }), "from number 11 on"));
  auto shorter = all;
  shorter.pop_back();
  CHECK(contains(failure_of([&] { run.expect_events(shorter); }), " ->   10  run_ended: succeeded"));
}

TEST_CASE("a subsequence keeps the order and lets others be between") {
  virtual_node node;
  const auto run = shipped(node);
  run.expect_subsequence({});
  run.expect_subsequence({{.step = "weigh"}, {.executor = "shipper"}, {"run_ended"}});
  const auto said = failure_of([&] { run.expect_subsequence({{.executor = "shipper"}, {.executor = "packer"}}); });
  CHECK(contains(said, "number 2 does not come after event 7"));
  CHECK(contains(said, "any event \"packer\""));
  CHECK(contains(said, "run_ended: succeeded"));
}

TEST_CASE("events can be counted, and expected not to be there") {
  virtual_node node;
  const auto run = shipped(node);
  CHECK(run.count_events({}) == run.events().size());
  CHECK(run.count_events({.kind = "turn", .executor = "packer"}) == 3);
  run.expect_no_event({.kind = "attempt_failed"});
  CHECK(contains(failure_of([&] { run.expect_no_event({.step = "sleep"}); }), "no any event, step \"sleep\""));
}

TEST_CASE("an output and an end that were not expected are shown beside those that were") {
  virtual_node node;
  const auto run = shipped(node);
  const auto said = failure_of([&] { run.expect_output(json::value("7 kg to Oslo")); });
  CHECK(contains(said, "expected: \"7 kg to Oslo\""));
  CHECK(contains(said, "found:    \"7 kg to Rome\""));
  CHECK(contains(failure_of([&] { run.expect_end(run_status::failed); }), "expected to end as failed, and it is succeeded"));

  node.fail_step({.step = "weigh"}, "broken_scale", "it shows nothing");
  const auto failing = node.start("ship", job{7});
  const auto why = failure_of([&] { failing.expect_end(run_status::succeeded); });
  CHECK(contains(why, "it is failed: broken_scale: it shows nothing"));
  CHECK(contains(why, "attempt_failed \"packer\": error broken_scale"));
}

TEST_CASE("a failure says where the node is: the time, the operations, the seed") {
  virtual_node node{{.seed = 4711}};
  const auto run = shipped(node);
  const auto said = failure_of([&] { run.expect_events({}); });
  CHECK(contains(said, "seed 4711"));
  CHECK(contains(said, "at 2026-03-01T00:01:00"));
  CHECK(contains(said, "after " + std::to_string(node.operations()) + " operations"));
}
