#include "unit/testing/desk.hpp"

using namespace perdure;
using namespace perdure::test;

TEST_CASE("years of sleep pass at once, and every time is what it would be") {
  virtual_node node;
  node.add(single([](const job&, context& ctx) -> task<> {
    for (int i = 0; i < 3; ++i) co_await ctx.sleep_for(24h * 365);
    ctx.yield_output(to_string(ctx.now()));
  }));
  const auto began = node.now();
  const auto run = node.start("w", job{});
  run.expect_output(json::value(to_string(began + 3 * 24h * 365)));
  CHECK(node.now() == began + 3 * 24h * 365);
}

TEST_CASE("skip goes exactly so far, and what is due on the way happens at its time") {
  virtual_node node;
  node.add(single([](const job& what, context& ctx) -> task<> {
    co_await ctx.sleep_for(std::chrono::hours{what.number});
    ctx.yield_output(to_string(ctx.now()));
  }));
  const auto began = node.now();
  const auto late = node.start("w", job{3});
  const auto early = node.start("w", job{1});
  node.skip(59min);
  CHECK(early.status().status == run_status::waiting);
  node.skip(90min);
  CHECK(node.now() == began + 149min);
  CHECK(early.status().status == run_status::succeeded);
  CHECK(early.status().ended_at == began + 1h);
  CHECK(late.status().status == run_status::waiting);
  node.skip(31min);
  CHECK(late.status().ended_at == began + 3h);
}

TEST_CASE("no time goes by while the node works off what can happen now") {
  virtual_node node;
  node.add(single([](const job&, context& ctx) -> task<> {
    auto body = [] { return 1; };
    (void)co_await ctx.call("one", body);
    co_await ctx.sleep_for(1us);
  }));
  const auto run = node.start("w", job{});
  const auto began = node.now();
  node.run_until_idle();
  CHECK(node.now() == began);
  CHECK(node.calls("only", "one") == 1);
  CHECK(run.status().status == run_status::waiting);
}

TEST_CASE("run_until stops as soon as its condition holds") {
  virtual_node node;
  node.add(single([](const job&, context& ctx) -> task<> {
    for (int i = 0; i < 10; ++i) {
      co_await ctx.sleep_for(1min);
      ctx.yield_output(i);
    }
  }));
  const auto began = node.now();
  const auto run = node.start("w", job{});
  node.run_until([&] { return run.status().outputs.size() == 4; });
  CHECK(node.now() == began + 4min);
  const auto said = failure_of([&] { node.run_until([] { return false; }, 2min, "miracle"); });
  CHECK(contains(said, "waited for miracle, and it did not come within 2m"));
}

TEST_CASE("a run that nothing will move is told, with what it waits for") {
  virtual_node node;
  node.add(single([](const job&, context& ctx) -> task<> { (void)co_await ctx.wait_signal<int>("go"); }));
  const auto run = node.start("w", job{});
  const auto said = failure_of([&] { run.wait(); });
  CHECK(contains(said, "nothing can happen any more"));
  CHECK(contains(said, "executor \"only\" waits for signal \"go\""));
  run.signal("go", 1);
  run.expect_end(run_status::succeeded);
}

TEST_CASE("a node that goes on without end is stopped") {
  virtual_node node{{.max_operations = 5'000}};
  node.add(single([](const job&, context& ctx) -> task<> {
    while (true) co_await ctx.sleep_for(0s);
  }));
  const auto run = node.start("w", job{});
  CHECK(contains(failure_of([&] { run.wait(); }), "max_operations = 5000"));
}

namespace {

/// Three branches, one after the other of each: which goes first is up to the node.
workflow racing() {
  return single([](const job&, context& ctx) -> task<> {
    auto branch = [](context& inner, int number) -> task<> {
      auto body = [number] { return number; };
      (void)co_await inner.call("call " + std::to_string(number), body);
      (void)co_await inner.call("again " + std::to_string(number), body);
    };
    std::vector<task<>> all;
    for (int i = 0; i < 4; ++i) all.push_back(branch(ctx, i));
    (void)co_await ctx.when_all(all);
  });
}
std::string raced(std::uint64_t seed) {
  virtual_node node{{.seed = seed}};
  node.add(racing());
  const auto run = node.start("w", job{});
  run.expect_end(run_status::succeeded);
  return run.events_text();
}

}  // namespace

TEST_CASE("the same seed gives the same run, and others give other orders") {
  std::set<std::string> orders;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto first = raced(seed);
    CHECK(first == raced(seed));
    orders.insert(first);
  }
  CHECK(orders.size() > 10);
}

TEST_CASE("a handler that is not deterministic is found without a crash, when its run comes back into memory") {
  const auto shaky = [](int& times) {
    return single([&times](const job&, context& ctx) -> task<> {
      const bool first = times++ == 0;
      auto body = [] {};
      co_await ctx.call(first ? "one way" : "another way", body);
      co_await ctx.sleep_for(1h);
    });
  };
  int times = 0;
  virtual_node node;
  node.add(shaky(times));
  const auto run = node.start("w", job{});
  const auto said = failure_of([&] { run.wait(); });
  CHECK(contains(said, "nondeterminism"));
  CHECK(contains(said, "call \"one way\""));
  CHECK(contains(said, "call \"another way\""));

  times = 0;
  virtual_node keeps{{.unload_waiting_runs = false}};
  keeps.add(shaky(times));
  keeps.start("w", job{}).expect_end(run_status::succeeded);
  CHECK(times == 1);
}

TEST_CASE("pause holds a run, resume lets it go on") {
  virtual_node node;
  node.add(single([](const job&, context& ctx) -> task<> {
    co_await ctx.sleep_for(1h);
    ctx.yield_output("done");
  }));
  const auto run = node.start("w", job{});
  run.pause();
  node.skip(2h);
  CHECK(run.status().status == run_status::paused);
  CHECK(contains(failure_of([&] { run.wait(); }), "is paused"));
  run.resume();
  run.expect_output(json::value("done"));
  CHECK(run.try_cancel().error().code == errc::conflict);
}

TEST_CASE("cancel reaches the handler, which may clean up") {
  virtual_node node;
  node.add(single([](const job&, context& ctx) -> task<> {
    bool cancelled = false;
    try {
      co_await ctx.sleep_for(1h);
    } catch (const cancelled_error&) {
      cancelled = true;
    }
    auto clean = [] {};
    if (cancelled) co_await ctx.call("clean up", clean);
  }));
  const auto run = node.start("w", job{});
  node.run_until_idle();
  run.cancel("no longer wanted");
  run.expect_end(run_status::cancelled);
  CHECK(node.calls("only", "clean up") == 1);
}

TEST_CASE("requests are answered by their id, or the only one without") {
  virtual_node node;
  node.add(single([](const job&, context& ctx) -> task<> {
    const json::value question{{"text", "well?"}};
    auto first = ctx.request<int>(question);
    auto second = ctx.request<int>(question);
    const auto both = co_await ctx.when_all(first, second);
    ctx.yield_output(std::get<0>(both) * 10 + std::get<1>(both));
  }));
  const auto run = node.start("w", job{});
  node.run_until_idle();
  CHECK(contains(failure_of([&] { run.answer(1); }), "has 2 open requests"));
  CHECK(run.try_respond("7.7", 1).error().code == errc::not_found);
  run.respond(run.status().requests.at(1).id, 2);
  run.answer(1);
  run.expect_output(12);
}

TEST_CASE("an answer of another type is refused, also after a crash, and the request stays open") {
  virtual_node node;
  const auto asking = single([](const job&, context& ctx) -> task<> {
    const json::value question{{"text", "well?"}};
    ctx.yield_output(co_await ctx.request<int>(question));
  });
  node.add(asking);
  const auto run = node.start("w", job{});
  node.run_until_idle();
  const auto id = run.status().requests.at(0).id;
  const auto refused = [&] {
    const auto events = run.events().size();
    const auto done = run.try_respond(id, "seven");
    REQUIRE(done.has_error());
    CHECK(done.error().code == errc::invalid_argument);
    CHECK(contains(done.error().message, "answer \"int\": expected an integer in range, found a string"));
    CHECK(run.events().size() == events);
    CHECK(run.status().requests.size() == 1);
  };
  refused();
  node.crash();
  refused();
  run.pause();
  refused();
  node.crash();
  refused();
  run.resume();
  run.answer(7);
  run.expect_output(7);
}

TEST_CASE("a key attaches to the run that it began") {
  virtual_node node;
  node.add(single([](const job&, context&) -> task<> { co_return; }));
  const auto run = node.start("w", job{1}, {.key = "k"});
  CHECK(node.start("w", job{1}, {.key = "k"}).id() == run.id());
  const auto other = node.try_start_named("w", message_name<job>, payload{to_json(job{2})}, {.key = "k"});
  REQUIRE(other.has_error());
  CHECK(other.error().code == errc::already_exists);
  CHECK(node.try_start_named("nothing", "m", {}).error().code == errc::workflow_unknown);
}

TEST_CASE("what handlers log is kept, once") {
  virtual_node node;
  node.add(single([](const job&, context& ctx) -> task<> {
    ctx.log("before");
    co_await ctx.sleep_for(1h);
    ctx.log("after");
  }));
  node.start("w", job{}).wait();
  REQUIRE(node.log().size() == 2);
  CHECK(node.log()[0].text == "before");
  CHECK(node.log()[1].executor == "only");
}

TEST_CASE("a run is found by its id") {
  virtual_node node;
  node.add(single([](const job&, context&) -> task<> { co_return; }));
  const auto run = node.start("w", job{});
  CHECK(node.find(run.id()).status().workflow == "w");
  CHECK(contains(failure_of([&] { (void)node.find(run_id{}); }), "there is no run 00000000"));
}
