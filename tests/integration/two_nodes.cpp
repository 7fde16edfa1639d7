// Several nodes in one process, each with a directory of its own.
#include "support/catch.hpp"
#include "support/engine.hpp"
#include "support/temp_directory.hpp"

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <set>

using namespace std::chrono_literals;
using namespace perdure;

namespace {

struct number {
  int value = 0;
};
PERDURE_MESSAGE(number, "number/v1", value)

/// Counts how often each body ran, over all nodes.
struct ledger {
  std::mutex mutex;
  std::map<int, int> done;

  void note(int which) {
    const std::lock_guard lock{mutex};
    ++done[which];
  }
};

/// Notes its number, waits for the signal "go", gives ten times the number.
workflow patient(ledger& notes) {
  return test::single<number>("patient", [&notes](const number& in, context& ctx) -> task<> {
    auto note = [&] {
      notes.note(in.value);
      return in.value;
    };
    const auto value = co_await ctx.call("note", note);
    co_await ctx.wait_signal<int>("go");
    ctx.yield_output(number{value * 10});
  });
}

bool waits(const run_ref& run) {
  return test::eventually([&] { return run.status().value().status == run_status::waiting; });
}

}  // namespace

TEST_CASE("two nodes with two directories in one process do not see each other's runs, keys and workflows") {
  const test::temp_directory a, b;
  ledger notes;
  auto first = test::open_node(a.path());
  auto second = test::open_node(b.path());
  REQUIRE(first.add(patient(notes)));
  CHECK(second.start("patient", number{1}).error().code == errc::workflow_unknown);
  REQUIRE(second.add(patient(notes)));
  const auto here = first.start("patient", number{1}, {.key = "same"}).value();
  const auto there = second.start("patient", number{2}, {.key = "same"}).value();
  CHECK(here.id() != there.id());
  CHECK(first.get(there.id()).error().code == errc::not_found);
  CHECK(second.get(here.id()).error().code == errc::not_found);
  REQUIRE(first.list().value().runs.size() == 1);
  CHECK(first.list().value().runs.front().id == here.id());
  REQUIRE((waits(here) && waits(there)));
  REQUIRE(here.signal("go", 1));
  CHECK(test::finish(here).output.text() == R"({"value":10})");
  CHECK(there.status().value().status == run_status::waiting);
  REQUIRE(there.signal("go", 1));
  CHECK(test::finish(there).output.text() == R"({"value":20})");
}

TEST_CASE("a node that closes and opens again in a process leaves the other one at work, and goes on with its own runs") {
  const test::temp_directory a, b;
  ledger notes;
  std::optional<node> first{test::open_node(a.path())};
  auto second = test::open_node(b.path());
  REQUIRE(first->add(patient(notes)));
  REQUIRE(second.add(patient(notes)));
  const auto here = first->start("patient", number{1}).value().id();
  REQUIRE(waits(first->get(here).value()));
  for (int round = 0; round < 3; ++round) {
    const auto before = second.start("patient", number{100 + round}).value();
    first.reset();
    const auto between = second.start("patient", number{200 + round}).value();
    first.emplace(test::open_node(a.path()));
    REQUIRE(first->add(patient(notes)));
    for (const auto& each : {before, between}) {
      REQUIRE(waits(each));
      REQUIRE(each.signal("go", 1));
      CHECK(test::finish(each).status == run_status::succeeded);
    }
  }
  auto run = first->get(here).value();
  REQUIRE(waits(run));
  REQUIRE(run.signal("go", 1));
  CHECK(test::finish(run).output.text() == R"({"value":10})");
  const std::lock_guard lock{notes.mutex};
  CHECK(notes.done.size() == 7);
  for (const auto& [which, times] : notes.done) {
    INFO(which);
    CHECK(times == 1);
  }
}

TEST_CASE("two nodes under load at once finish all their runs") {
  const test::temp_directory a, b;
  constexpr int runs = 200;
  auto first = test::open_node(a.path());
  auto second = test::open_node(b.path());
  const auto sum = test::single<number>("sum", [](const number& in, context& ctx) -> task<> {
    int total = in.value;
    for (int i = 0; i < 3; ++i) {
      auto more = [&] { return total + 1; };
      total = co_await ctx.call("add", more);
    }
    ctx.yield_output(number{total});
  });
  std::vector<run_ref> started;
  for (auto* node : {&first, &second}) REQUIRE(node->add(sum));
  for (int i = 0; i < runs; ++i) {
    for (auto* node : {&first, &second}) started.push_back(node->start("sum", number{i}).value());
  }
  for (std::size_t i = 0; i < started.size(); ++i) {
    const auto end = test::finish(started[i]);
    CHECK(end.status == run_status::succeeded);
    CHECK(end.output.text() == "{\"value\":" + std::to_string(i / 2 + 3) + "}");
  }
  for (auto* node : {&first, &second}) CHECK(node->stats().open_runs == 0);
}
