// Many runs started at once.
#include "support/catch.hpp"
#include "support/engine.hpp"
#include "support/temp_directory.hpp"

#include <set>
#include <thread>

using namespace std::chrono_literals;
using namespace perdure;

namespace {

struct number {
  int value = 0;
};
PERDURE_MESSAGE(number, "number/v1", value)

workflow sleeper() {
  return test::single<number>("sleeper",
                              [](const number& in, context& ctx) -> task<> {
                                if (in.value % 2 == 0) co_await ctx.sleep_for(std::chrono::hours{1});
                                ctx.yield_output(number{in.value + 1});
                              },
                              {.cooperative = true});
}

std::vector<number> numbers(int many) {
  std::vector<number> out;
  for (int i = 0; i < many; ++i) out.push_back({i});
  return out;
}

}  // namespace

TEST_CASE("many runs are started at once, each with its own outcome, in the order of the inputs") {
  constexpr int many = 3'000;  // more than are under way at once
  const test::temp_directory directory;
  auto node = test::open_node(directory.path());
  REQUIRE(node.add(sleeper()));
  std::vector<start_options> options(many);
  options[5].key = "five";
  options[6].key = "five";  // another input
  options[many - 1].key = "\xff";
  const auto begun = node.start_many("sleeper", numbers(many), options);
  REQUIRE(begun.size() == many);
  CHECK(begun[6].error().code == errc::already_exists);
  CHECK(begun[many - 1].error().code == errc::invalid_argument);
  std::set<std::string> ids;
  for (int i = 0; i < many; ++i) {
    if (i == 6 || i == many - 1) continue;
    REQUIRE(begun[i].has_value());
    ids.insert(begun[i].value().id().str());
    CHECK(node.get(begun[i].value().id()).has_value());
  }
  CHECK(ids.size() == many - 2);
  CHECK(node.find("five").value().id() == begun[5].value().id());
  auto of_odd = begun[2'001].value();
  CHECK(test::finish(of_odd).output.text() == R"({"value":2002})");

  // Said again, a key leads to the run that it began.
  const auto again = node.start_many("sleeper", numbers(6), {{}, {}, {}, {}, {}, {.key = "five"}});
  CHECK(again[5].value().id() == begun[5].value().id());
}

TEST_CASE("what cannot be started is refused for each input") {
  const test::temp_directory directory;
  auto node = test::open_node(directory.path());
  REQUIRE(node.add(sleeper()));
  CHECK(node.start_many("sleeper", numbers(0)).empty());
  for (const auto& each : node.start_many("sleepers", numbers(3))) CHECK(each.error().code == errc::workflow_unknown);
  const auto odd = node.start_many("sleeper", numbers(3), {{.key = "one"}});
  REQUIRE(odd.size() == 3);
  CHECK(odd[0].error().code == errc::invalid_argument);
  CHECK_FALSE(node.find("one").has_value());
}

TEST_CASE("a node that closes answers those who start many") {
  const test::temp_directory directory;
  std::vector<result<run_ref>> begun;
  {
    auto node = test::open_node(directory.path());
    REQUIRE(node.add(sleeper()));
    std::jthread starts{[&] { begun = node.start_many("sleeper", numbers(100'000)); }};
    REQUIRE(test::eventually([&] { return node.stats().records > 100; }));
    node.close();
  }
  REQUIRE(begun.size() == 100'000);
  CHECK(begun.back().error().code == errc::shutting_down);
  // What was told to be durable is.
  auto node = test::open_node(directory.path());
  REQUIRE(node.add(sleeper()));
  REQUIRE(begun.front().has_value());
  for (const auto& each : begun) {
    if (each) REQUIRE(node.get(each.value().id()).has_value());
  }
}
