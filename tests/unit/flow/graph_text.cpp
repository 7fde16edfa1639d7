#include "flow/graph_text.hpp"

#include "flow/definition.hpp"
#include "flow/plan_difference.hpp"
#include "flow/plan_hash.hpp"
#include "perdure/perdure.hpp"
#include "support/catch.hpp"

using namespace perdure;
using namespace std::chrono_literals;

namespace {

class relay : public executor<json::value> {
  task<> handle(const json::value& what, context& ctx) override {
    ctx.send(what);
    co_return;
  }
};

class collector : public executor<joined> {
  task<> handle(const joined&, context& ctx) override {
    ctx.send(json::value(1));
    co_return;
  }
};

workflow_builder rich() {
  workflow_builder out{"rich", "1.2"};
  out.add<relay>("a", {.timeout = 5min, .retry = retry(3, exponential(1s, 60s)).on("busy").not_on("broken").within(1h)})
      .add<relay>("b", {.timeouts = {.schedule_to_start = 1s, .schedule_to_close = 2h, .heartbeat = 30s}})
      .add<relay>("c")
      .add<collector>("d")
      .start_at("a")
      .fan_out("a", {"b", "c"})
      .edge("d", "a")
      .fan_in({"b", "c"}, "d", fan_in_mode::any)
      .with_timeout(24h)
      .with_max_activations(500);
  return out;
}

}  // namespace

TEST_CASE("a graph is the same after it was written and read") {
  const auto built = rich().build();
  const auto& plan = built.definition().plan;
  const auto text = flow::graph_text(plan);
  const auto read = flow::read_graph(text);
  REQUIRE(read.has_value());
  CHECK(flow::graph_text(*read) == text);
  CHECK(flow::hash_of(*read) == plan.hash);
  CHECK(flow::difference(*read, plan).empty());
}

TEST_CASE("what is no graph of a workflow is refused") {
  for (const auto* text :
       {"", "{", "[]", "{}", R"({"name":"a","version":"1","start":"x","executors":[],"edges":[],"timeout_us":0})",
        R"({"name":1})"}) {
    CHECK_FALSE(flow::read_graph(text).has_value());
  }
}
