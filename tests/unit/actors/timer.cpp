#include "actors/timer.hpp"

#include <algorithm>
#include <mutex>

#include "support/catch.hpp"
#include "support/journal_records.hpp"
#include "unit/actors/run_stage.hpp"

using namespace perdure;
using namespace perdure::actors;
using namespace std::chrono_literals;

namespace {

/// In the router's place: notes who was woken, and gives the tokens back or keeps them.
struct woken {
  std::mutex mutex;
  std::vector<run_id> order;
  std::vector<std::shared_ptr<void>> tokens;
  bool keeps_tokens = false;

  std::size_t count() {
    const std::lock_guard lock{mutex};
    return order.size();
  }
  std::size_t give_tokens_back() {
    const std::lock_guard lock{mutex};
    const auto held = tokens.size();
    tokens.clear();
    return held;
  }
};

/// A timer, a router that only notes, and a clock that the test sets.
struct ticking {
  std::shared_ptr<std::atomic<std::int64_t>> seconds = std::make_shared<std::atomic<std::int64_t>>(0);
  std::shared_ptr<services> shared =
      std::make_shared<services>(user_pool::options{.threads = 1}, [at = seconds] { return test::at_second(at->load()); });
  std::shared_ptr<woken> seen = std::make_shared<woken>();
  caf::actor_system_config config;
  caf::actor_system system{config};
  caf::actor timer, router;

  explicit ticking(std::unique_ptr<persistence::journal> journal) {
    shared->journal = std::move(journal);
    timer = spawn_timer(system, shared);
    router = system.spawn([seen = seen](caf::event_based_actor*) -> caf::behavior {
      return {[seen](run_due& what) {
        const std::lock_guard lock{seen->mutex};
        seen->order.push_back(what.run);
        if (seen->keeps_tokens) seen->tokens.push_back(std::move(what.token));
      }};
    });
  }
  ~ticking() {
    seen->give_tokens_back();
    for (auto* each : {&timer, &router}) {
      caf::anon_send_exit(*each, caf::exit_reason::kill);
      *each = nullptr;
    }
    shared->pool.stop(1s);
  }
  void start(bool looks_early = false) { tell(timer, timer_start{router, looks_early}); }
};

/// A journal of runs that sleep: the n-th until second n.
std::unique_ptr<persistence::journal> sleepers(std::size_t runs) {
  auto journal = persistence::make_memory_journal();
  std::vector<persistence::append_item> items;
  for (std::size_t i = 0; i < runs; ++i) {
    test::scripted_run run{i + 1};
    items.push_back(run.item(run.start({run_status::waiting, false, test::at_second(static_cast<std::int64_t>(i))})));
    if (items.size() < 2'000 && i + 1 < runs) continue;
    for (const auto& each : journal->append(items)) REQUIRE_FALSE(each.error.has_value());
    items.clear();
  }
  return journal;
}

}  // namespace

TEST_CASE("more wake-ups than are kept in memory all come, in due order, none twice") {
  constexpr std::size_t runs = 60'000;
  ticking with{sleepers(runs)};
  *with.seconds = runs + 1;
  with.start();
  REQUIRE(test::eventually([&] { return with.seen->count() >= runs; }, 30s));
  std::this_thread::sleep_for(20ms);
  const std::lock_guard lock{with.seen->mutex};
  REQUIRE(with.seen->order.size() == runs);
  CHECK(with.shared->wakeups_read_to.load() >= test::at_second(runs + 1));
  for (std::size_t i = 0; i < runs; ++i) {
    if (with.seen->order[i] != test::numbered_run(i + 1)) FAIL("the " << i << "th is out of order");
  }
}

TEST_CASE("what the timer has read is what the others are told") {
  ticking with{sleepers(60'000)};
  *with.seconds = -540;  // the last minute of the window is the journal's first
  with.start();
  CHECK(test::eventually([&] { return with.shared->wakeups_read_to.load() == test::at_second(60); }));
  *with.seconds = -1;
  CHECK(test::eventually([&] { return with.shared->wakeups_read_to.load() == test::at_second(599); }, 20s));
}

TEST_CASE("nothing is sent before it is due, and what a live run tells takes the place of what the journal says") {
  ticking with{sleepers(10)};
  *with.seconds = 4;
  with.start();
  CHECK(test::eventually([&] { return with.seen->count() == 5; }));
  tell(with.timer, arm_wakeup{test::numbered_run(7), std::nullopt});  // second 6: it waits for nothing now
  tell(with.timer, arm_wakeup{test::numbered_run(8), test::at_second(20)});
  tell(with.timer, arm_wakeup{test::numbered_run(1), test::at_second(8)});  // woken before, sleeps again
  *with.seconds = 9;
  CHECK(test::eventually([&] { return with.seen->count() == 9; }));
  *with.seconds = 21;
  CHECK(test::eventually([&] { return with.seen->count() == 10; }));
  const std::lock_guard lock{with.seen->mutex};
  CHECK(with.seen->order.back() == test::numbered_run(8));
  CHECK(std::count(with.seen->order.begin(), with.seen->order.end(), test::numbered_run(7)) == 0);
  CHECK(std::count(with.seen->order.begin(), with.seen->order.end(), test::numbered_run(1)) == 2);
}

TEST_CASE("at a node's start the runs that wait are sent once before they are due, after those that are") {
  ticking with{sleepers(10)};
  *with.seconds = 4;
  with.start(true);
  CHECK(test::eventually([&] { return with.seen->count() == 10; }));
  {
    const std::lock_guard lock{with.seen->mutex};
    for (std::size_t i = 0; i < 10; ++i) CHECK(with.seen->order[i] == test::numbered_run(i + 1));
  }
  *with.seconds = 20;
  CHECK(test::eventually([&] { return with.seen->count() == 15; }));  // those that were early are due now
}

TEST_CASE("no more are sent while many woken runs have recorded nothing, and all come once they have") {
  constexpr std::size_t runs = 2'500;
  ticking with{sleepers(runs)};
  with.seen->keeps_tokens = true;
  *with.seconds = runs + 1;
  with.start();
  REQUIRE(test::eventually([&] { return with.seen->count() == 1'000; }));
  std::this_thread::sleep_for(50ms);
  CHECK(with.seen->count() == 1'000);
  CHECK(with.seen->give_tokens_back() == 1'000);
  REQUIRE(test::eventually([&] { return with.seen->count() == 2'000; }));
  CHECK(with.seen->give_tokens_back() == 1'000);
  CHECK(test::eventually([&] { return with.seen->count() == runs; }));
}

TEST_CASE("while user code is far behind few wake-ups are sent, but some are") {
  // None was, so the time limit of an attempt that held the only thread until it was asked to stop never came: with enough
  // runs behind it the node stood still for ever.
  constexpr std::size_t runs = 2'000;
  const auto open = std::make_shared<std::atomic<bool>>(false);
  ticking with{sleepers(runs)};
  REQUIRE(with.shared->pool.post([open] {
    while (!*open) std::this_thread::sleep_for(1ms);
  }));
  for (int i = 0; i < 10'100; ++i) REQUIRE(with.shared->pool.post([] {}));
  *with.seconds = runs + 1;
  const auto began = std::chrono::steady_clock::now();
  with.start();
  CHECK(test::eventually([&] { return with.seen->count() >= 10; }));
  const auto few = with.seen->count();
  const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began);
  CHECK(few <= static_cast<std::size_t>(passed.count()) / 10 + 2);
  *open = true;
  CHECK(test::eventually([&] { return with.seen->count() == runs; }));
}
