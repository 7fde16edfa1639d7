#include "unit/testing/desk.hpp"

using namespace perdure;
using namespace perdure::test;
using testing::for_each_crash;
using testing::node_options;

namespace {

/// A call that is retried, a nap, a signal, a last call.
workflow errands() {
  return single([](const job& what, context& ctx) -> task<> {
    auto flaky = [](call_context& with) {
      if (with.attempt() == 1) throw step_error("busy", "not now");
      return 20;
    };
    auto last = [] { return 2; };
    int sum = what.number;
    sum += co_await ctx.call("flaky", flaky, {.retry = retry(3, fixed(10s))});
    co_await ctx.sleep_for(1h);
    sum += co_await ctx.wait_signal<int>("more");
    sum += co_await ctx.call("last", last);
    ctx.yield_output(sum);
  });
}

}  // namespace

TEST_CASE("a run gives the same after a crash in any place") {
  std::uint64_t crashed = 0;
  const auto tried = for_each_crash([&](virtual_node& node) {
    node.add(errands());
    const auto run = node.start("w", job{100});
    node.skip(30min);
    run.signal("more", 300);
    run.expect_output(422);
    run.expect_replay();
    for (const auto& each : node.bodies()) CHECK(each.succeeded <= 2);
    CHECK(run.count_events({.kind = "signal_received"}) == 1);
    node.run_until_idle();
    crashed += node.crashes();
  });
  CHECK(tried > 20);
  CHECK(crashed == tried);
}

TEST_CASE("many crashes by a seed, and it still ends") {
  std::uint64_t crashes = 0;
  testing::for_each_seed(30, [&](std::uint64_t seed) {
    virtual_node node{{.seed = seed}};
    node.add(errands());
    node.crash_one_in(30);
    const auto run = node.start("w", job{100});
    run.signal("more", 300);
    run.expect_output(422);
    crashes += node.crashes();
  });
  CHECK(crashes > 20);
}

TEST_CASE("a body whose outcome was not durable when the node was killed is called again, with the same key") {
  virtual_node node;
  std::vector<std::string> keys;
  node.add(single([&](const job&, context& ctx) -> task<> {
    auto body = [&](call_context& with) { keys.push_back(with.idempotency_key()); };
    co_await ctx.call("outside", body);
  }));
  const auto run = node.start("w", job{});
  while (keys.empty()) {
    node.crash_after(1'000'000);
    node.run_until([&] { return !keys.empty(); });
  }
  node.crash();
  run.expect_end(run_status::succeeded);
  REQUIRE(keys.size() == 2);
  CHECK(keys[0] == keys[1]);
  REQUIRE(node.bodies().size() == 1);
  CHECK(node.bodies()[0].key == keys[0]);
  CHECK(node.bodies()[0].calls == 2);
  CHECK(node.bodies()[0].succeeded == 2);
  CHECK(run.count_events({.kind = "suspect_marked"}) == 1);
}

TEST_CASE("a node that stops properly leaves no suspect mark") {
  virtual_node node;
  node.add(errands());
  const auto run = node.start("w", job{0});
  node.restart();
  run.signal("more", 0);
  run.expect_output(22);
  CHECK(run.count_events({.kind = "suspect_marked"}) == 0);
}

TEST_CASE("steps fail by name and try, before the body or after it") {
  virtual_node node;
  int bodies = 0;
  node.add(single([&](const job&, context& ctx) -> task<> {
    auto body = [&] { return ++bodies; };
    ctx.yield_output(co_await ctx.call("pay", body, {.retry = retry(4, fixed(1min))}));
  }));
  node.fail_step({.executor = "only", .step = "pay", .tries = {1}}, "unavailable", "503");
  node.fail_step_afterwards({.step = "pay", .tries = {2, 3}}, "lost", "no answer came");
  node.fail_step({.step = "something else"}, "never");
  node.fail_step({.executor = "somebody else"}, "never");
  const auto began = node.now();
  const auto run = node.start("w", job{});
  run.expect_output(3);
  CHECK(bodies == 3);
  CHECK(node.now() == began + 3min);
  const auto count = node.bodies().at(0);
  CHECK(count.calls == 4);
  CHECK(count.failed == 3);
  CHECK(count.succeeded == 1);
  run.expect_subsequence(
      {{.kind = "step_retrying", .step = "pay"}, {.kind = "step_retrying", .step = "pay"}, {.kind = "run_ended"}});
  CHECK(contains(run.events_text(), "error unavailable"));
}

TEST_CASE("the youngest rule holds, until the rules are cleared") {
  virtual_node node;
  node.add(single([](const job&, context& ctx) -> task<> {
    auto body = [] { return 1; };
    ctx.yield_output(co_await ctx.call("step", body));
  }));
  node.fail_step({}, "no");
  node.answer_step({.step = "step"}, 2);
  node.start("w", job{}).expect_output(2);
  node.clear_step_rules();
  node.start("w", job{}).expect_output(1);
}

TEST_CASE("rules can be for one attempt of the executor") {
  virtual_node node;
  node.add(single(
      [](const job&, context& ctx) -> task<> {
        auto body = [] { return 1; };
        (void)co_await ctx.call("step", body);
        ctx.yield_output(static_cast<int>(ctx.attempt()));
      },
      {.retry = retry(5, fixed(1s))}));
  node.fail_step({.attempts = {1, 2}}, "no");
  node.start("w", job{}).expect_output(3);
}

TEST_CASE("a slow body is overtaken by its step's time limit, and asked to stop") {
  virtual_node node;
  bool asked_to_stop = false;
  node.add(single([&](const job&, context& ctx) -> task<> {
    auto body = [&](call_context& with) { asked_to_stop = with.stop_token().stop_requested(); };
    bool late = false;
    try {
      co_await ctx.call("slow", body, {.timeout = 10s});
    } catch (const timeout_error&) {
      late = true;
    }
    co_await ctx.sleep_for(1h);
    ctx.yield_output(late);
  }));
  node.slow_step({.step = "slow"}, 20s);
  const auto began = node.now();
  const auto run = node.start("w", job{});
  node.skip(10s);
  run.expect_subsequence({{.kind = "step_completed", .step = "slow"}});
  CHECK(run.status().updated_at == began + 10s);
  CHECK_FALSE(asked_to_stop);
  run.expect_output(true);
  CHECK(asked_to_stop);
}

TEST_CASE("a slow body that is in time takes that time") {
  virtual_node node;
  node.add(single([](const job&, context& ctx) -> task<> {
    auto body = [] { return 5; };
    ctx.yield_output(co_await ctx.call("slow", body, {.timeout = 10s}));
  }));
  node.slow_step({.step = "slow"}, 9s);
  const auto began = node.now();
  node.start("w", job{}).expect_output(5);
  CHECK(node.now() == began + 9s);
}

TEST_CASE("a body that never returns holds its run up, and a limit on the attempt helps") {
  const auto hanging = [](executor_options options) {
    return single(
        [](const job&, context& ctx) -> task<> {
          auto body = [] { return 5; };
          ctx.yield_output(co_await ctx.call("hangs", body));
        },
        options);
  };
  virtual_node node;
  node.add(hanging({}));
  node.hang_step({.step = "hangs"});
  const auto run = node.start("w", job{});
  CHECK(contains(failure_of([&] { run.wait(); }), "the body of step \"hangs\" of executor \"only\" has not returned"));
  node.clear_step_rules();
  run.expect_output(5);

  virtual_node limited;
  limited.add(hanging({.timeout = 1min, .retry = retry(2)}));
  limited.hang_step({.step = "hangs", .attempts = {1}});
  limited.start("w", job{}).expect_output(5);
}

TEST_CASE("a poll's check that is over its limit counts as not complete") {
  virtual_node node;
  node.add(single([](const job&, context& ctx) -> task<> {
    auto check = [](call_context& with) { return with.attempt() >= 2; };
    co_await ctx.poll_until_complete("ready", check, {.backoff = fixed(1min), .poll_timeout = 5s});
    ctx.yield_output("ready");
  }));
  node.hang_step({.step = "ready", .tries = {1}});
  const auto began = node.now();
  node.start("w", job{}).expect_output(json::value("ready"));
  CHECK(node.now() == began + 5s + 1min);
}

TEST_CASE("a cooperative executor's body cannot be slow, and that is said") {
  virtual_node node;
  node.add(single(
      [](const job&, context& ctx) -> task<> {
        auto body = [] {};
        co_await ctx.call("quick", body);
      },
      {.cooperative = true}));
  node.start("w", job{}).expect_end(run_status::succeeded);
  node.slow_step({.step = "quick"}, 1s);
  CHECK(contains(failure_of([&] { node.start("w", job{}).wait(); }), "the executor is cooperative"));
}

TEST_CASE("a program is not run: the test says what it gives, or is told that it has to") {
  for (const bool cooperative : {false, true}) {
    const auto runs_program = single(
        [](const job&, context& ctx) -> task<> {
          const process_spec spec{"/bin/false"};
          const auto done = co_await ctx.run_process("build", spec, {.retry = retry(2, fixed(1s))});
          ctx.yield_output(done.output);
        },
        {.cooperative = cooperative});
    virtual_node node;
    node.add(runs_program);
    node.answer_step({.step = "build"}, process_result{.code = 0, .output = "built"});
    node.fail_step({.step = "build", .tries = {1}}, "process", "exit code 1");
    node.start("w", job{}).expect_output(json::value("built"));
    CHECK(node.calls("only", "build") == 2);

    virtual_node bare;
    bare.add(runs_program);
    CHECK(contains(failure_of([&] { bare.start("w", job{}).wait(); }), "say with answer_step() what it gives"));
  }
}

TEST_CASE("late timers: the sleep is longer, and nothing else is different") {
  virtual_node node;
  node.delay_timers(7s);
  node.add(single([](const job&, context& ctx) -> task<> { co_await ctx.sleep_for(1min); }));
  const auto began = node.now();
  CHECK(node.start("w", job{}).expect_end(run_status::succeeded).ended_at == began + 67s);

  std::set<timestamp> ends;
  for (std::uint64_t seed = 1; seed < 20; ++seed) {
    virtual_node seeded{{.seed = seed}};
    seeded.delay_timers(7s);
    seeded.add(single([](const job&, context& ctx) -> task<> { co_await ctx.sleep_for(1min); }));
    const auto ended = *seeded.start("w", job{}).expect_end(run_status::succeeded).ended_at;
    CHECK(ended >= began + 60s);
    CHECK(ended <= began + 67s);
    ends.insert(ended);
  }
  CHECK(ends.size() > 10);
}

namespace {

/// How many operations three signals and an answer took.
std::uint64_t told_four_times(std::uint64_t seed, bool twice) {
  virtual_node node{{.seed = seed}};
  node.duplicate_commands(twice);
  node.add(single([](const job&, context& ctx) -> task<> {
    int sum = 0;
    for (int i = 0; i < 3; ++i) sum += co_await ctx.wait_signal<int>("add");
    const json::value question{{"text", "?"}};
    sum += co_await ctx.request<int>(question);
    ctx.yield_output(sum);
  }));
  const auto run = node.start("w", job{});
  for (const int each : {1, 10, 100}) run.signal("add", each);
  node.run_until_idle();
  run.answer(1000);
  run.expect_output(1111);
  CHECK(run.count_events({.kind = "signal_received"}) == 3);
  node.run_until_idle();
  return node.operations();
}

}  // namespace

TEST_CASE("commands that arrive twice are carried out once") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) told_four_times(seed, true);
  CHECK(told_four_times(0, true) >= told_four_times(0, false) + 4);  // they did arrive
}

TEST_CASE("signals that are under way together arrive in any order, and none is lost") {
  std::set<std::string> orders;
  testing::for_each_seed(30, [&](std::uint64_t seed) {
    virtual_node node{{.seed = seed - 1}};  // seed 0 is the calm one
    node.add(single([](const job&, context& ctx) -> task<> {
      std::string all;
      for (int i = 0; i < 3; ++i) all += co_await ctx.wait_signal<std::string>("letter");
      ctx.yield_output(all);
    }));
    const auto run = node.start("w", job{});
    for (const auto* each : {"a", "b", "c"}) run.signal_later("letter", json::value(each));
    const auto got = from_json<std::string>(run.expect_end(run_status::succeeded).output.value()).value();
    if (seed == 1) CHECK(got == "abc");
    orders.insert(got);
  });
  CHECK(orders.size() == 6);
}

TEST_CASE("crashes by a seed never put a run into quarantine, those that a test asks for do") {
  std::uint64_t crashes = 0;
  testing::for_each_seed(50, [&](std::uint64_t seed) {
    virtual_node node{{.seed = seed}};
    node.add(errands());
    node.crash_one_in(4);
    const auto run = node.start("w", job{100});
    run.signal("more", 300);
    run.expect_output(422);
    crashes += node.crashes();
  });
  CHECK(crashes > 200);

  virtual_node node;
  node.add(errands());
  const auto run = node.start("w", job{100});
  for (run_seq marks = 1; marks <= 2; ++marks) {
    node.crash();
    node.run_until([&] { return run.status().seq == 1 + marks; });
  }
  node.crash();
  CHECK(run.expect_end(run_status::failed).error->code == failure_code::quarantined);
}

TEST_CASE("a run that failed is taken over by a linked one, which keeps what succeeded") {
  testing::for_each_crash([](virtual_node& node) {
    node.add(single([](const job& what, context& ctx) -> task<> {
      auto body = [&] { return what.number; };
      const int first = co_await ctx.call("first", body);
      ctx.yield_output(first + co_await ctx.call("second", body));
    }));
    node.fail_step({.step = "second"}, "down");
    const auto failed = node.start("w", job{4});
    failed.expect_end(run_status::failed);
    node.clear_step_rules();
    const auto before = node.calls("only", "first");
    const auto again = failed.retry();
    again.expect_output(8);
    CHECK(node.calls("only", "first") == before);
    CHECK(again.events().at(0).kind == "run_restored");
    CHECK_THROWS_AS((void)again.retry(), bad_result);
  });
}

TEST_CASE("an executor's death fails its attempt, and the next one goes on") {
  virtual_node node;
  node.add(single(
      [](const job&, context& ctx) -> task<> {
        auto body = [] { return 1; };
        (void)co_await ctx.call("before", body);
        co_await ctx.sleep_for(1h);
        ctx.yield_output(static_cast<int>(ctx.attempt()));
      },
      {.retry = retry(2, fixed(1s))}));
  const auto run = node.start("w", job{});
  node.skip(1min);
  run.kill_executor("only");
  run.expect_output(2);
  CHECK(node.calls("only", "before") == 1);
  CHECK(contains(failure_of([&] { run.kill_executor("only"); }), "works on nothing"));
}

TEST_CASE("new code with the same graph takes over at the restart, and what does not fit is told with both sides") {
  const auto version = [](std::string step) {
    return single([step](const job&, context& ctx) -> task<> {
      auto body = [] {};
      co_await ctx.call("same", body);
      co_await ctx.sleep_for(1h);
      co_await ctx.call(step, body);
    });
  };
  virtual_node node;
  node.add(version("old"));
  const auto early = node.start("w", job{});
  node.skip(1min);
  node.add(version("new"));
  node.restart();
  early.expect_end(run_status::succeeded);
  CHECK(node.calls("only", "new") == 1);
  CHECK(contains(failure_of([&] { node.add(single([](const job&, context&) -> task<> { co_return; }, {.timeout = 1s})); }),
                 "another graph"));
}
