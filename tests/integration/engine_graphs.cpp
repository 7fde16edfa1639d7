// Edges, cycles, programs and time limits in real nodes.
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>

#include "support/engine.hpp"
#include "support/temp_directory.hpp"

using namespace std::chrono_literals;
using namespace perdure;
using test::eventually;
using test::finish;
using test::open_node;
using test::script;

namespace {

struct item {
  int value = 0;
};
PERDURE_MESSAGE(item, "item/v1", value)

task<> pass_on(const item& in, context& ctx) {
  ctx.send(in);
  co_return;
}
task<> output_it(const item& in, context& ctx) {
  ctx.yield_output(in);
  co_return;
}
auto times(int factor) {
  return [factor](const item& in, context& ctx) -> task<> {
    const int made = co_await ctx.call("times", [&] { return in.value * factor; });
    ctx.send(item{made});
  };
}
task<> output_all(const joined& in, context& ctx) {
  int total = 0;
  for (const auto& each : in.as<item>().value()) total += each.value;
  ctx.yield_output(json::value{{"total", total}, {"count", in.messages.size()}});
  co_return;
}

}  // namespace

TEST_CASE("fan-out and fan-in deliver every branch once, in the order of the edge") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  workflow_builder builder{"fan", "1"};
  builder.add_with("start", script<item>(pass_on))
      .add_with("two", script<item>(times(2)))
      .add_with("three", script<item>(times(3)), {.cooperative = true});
  builder.add_with("sum", script<joined>(output_all))
      .start_at("start")
      .fan_out("start", {"two", "three"})
      .fan_in({"two", "three"}, "sum");
  REQUIRE(node.add(builder.build()));
  const auto info = finish(node.start("fan", item{5}).value());
  CHECK(info.output.text() == R"({"total":25,"count":2})");
}

TEST_CASE("a fan-in of mode any takes the first of a round") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  const auto slow = [](const item& in, context& ctx) -> task<> {
    co_await ctx.sleep_for(100ms);
    ctx.send(item{in.value * 100});
  };
  workflow_builder builder{"first", "1"};
  builder.add_with("start", script<item>(pass_on)).add_with("quick", script<item>(times(2))).add_with("slow", script<item>(slow));
  builder.add_with("sum", script<joined>(output_all))
      .start_at("start")
      .fan_out("start", {"quick", "slow"})
      .fan_in({"quick", "slow"}, "sum", fan_in_mode::any);
  REQUIRE(node.add(builder.build()));
  const auto info = finish(node.start("first", item{1}).value());
  CHECK(info.outputs.size() == 1);
  CHECK(info.output.text() == R"({"total":2,"count":1})");
}

TEST_CASE("a switch takes the first case that holds, else the default; selections take several") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  const auto say = [](std::string what) {
    return script<item>([what](const item&, context& ctx) -> task<> {
      ctx.yield_output(what);
      co_return;
    });
  };
  workflow_builder builder{"switch", "1"};
  builder.add_with("start", script<item>(pass_on))
      .add_with("small", say("small"))
      .add_with("big", say("big"))
      .add_with("other", say("other"))
      .start_at("start");
  builder.switch_on<item>(
      "start", {{[](const item& in) { return in.value < 10; }, "small"}, {[](const item& in) { return in.value > 100; }, "big"}},
      "other");
  REQUIRE(node.add(builder.build()));
  CHECK(finish(node.start("switch", item{1}).value()).output.text() == "\"small\"");
  CHECK(finish(node.start("switch", item{1000}).value()).output.text() == "\"big\"");
  CHECK(finish(node.start("switch", item{50}).value()).output.text() == "\"other\"");

  workflow_builder select{"select", "1"};
  select.add_with("start", script<item>(pass_on))
      .add_with("a", say("a"))
      .add_with("b", say("b"))
      .add_with("c", say("c"))
      .start_at("start");
  select.multi_select<item>("start", {"a", "b", "c"}, [](const item&) { return std::vector<std::size_t>{0, 2}; });
  REQUIRE(node.add(select.build()));
  std::set<std::string> got;
  for (const auto& each : finish(node.start("select", item{1}).value()).outputs) got.insert(std::string{each.text()});
  CHECK(got == std::set<std::string>{"\"a\"", "\"c\""});
}

TEST_CASE("a cycle ends by its condition, or at its bound with a clear failure") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  const auto count = [](const item& in, context& ctx) -> task<> {
    ctx.send(item{in.value - 1});
    co_return;
  };
  workflow_builder builder{"loop", "1"};
  builder.add_with("count", script<item>(count))
      .add_with("end", script<item>(output_it))
      .start_at("count")
      .with_max_activations(20);
  builder.edge_if<item>("count", "count", [](const item& in) { return in.value > 0; });
  builder.edge_if<item>("count", "end", [](const item& in) { return in.value <= 0; });
  REQUIRE(node.add(builder.build()));
  CHECK(finish(node.start("loop", item{10}).value()).status == run_status::succeeded);
  const auto endless = finish(node.start("loop", item{1000}).value());
  CHECK(endless.status == run_status::failed);
  REQUIRE(endless.error);
  CHECK(endless.error->code == "limit");
  CHECK(endless.error->message.find("20") != std::string::npos);
}

TEST_CASE("a message that no edge takes is a warning, not a failure") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  REQUIRE(node.add(test::single<item>("alone", pass_on)));
  auto run = node.start("alone", item{1}).value();
  CHECK(finish(run).status == run_status::succeeded);
  bool warned = false;
  for (const auto& each : run.events().value())
    warned = warned || (each.kind == "warning" && each.data.at("code") == "undeliverable");
  CHECK(warned);
}

TEST_CASE("a handler that throws anything fails its run, not the node") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  const auto odd = [](const item& in, context& ctx) -> task<> {
    if (in.value == 1) throw 42;
    if (in.value == 2) throw std::runtime_error("plain");
    co_await ctx.call("throws", [] { throw "text"; });
  };
  REQUIRE(node.add(test::single<item>("odd", odd)));
  for (int i = 1; i <= 3; ++i) {
    const auto info = finish(node.start("odd", item{i}).value());
    CHECK(info.status == run_status::failed);
    REQUIRE(info.error);
    CHECK(info.error->code == "exception");
  }
}

TEST_CASE("an exhausted heartbeat fails the attempt, progress keeps it alive") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  const auto work = [](const item& in, context& ctx) -> task<> {
    auto body = [&](call_context& with) {
      for (int i = 0; i < 30 && !with.stop_token().stop_requested(); ++i) {
        std::this_thread::sleep_for(100ms);
        if (in.value == 1) with.progress(static_cast<std::uint64_t>(i), 30);
      }
    };
    co_await ctx.call("work", body);
    ctx.yield_output("done");
  };
  REQUIRE(node.add(test::single<item>("beat", work, {.timeouts = {.heartbeat = 1500ms}})));
  auto alive = node.start("beat", item{1}).value();
  auto silent = node.start("beat", item{2}).value();
  const auto dead = finish(silent);
  CHECK(dead.status == run_status::failed);
  CHECK(dead.error->code == "timeout");
  CHECK(finish(alive).status == run_status::succeeded);
}

TEST_CASE("programs run as steps; their failure names the program and its last words") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  const auto shell = [](const item& in, context& ctx) -> task<> {
    auto spec = process_spec{"/bin/sh"}.arg("-c").arg(in.value == 0 ? "cat; echo err >&2" : "echo broken >&2; exit 7");
    spec.input = "in";
    const auto end = co_await ctx.run_process("shell", spec);
    ctx.yield_output(end);
  };
  REQUIRE(node.add(test::single<item>("shell", shell)));
  CHECK(finish(node.start("shell", item{0}).value()).output.text() == R"({"code":0,"output":"in","error":"err\n"})");
  const auto bad = finish(node.start("shell", item{1}).value());
  CHECK(bad.status == run_status::failed);
  CHECK(bad.error->code == "process");
  CHECK(bad.error->message.find("broken") != std::string::npos);
}

TEST_CASE("a node closes in time while a program runs that ignores SIGTERM, and does not leave it behind") {
  const test::temp_directory directory;
  const auto up = directory.path() / "up", over = directory.path() / "over";
  auto node = open_node(directory.path() / "data");
  REQUIRE(node.add(test::single<item>("deaf", [&](const item&, context& ctx) -> task<> {
    // It ends by itself after a while, so that it is gone also where this test fails. Its child has the pipes, too.
    const auto script = "trap '' TERM; echo $$ > " + up.string() +
                        "; (trap '' TERM; sleep 20) & for i in $(seq 200); do sleep 0.1; done; touch " + over.string();
    auto spec = process_spec{"/bin/sh"}.arg("-c").arg(script);
    spec.grace_ms = 60'000;
    co_await ctx.run_process("deaf", spec);
  })));
  REQUIRE(node.start("deaf", item{0}).has_value());
  pid_t child = 0;
  REQUIRE(test::eventually([&] { return static_cast<bool>(std::ifstream{up} >> child); }));
  const auto began = std::chrono::steady_clock::now();
  node.close();
  CHECK(std::chrono::steady_clock::now() - began < 10s);
  CHECK(test::eventually([&] { return ::kill(child, 0) != 0; }));
  CHECK_FALSE(std::filesystem::exists(over));
}

TEST_CASE("a node closes in time while a body hangs, and the run goes on at the next open") {
  const test::temp_directory directory;
  std::atomic<int> tries{0};
  const auto hang = test::single<item>("hang", [&](const item&, context& ctx) -> task<> {
    auto body = [&](call_context& with) {
      if (++tries > 1) return;
      while (!with.stop_token().stop_requested()) std::this_thread::sleep_for(5ms);
    };
    co_await ctx.call("hang", body);
    ctx.yield_output("over");
  });
  run_id id;
  {
    auto node = node::open({.data_dir = directory.path(), .shutdown_timeout = 1s}).value();
    REQUIRE(node.add(hang));
    auto run = node.start("hang", item{}).value();
    id = run.id();
    REQUIRE(eventually([&] { return tries == 1; }));
    const auto began = std::chrono::steady_clock::now();
    node.close();
    CHECK(std::chrono::steady_clock::now() - began < 5s);
  }
  auto node = open_node(directory.path());
  REQUIRE(node.add(hang));
  CHECK(finish(node.get(id).value()).status == run_status::succeeded);
  CHECK(tries == 2);
}

TEST_CASE("two nodes with two directories live in one process; one directory has one node") {
  const test::temp_directory a, b;
  auto first = open_node(a.path());
  auto second = open_node(b.path());
  CHECK(node::open({.data_dir = a.path()}).error().code == errc::locked);
  REQUIRE(first.add(test::single<item>("out", output_it)));
  REQUIRE(second.add(test::single<item>("out", output_it)));
  CHECK(finish(first.start("out", item{1}).value()).output.text() == R"({"value":1})");
  CHECK(finish(second.start("out", item{2}).value()).output.text() == R"({"value":2})");
}
