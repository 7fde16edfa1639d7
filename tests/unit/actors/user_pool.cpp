#include "actors/user_pool.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <latch>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"

using namespace std::chrono_literals;
using perdure::actors::user_pool;

namespace {

// A job that blocks until it is let go.
struct gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  void wait() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return open; });
  }
  void let_go() {
    const std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
};

template <class F>
bool within(std::chrono::milliseconds bound, F&& condition) {
  const auto until = std::chrono::steady_clock::now() + bound;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

}  // namespace

TEST_CASE("the pool runs every job that it took, once") {
  constexpr int posters = 4, each = 25'000;
  user_pool pool({.threads = 4});
  std::atomic<int> ran{0}, refused{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < posters; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < each; ++n) refused += pool.post([&] { ran.fetch_add(1, std::memory_order_relaxed); }) ? 0 : 1;
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(refused == 0);
  CHECK(within(20s, [&] { return ran == posters * each; }));
  CHECK(pool.stop(5s));
  CHECK(ran == posters * each);
}

TEST_CASE("a job that waits for others never starves them while a thread is free") {
  // Each round needs all four threads at once: a lost wake-up would hang it.
  user_pool pool({.threads = 4});
  for (int round = 0; round < 500; ++round) {
    std::latch together(4);
    std::atomic<int> passed{0};
    for (int i = 0; i < 4; ++i) {
      REQUIRE(pool.post([&] {
        together.arrive_and_wait();
        ++passed;
      }));
    }
    REQUIRE(within(10s, [&] { return passed == 4; }));
    REQUIRE(within(10s, [&] { return pool.now().running == 0; }));
  }
}

TEST_CASE("a job that throws anything ends alone: counted, logged, the thread goes on") {
  std::mutex mutex;
  std::vector<std::string> lines;
  user_pool::options options{.threads = 1};
  options.log = [&](std::string_view line) {
    const std::lock_guard lock(mutex);
    lines.emplace_back(line);
  };
  user_pool pool(options);
  REQUIRE(pool.post([] { throw std::runtime_error("out of cheese"); }));
  REQUIRE(pool.post([] { throw 42; }));
  std::atomic<bool> after{false};
  REQUIRE(pool.post([&] { after = true; }));
  CHECK(within(5s, [&] { return after.load(); }));
  CHECK(pool.now().failed == 2);
  CHECK(pool.stop(5s));
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].find("out of cheese") != std::string::npos);
}

TEST_CASE("stuck threads are replaced while others wait, up to the limit; past it the pool is overloaded until one returns") {
  gate hold;
  user_pool pool({.threads = 2, .max_stuck_replacements = 2, .stuck_after = 40ms});
  const auto block = [&] { REQUIRE(pool.post([&] { hold.wait(); })); };
  block();
  block();
  std::this_thread::sleep_for(150ms);
  CHECK(pool.now().replaced == 0);  // nobody waits

  std::atomic<int> ran{0};
  REQUIRE(pool.post([&] { ++ran; }));
  CHECK(within(5s, [&] { return ran == 1; }));
  CHECK_FALSE(pool.overloaded());
  CHECK(pool.now().replaced >= 1);

  block();
  block();
  block();
  REQUIRE(pool.post([&] { ++ran; }));
  CHECK(within(5s, [&] { return pool.overloaded(); }));
  CHECK(pool.now().stuck == 2);
  CHECK(ran == 1);

  hold.let_go();
  CHECK(within(5s, [&] { return ran == 2 && !pool.overloaded() && pool.now().stuck == 0; }));
  CHECK(pool.stop(5s));
}

TEST_CASE("the queue is bounded; a full one refuses and says overloaded before") {
  gate hold;
  user_pool pool({.threads = 1, .queue_limit = 8});
  REQUIRE(pool.post([&] { hold.wait(); }));
  REQUIRE(within(5s, [&] { return pool.now().running == 1; }));
  for (int i = 0; i < 8; ++i) {
    CHECK(pool.overloaded() == (i >= 6));
    REQUIRE(pool.post([] {}));
  }
  CHECK_FALSE(pool.post([] {}));
  hold.let_go();
  CHECK(within(5s, [&] { return pool.now().queued == 0; }));
  CHECK_FALSE(pool.overloaded());
  CHECK(pool.stop(5s));
}

TEST_CASE("stop waits for running jobs, drops waiting ones and takes no more") {
  user_pool pool({.threads = 1});
  std::atomic<bool> began{false}, ended{false}, second{false};
  REQUIRE(pool.post([&] {
    began = true;
    std::this_thread::sleep_for(50ms);
    ended = true;
  }));
  REQUIRE(pool.post([&] { second = true; }));
  REQUIRE(within(5s, [&] { return began.load(); }));
  CHECK(pool.stop(10s));
  CHECK(ended);
  CHECK_FALSE(second);
  CHECK_FALSE(pool.post([] {}));
  CHECK(pool.stopped());
  CHECK(pool.stop(0ms));
}

TEST_CASE("stop gives up on a job that does not return, and the thread that is left behind still ends cleanly") {
  auto hold = std::make_shared<gate>();
  auto ended = std::make_shared<std::atomic<bool>>(false);
  {
    user_pool pool({.threads = 2});
    REQUIRE(pool.post([hold, ended] {
      hold->wait();
      *ended = true;
    }));
    REQUIRE(within(5s, [&] { return pool.now().running == 1; }));
    const auto began = std::chrono::steady_clock::now();
    CHECK_FALSE(pool.stop(30ms));
    CHECK(std::chrono::steady_clock::now() - began < 5s);
  }
  hold->let_go();
  CHECK(within(5s, [&] { return ended->load(); }));
  CHECK(within(5s, [&] { return ended.use_count() == 1; }));
}

TEST_CASE("stop may be called from inside a job") {
  user_pool pool({.threads = 2});
  std::atomic<int> answer{-1};
  REQUIRE(pool.post([&] { answer = pool.stop(5s) ? 1 : 0; }));
  CHECK(within(10s, [&] { return answer == 1; }));
}

TEST_CASE("a pool with a host hands every job to it, and none once it was stopped") {
  std::vector<std::function<void()>> taken;
  bool takes = true;
  user_pool::options options;
  options.host = [&](std::function<void()> job) {
    if (takes) taken.push_back(std::move(job));
    return takes;
  };
  user_pool pool{options};
  int done = 0;
  CHECK(pool.post([&] { ++done; }));
  CHECK(done == 0);
  REQUIRE(taken.size() == 1);
  taken[0]();
  CHECK(done == 1);
  takes = false;
  CHECK_FALSE(pool.post([&] { ++done; }));
  takes = true;
  CHECK(pool.stop(0ms));
  CHECK_FALSE(pool.post([&] { ++done; }));
  CHECK(taken.size() == 1);
}
