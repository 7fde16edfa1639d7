// The engine as its users see it: real nodes, real threads, real journals.
#include "support/catch.hpp"
#include "support/engine.hpp"
#include "support/temp_directory.hpp"

#include <atomic>
#include <thread>

using namespace std::chrono_literals;
using namespace perdure;

namespace {

struct number {
  int value = 0;
};
PERDURE_MESSAGE(number, "number/v1", value)

struct verdict {
  bool ok = false;
  std::string by;
};
PERDURE_MESSAGE(verdict, "verdict/v1", ok, by)

using scripted_body = test::scripted<number>::body;
using test::eventually;
using test::finish;
using test::open_node;

workflow single(std::string name, scripted_body what, executor_options options = {}) {
  return test::single<number>(std::move(name), std::move(what), options);
}

task<> add_steps(const number& in, context& ctx) {
  int sum = in.value;
  for (int i = 0; i < 5; ++i) {
    auto more = [&] { return sum + 1; };
    sum = co_await ctx.call("add", more);
  }
  ctx.yield_output(number{sum});
}

}  // namespace

TEST_CASE("a run does its steps and gives its output") {
  const test::temp_directory directory;
  for (const bool cooperative : {true, false}) {
    for (const auto engine : {journal_engine::memory, journal_engine::lmdb}) {
      auto node = open_node(directory.path() / (cooperative ? "c" : "p"), engine);
      REQUIRE(node.add(single("sum", add_steps, {.cooperative = cooperative})));
      auto run = node.start("sum", number{10}).value();
      const auto info = finish(run);
      CHECK(info.status == run_status::succeeded);
      CHECK(info.output.text() == R"({"value":15})");
    }
  }
}

TEST_CASE("an unknown workflow, a wrong message and a used key are refused with a reason") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  REQUIRE(node.add(single("sum", add_steps)));
  CHECK(node.start("summ", number{1}).error().code == errc::workflow_unknown);
  CHECK(node.start("sum", json::value{{"value", 1}}).error().code == errc::invalid_argument);
  auto first = node.start("sum", number{1}, {.key = "k"}).value();
  CHECK(node.start("sum", number{1}, {.key = "k"}).value().id() == first.id());
  CHECK(node.start("sum", number{2}, {.key = "k"}).error().code == errc::already_exists);
  finish(first);
  CHECK(node.start("sum", number{1}, {.key = "k"}).value().id() == first.id());
  CHECK(node.find("k").value().id() == first.id());
}

TEST_CASE("a failed call is retried with backoff, then its failure ends the run") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  std::atomic<int> tries{0};
  REQUIRE(node.add(single("flaky", [&](const number& in, context& ctx) -> task<> {
    auto body = [&]() -> int {
      if (++tries < in.value) throw step_error("busy", "come back");
      return tries;
    };
    const int got = co_await ctx.call("flaky", body, {.retry = retry(3, fixed(10ms))});
    ctx.yield_output(got);
  })));
  const auto good = finish(node.start("flaky", number{3}).value());
  CHECK(good.status == run_status::succeeded);
  CHECK(good.output.text() == "3");
  CHECK(good.handled_errors == 2);
  tries = 0;
  const auto bad = finish(node.start("flaky", number{9}).value());
  CHECK(bad.status == run_status::failed);
  REQUIRE(bad.error);
  CHECK(bad.error->code == "busy");
  CHECK(bad.error->executor == "only");
  CHECK(tries == 3);
}

TEST_CASE("a failed attempt is retried and does its successful steps no more") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  std::atomic<int> first{0}, second{0};
  REQUIRE(node.add(single("again",
                          [&](const number&, context& ctx) -> task<> {
                            co_await ctx.call("first", [&] { ++first; });
                            co_await ctx.call("second", [&] {
                              if (++second < 3) throw std::runtime_error("not yet");
                            });
                            ctx.yield_output(true);
                          },
                          {.retry = retry(3, fixed(5ms))})));
  const auto info = finish(node.start("again", number{}).value());
  CHECK(info.status == run_status::succeeded);
  CHECK(first == 1);
  CHECK(second == 3);
}

TEST_CASE("sleeps, signals, requests and timeouts wake a run") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  REQUIRE(node.add(single("waits", [](const number&, context& ctx) -> task<> {
    co_await ctx.sleep_for(30ms);
    const auto name = co_await ctx.wait_signal<std::string>("name");
    auto question = json::value{{"text", "release " + name + "?"}};
    const auto answer = co_await ctx.request<verdict>(question, {.timeout = 1h});
    std::string late = "none";
    try {
      co_await ctx.request<verdict>(question, {.timeout = 20ms});
    } catch (const timeout_error& thrown) {
      late = thrown.why().code;
    }
    ctx.yield_output(json::value{{"by", answer.by}, {"late", late}});
  })));
  auto run = node.start("waits", number{}).value();
  REQUIRE(run.signal("name", json::value("x")));
  REQUIRE(eventually([&] { return !run.status().value().requests.empty(); }));
  const auto waiting = run.status().value();
  CHECK(waiting.status == run_status::waiting);
  CHECK(waiting.requests[0].question.text() == R"({"text":"release x?"})");
  CHECK(run.respond("9.9", json::value(1)).error().code == errc::not_found);
  REQUIRE(run.respond(waiting.requests[0].id, verdict{true, "ann"}));
  const auto info = finish(run);
  CHECK(info.status == run_status::succeeded);
  CHECK(info.output.text() == R"({"by":"ann","late":"timeout"})");
  CHECK(run.signal("name").error().code == errc::conflict);
}

TEST_CASE("when_any cancels the loser, when_all gives all") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  REQUIRE(node.add(single("both", [](const number&, context& ctx) -> task<> {
    auto slow = ctx.sleep_for(1h);
    auto quick = ctx.sleep_for(10ms);
    const auto won = co_await ctx.when_any(slow, quick);
    auto one = [] { return 1; };
    auto two = [] { return 2; };
    auto a = ctx.call("one", one);
    auto b = ctx.call("two", two);
    const auto [x, y] = co_await ctx.when_all(a, b);
    ctx.yield_output(json::value{{"winner", won.index}, {"sum", x + y}});
  })));
  const auto info = finish(node.start("both", number{}).value());
  CHECK(info.output.text() == R"({"winner":1,"sum":3})");
}

TEST_CASE("cancel lets a handler clean up") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  std::atomic<bool> cleaned{false};
  REQUIRE(node.add(single("cancel", [&](const number&, context& ctx) -> task<> {
    bool cancelled = false;
    try {
      co_await ctx.sleep_for(1h);
    } catch (const cancelled_error&) {
      cancelled = true;
    }
    if (cancelled) {
      co_await ctx.call("clean", [&] { cleaned = true; });
      throw cancelled_error("cancelled", "gave up");
    }
  })));
  auto run = node.start("cancel", number{}).value();
  REQUIRE(eventually([&] { return run.status().value().status == run_status::waiting; }));
  REQUIRE(run.cancel("no longer needed"));
  const auto info = finish(run);
  CHECK(info.status == run_status::cancelled);
  CHECK(cleaned);
}

TEST_CASE("pause holds timers back, resume lets them go") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  REQUIRE(node.add(single("nap", [](const number&, context& ctx) -> task<> {
    co_await ctx.sleep_for(100ms);
    ctx.yield_output(1);
  })));
  auto run = node.start("nap", number{}).value();
  REQUIRE(run.pause());
  std::this_thread::sleep_for(300ms);
  CHECK(run.status().value().status == run_status::paused);
  REQUIRE(run.resume());
  CHECK(finish(run).status == run_status::succeeded);
}

TEST_CASE("time limits end attempts and runs, also while a body hangs") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  const auto hang = [](const number&, context& ctx) -> task<> {
    auto body = [](call_context& with) {
      while (!with.stop_token().stop_requested()) std::this_thread::sleep_for(1ms);
      throw std::runtime_error("stopped");
    };
    co_await ctx.call("hang", body);
  };
  REQUIRE(node.add(single("attempt", hang, {.timeout = 50ms})));
  auto builder = workflow_builder("sla", "1");
  builder.add_with("only", [hang] { return std::make_unique<test::scripted<number>>(hang); }).start_at("only").with_timeout(50ms);
  REQUIRE(node.add(builder.build()));
  const auto attempt = finish(node.start("attempt", number{}).value());
  CHECK(attempt.status == run_status::failed);
  CHECK(attempt.error->code == "timeout");
  const auto sla = finish(node.start("sla", number{}).value());
  CHECK(sla.status == run_status::timed_out);
}

TEST_CASE("subscribers see every event in order") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  REQUIRE(node.add(single("sum", add_steps)));
  auto run = node.start("sum", number{0}).value();
  std::mutex mutex;
  std::vector<run_seq> seen;
  std::string last;
  auto held = run.subscribe([&](const run_event& each) {
                   const std::lock_guard lock{mutex};
                   seen.push_back(each.seq);
                   last = each.kind;
                 })
                  .value();
  finish(run);
  REQUIRE(eventually([&] {
    const std::lock_guard lock{mutex};
    return last == "run_ended";
  }));
  held.cancel();
  for (std::size_t i = 0; i < seen.size(); ++i) CHECK(seen[i] == i + 1);
}

TEST_CASE("a failed run is retried as a linked one that keeps what was done") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  std::atomic<int> first{0};
  std::atomic<bool> broken{true};
  REQUIRE(node.add(single("mend", [&](const number&, context& ctx) -> task<> {
    co_await ctx.call("first", [&] { ++first; });
    co_await ctx.call("second", [&] {
      if (broken) throw step_error("broken", "still broken");
    });
    ctx.yield_output("done");
  })));
  auto run = node.start("mend", number{}).value();
  CHECK(finish(run).status == run_status::failed);
  broken = false;
  auto again = run.retry().value();
  CHECK(again.id() != run.id());
  CHECK(finish(again).status == run_status::succeeded);
  CHECK(first == 1);
}

TEST_CASE("an unfinished run goes on in the next node, without doing its steps again") {
  const test::temp_directory directory;
  std::atomic<int> first{0}, second{0};
  const auto flow = single("long", [&](const number&, context& ctx) -> task<> {
    co_await ctx.call("first", [&] { ++first; });
    co_await ctx.wait_signal("go");
    co_await ctx.call("second", [&] { ++second; });
    ctx.yield_output("end");
  });
  run_id id;
  {
    auto node = open_node(directory.path());
    REQUIRE(node.add(flow));
    auto run = node.start("long", number{}, {.key = "once"}).value();
    id = run.id();
    REQUIRE(eventually([&] { return run.status().value().status == run_status::waiting; }));
  }
  auto node = open_node(directory.path());
  auto run = node.find("once").value();
  CHECK(run.id() == id);
  CHECK(run.status().value().blocked == "workflow not registered");
  REQUIRE(run.signal("go"));
  REQUIRE(node.add(flow));
  CHECK(finish(run).status == run_status::succeeded);
  CHECK(first == 1);
  CHECK(second == 1);
}
