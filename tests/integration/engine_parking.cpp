// Runs that only wait leave memory, and come back for whatever comes for them.
#include "support/catch.hpp"
#include "support/engine.hpp"
#include "support/temp_directory.hpp"

#include <atomic>
#include <random>

using namespace std::chrono_literals;
using namespace perdure;

namespace {

struct tag {
  int value = 0;
};
PERDURE_MESSAGE(tag, "tag/v1", value)

using test::eventually;
using test::finish;
using test::open_node;

/// Sums up so many signals.
task<> sum_signals(const tag& in, context& ctx) {
  int sum = 0;
  for (int i = 0; i < in.value; ++i) sum += (co_await ctx.wait_signal<tag>("more")).value;
  ctx.yield_output(tag{sum});
}

}  // namespace

TEST_CASE("runs that sleep hold no actor, and go on in time") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  REQUIRE(node.add(test::single<tag>("nap", [](const tag& in, context& ctx) -> task<> {
    co_await ctx.sleep_for(3s);
    ctx.yield_output(in);
  })));
  const auto begun = std::chrono::steady_clock::now();
  std::vector<run_ref> runs;
  for (int i = 0; i < 50; ++i) runs.push_back(node.start("nap", tag{i}).value());
  CHECK(eventually([&] { return node.stats().live_runs == 0; }, 2s));
  CHECK(node.stats().open_runs == 50);
  for (int i = 0; i < 50; ++i) {
    const auto info = finish(runs[static_cast<std::size_t>(i)]);
    CHECK(info.status == run_status::succeeded);
    CHECK(info.output.text() == "{\"value\":" + std::to_string(i) + "}");
  }
  CHECK(std::chrono::steady_clock::now() - begun >= 3s);
}

TEST_CASE("a parked run takes signals, requests' answers, pause, resume and cancel") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  REQUIRE(node.add(test::single<tag>("sum", sum_signals)));
  REQUIRE(node.add(test::single<tag>("ask", [](const tag&, context& ctx) -> task<> {
    const json::value question{{"text", "go on?"}};
    ctx.yield_output(co_await ctx.request<tag>(question));
  })));
  const auto parked = [&] { return eventually([&] { return node.stats().live_runs == 0; }, 2s); };

  auto summing = node.start("sum", tag{2}).value();
  REQUIRE(parked());
  REQUIRE(summing.signal("more", tag{3}));
  REQUIRE(parked());
  REQUIRE(summing.pause());
  REQUIRE(parked());
  REQUIRE(summing.signal("more", tag{4}));
  CHECK(summing.status().value().status == run_status::paused);
  REQUIRE(summing.resume());
  CHECK(finish(summing).output.text() == R"({"value":7})");

  auto asking = node.start("ask", tag{}).value();
  REQUIRE(parked());
  const auto open = asking.status().value().requests;
  REQUIRE(open.size() == 1);
  REQUIRE(asking.respond(open.front().id, tag{9}));
  CHECK(finish(asking).output.text() == R"({"value":9})");

  auto unlucky = node.start("ask", tag{}).value();
  REQUIRE(parked());
  REQUIRE(unlucky.cancel("enough"));
  CHECK(finish(unlucky).status == run_status::cancelled);
}

TEST_CASE("no signal is lost that comes at the moment of parking") {
  const test::temp_directory directory;
  auto node = open_node(directory.path(), journal_engine::memory);
  REQUIRE(node.add(test::single<tag>("sum", sum_signals)));
  constexpr int signals = 60, senders = 4;
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int sender = 0; sender < senders; ++sender) {
    threads.emplace_back([&, sender] {
      std::minstd_rand random{static_cast<unsigned>(sender) + 1};
      auto run = node.start("sum", tag{signals}).value();
      for (int i = 0; i < signals; ++i) {
        if (!run.signal("more", tag{1})) ++wrong;
        std::this_thread::sleep_for(std::chrono::microseconds{15'000 + random() % 12'000});
      }
      const auto info = run.wait(20s);
      if (!info || info->output.text() != "{\"value\":" + std::to_string(signals) + "}") ++wrong;
    });
  }
  for (auto& each : threads) each.join();
  CHECK(wrong == 0);
}

TEST_CASE("a time limit of a parked run is kept, also over a restart") {
  const test::temp_directory directory;
  const auto define = [](node& into) {
    REQUIRE(into.add(test::single<tag>("wait", [](const tag&, context& ctx) -> task<> {
      try {
        (void)co_await ctx.wait_signal<tag>("never", {.timeout = 2s});
      } catch (const timeout_error&) {
        ctx.yield_output(tag{1});
      }
    })));
  };
  run_id id;
  {
    auto node = open_node(directory.path());
    define(node);
    id = node.start("wait", tag{}).value().id();
    REQUIRE(eventually([&] { return node.stats().live_runs == 0; }, 1900ms));
  }
  auto node = open_node(directory.path());
  define(node);
  CHECK(finish(node.get(id).value()).output.text() == R"({"value":1})");
}
