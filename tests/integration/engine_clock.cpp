// A clock that jumps under a running node, and between two of its lives: no wake-up is lost, none comes twice, none early.
#include <atomic>
#include <map>
#include <mutex>
#include <random>

#include "support/catch.hpp"
#include "support/engine.hpp"
#include "support/seed.hpp"
#include "support/temp_directory.hpp"

using namespace std::chrono_literals;
using namespace perdure;
using test::eventually;
using test::finish;

namespace {

struct nap {
  int number = 0;
  std::int64_t length_ms = 0;
  int times = 1;
};
PERDURE_MESSAGE(nap, "nap/v1", number, length_ms, times)

/// The system's clock, set forward or back by the test; and what the node logged.
struct world {
  std::atomic<std::int64_t> set_by_us{0};
  std::mutex mutex;
  std::map<std::pair<int, int>, int> woken;  ///< (run, nap): how often what follows was done
  std::vector<std::string> warnings;

  void set(std::chrono::milliseconds by) { set_by_us += duration{by}.count(); }
  [[nodiscard]] timestamp now() const {
    return std::chrono::time_point_cast<duration>(std::chrono::system_clock::now()) + duration{set_by_us.load()};
  }

  node open(const std::filesystem::path& directory) {
    node_options options;
    options.data_dir = directory;
    options.clock = [this] { return now(); };
    options.log = [this](const log_record& what) {
      const std::lock_guard lock{mutex};
      if (what.level == "warning") warnings.emplace_back(what.message);
    };
    auto opened = std::move(node::open(std::move(options)).value());
    REQUIRE(opened.add(test::single<nap>("nap", [this](const nap& in, context& ctx) -> task<> {
      for (int i = 0; i < in.times; ++i) {
        co_await ctx.sleep_for(std::chrono::milliseconds{in.length_ms});
        auto note = [&] {
          const std::lock_guard lock{mutex};
          ++woken[{in.number, i}];
        };
        co_await ctx.call("note", note);
      }
    })));
    return opened;
  }
  std::size_t done() {
    const std::lock_guard lock{mutex};
    return woken.size();
  }
  bool each_once() {
    const std::lock_guard lock{mutex};
    return std::all_of(woken.begin(), woken.end(), [](const auto& each) { return each.second == 1; });
  }
  bool warned_of(const std::string& part) {
    const std::lock_guard lock{mutex};
    return std::any_of(warnings.begin(), warnings.end(), [&](const auto& each) { return each.find(part) != std::string::npos; });
  }
};

bool times_ascend(const run_ref& run) {
  timestamp last{};
  for (const auto& each : run.events(0, 1000).value()) {
    if (each.time < last) return false;
    last = each.time;
  }
  return true;
}

}  // namespace

TEST_CASE("a clock that is set ahead by hours brings what came due within a moment, once, and leaves the rest") {
  const test::temp_directory directory;
  world of;
  auto node = of.open(directory.path());
  std::vector<run_ref> soon, late;
  for (int i = 0; i < 40; ++i) {
    soon.push_back(node.start("nap", nap{i, (30 + i) * 60'000}).value());         // within 70 minutes
    late.push_back(node.start("nap", nap{100 + i, (150 + i) * 60'000}).value());  // in two hours and a half
  }
  REQUIRE(eventually([&] { return node.stats().live_runs == 0; }));
  CHECK(of.done() == 0);
  of.set(2h);
  for (const auto& each : soon) CHECK(finish(each).status == run_status::succeeded);
  CHECK(of.done() == 40);
  CHECK(node.stats().clock_jumps == 1);
  CHECK(of.warned_of("ahead"));
  std::this_thread::sleep_for(1200ms);  // the timer has looked again
  CHECK(of.done() == 40);
  for (const auto& each : late) CHECK(each.status()->status == run_status::waiting);
  of.set(2h);
  for (const auto& each : late) CHECK(finish(each).status == run_status::succeeded);
  CHECK(of.done() == 80);
  CHECK(of.each_once());
  CHECK(node.stats().clock_jumps == 2);
}

TEST_CASE("a clock that is set back by hours neither stops nor hastens what sleeps") {
  // Event time stood still until the clock had caught up: a sleep of one second took hours.
  const test::temp_directory directory;
  world of;
  auto node = of.open(directory.path());
  const auto begun = std::chrono::steady_clock::now();
  std::vector<run_ref> runs;
  for (int i = 0; i < 20; ++i) runs.push_back(node.start("nap", nap{i, i % 2 == 0 ? 700 : 1800}).value());
  of.set(-3h);
  // New work begins under such a clock too.
  for (int i = 20; i < 40; ++i) runs.push_back(node.start("nap", nap{i, 500}).value());
  for (std::size_t i = 0; i < runs.size(); ++i) {
    CHECK(finish(runs[i]).status == run_status::succeeded);
    CHECK(times_ascend(runs[i]));
    if (i < 20 && i % 2 == 1) CHECK(std::chrono::steady_clock::now() - begun >= 1800ms);
  }
  CHECK(std::chrono::steady_clock::now() - begun < 15s);
  CHECK(of.warned_of("set back"));
  CHECK(of.each_once());
  of.set(3h);  // somebody put it right
  CHECK(finish(node.start("nap", nap{40, 100}).value()).status == run_status::succeeded);
  CHECK(of.done() == 41);
  CHECK(node.stats().clock_jumps == 0);
}

TEST_CASE("a node that is opened under a clock behind its journal goes on from the journal's time") {
  const test::temp_directory directory;
  world of;
  of.set(5h);
  run_id id;
  {
    auto node = of.open(directory.path());
    id = node.start("nap", nap{1, 1500}).value().id();
    REQUIRE(eventually([&] { return node.stats().live_runs == 0; }));
  }
  of.set(-5h);
  auto node = of.open(directory.path());
  CHECK(of.warned_of("behind the journal"));
  const auto run = node.get(id).value();
  CHECK(finish(run).status == run_status::succeeded);
  CHECK(times_ascend(run));
  CHECK(of.done() == 1);
  CHECK(of.each_once());
}

TEST_CASE("what came due while no node was there, by a clock that jumped meanwhile, comes once") {
  const test::temp_directory directory;
  world of;
  std::vector<run_id> ids;
  {
    auto node = of.open(directory.path());
    for (int i = 0; i < 30; ++i) ids.push_back(node.start("nap", nap{i, (1 + i) * 60'000}).value().id());
    // One that has not begun to sleep yet would sleep its whole length by the new clock.
    REQUIRE(eventually([&] { return node.stats().live_runs == 0; }));
  }
  of.set(24h);
  auto node = of.open(directory.path());
  for (const auto& each : ids) CHECK(finish(node.get(each).value()).status == run_status::succeeded);
  CHECK(of.done() == 30);
  CHECK(of.each_once());
}

TEST_CASE("a clock that jumps to and fro loses and doubles no wake-up") {
  const test::temp_directory directory;
  world of;
  auto node = of.open(directory.path());
  std::mt19937_64 random{test::session_seed()};
  std::vector<run_ref> runs;
  for (int i = 0; i < 60; ++i) {
    runs.push_back(node.start("nap", nap{i, static_cast<std::int64_t>(20 + random() % 300), 5}).value());
    if (i % 4 == 0) of.set(std::chrono::minutes{static_cast<int>(random() % 240) - 120});
  }
  for (int i = 0; i < 20; ++i) {
    of.set(std::chrono::minutes{static_cast<int>(random() % 240) - 120});
    std::this_thread::sleep_for(std::chrono::milliseconds{random() % 60});
  }
  for (const auto& each : runs) {
    CHECK(finish(each).status == run_status::succeeded);
    CHECK(times_ascend(each));
  }
  CHECK(of.done() == 60 * 5);
  CHECK(of.each_once());
}
