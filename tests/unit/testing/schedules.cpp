#include "unit/testing/desk.hpp"

using namespace perdure;
using namespace perdure::test;
using testing::for_each_crash;
using testing::for_each_seed;

namespace {

/// Keeps what it knows in memory instead of in steps: wrong after a crash.
class forgetful final : public executor<job> {
 public:
  explicit forgetful(std::shared_ptr<int> memory) : memory_(std::move(memory)) {}
  task<> handle(const job&, context& ctx) override {
    auto once = [this] { return ++*memory_; };
    ctx.yield_output(co_await ctx.call("count", once));
  }

 private:
  std::shared_ptr<int> memory_;
};
workflow counting(std::shared_ptr<int> memory) {
  return workflow_builder("count", "1").add_with("only", [memory] { return std::make_unique<forgetful>(memory); }).build();
}

}  // namespace

TEST_CASE("every seed is tried, and the one that fails is named with how to repeat it") {
  std::vector<std::uint64_t> tried;
  const auto said = failure_of([&] {
    for_each_seed(
        10,
        [&](std::uint64_t seed) {
          tried.push_back(seed);
          if (seed == 7) throw test_failure("seven");
        },
        5);
  });
  CHECK(tried == std::vector<std::uint64_t>{5, 6, 7});
  CHECK(contains(said, "seven"));
  CHECK(contains(said, "PERDURE_TEST_SEED=7 repeats it"));

  tried.clear();
  environment chosen{"PERDURE_TEST_SEED", "41"};
  for_each_seed(10, [&](std::uint64_t seed) { tried.push_back(seed); });
  CHECK(tried == std::vector<std::uint64_t>{41});
}

TEST_CASE("a failure of another kind is let through as it is") {
  CHECK_THROWS_AS(for_each_seed(3, [](std::uint64_t) { throw std::out_of_range("a framework's own"); }), std::out_of_range);
}

TEST_CASE("a scenario that does not stand a crash in one place is told which") {
  const auto scenario = [](virtual_node& node) {
    node.add(counting(std::make_shared<int>(0)));
    node.start("count", job{}).expect_output(1);
  };
  const auto said = failure_of([&] { for_each_crash(scenario); });
  CHECK(contains(said, "expected: 1"));
  CHECK(contains(said, "found:    2"));
  const std::string lead = "PERDURE_TEST_CRASH=";
  const auto at = said.find(lead);
  REQUIRE(at != std::string::npos);
  const auto number = std::to_string(std::stoull(said.substr(at + lead.size())));
  {
    environment chosen{"PERDURE_TEST_CRASH", number.c_str()};
    CHECK(contains(failure_of([&] { for_each_crash(scenario); }), "found:    2"));
  }
  environment chosen{"PERDURE_TEST_CRASH", "1"};
  CHECK(for_each_crash(scenario) == 1);
}

TEST_CASE("a scenario that fails without any crash says so") {
  const auto said = failure_of([] {
    for_each_crash([](virtual_node& node) {
      node.add(counting(std::make_shared<int>(0)));
      node.start("count", job{}).expect_output(3);
    });
  });
  CHECK(contains(said, "without a crash"));
}

TEST_CASE("a variable that is no number is refused") {
  environment chosen{"PERDURE_TEST_SEED", "one"};
  CHECK(contains(failure_of([] { for_each_seed(1, [](std::uint64_t) {}); }), "PERDURE_TEST_SEED=one is no number"));
}
