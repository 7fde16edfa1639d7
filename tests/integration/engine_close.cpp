// What a node that is closed in order has begun, and what of it is done again.
#include "support/catch.hpp"
#include "support/engine.hpp"
#include "support/temp_directory.hpp"

#include <map>
#include <mutex>

using namespace std::chrono_literals;
using namespace perdure;

namespace {

struct number {
  int value = 0;
};
PERDURE_MESSAGE(number, "number/v1", value)

/// How often each step's body was called.
class counter {
 public:
  void note(const std::string& key) {
    const std::lock_guard lock{mutex_};
    ++calls_[key];
  }
  [[nodiscard]] int most() const {
    const std::lock_guard lock{mutex_};
    int out = 0;
    for (const auto& [key, times] : calls_) out = std::max(out, times);
    return out;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, int> calls_;
};

}  // namespace

// The node waited for the bodies that ran, but one whose job was still queued began after that: it had its effect, nobody
// recorded it, and the next open did it again.
TEST_CASE("a node that is closed in order records every body that it began, so that none is called twice") {
  const test::temp_directory directory;
  counter called;
  const auto work = test::single<number>("work", [&](const number&, context& ctx) -> task<> {
    auto body = [&](call_context& with) {
      called.note(with.idempotency_key());
      std::this_thread::sleep_for(2ms);
    };
    co_await ctx.call("first", body);
    auto left = ctx.call("left", body);
    auto right = ctx.call("right", body);
    co_await ctx.when_all(left, right);
    co_await ctx.call("last", body);
  });
  std::vector<run_id> runs;
  for (int round = 0; round < 24; ++round) {
    auto node = test::open_node(directory.path());
    REQUIRE(node.add(work));
    runs.push_back(node.start("work", number{round}).value().id());
    std::this_thread::sleep_for(std::chrono::microseconds{30 * round});  // about when the first body's job is queued
    node.close();
  }
  auto node = test::open_node(directory.path());
  REQUIRE(node.add(work));
  for (const auto& each : runs) CHECK(test::finish(node.get(each).value()).status == run_status::succeeded);
  CHECK(called.most() == 1);
  node.close();
}
