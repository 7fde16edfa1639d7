// Runs that belong together, under the test kit: children, endless runs and compensations, killed after every operation.
#include "desk.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

void add_family(virtual_node& node) {
  node.add(single(
      [](const job& in, context& ctx) -> task<> {
        co_await ctx.sleep_for(24h);
        auto once = [&] { return in.number * 2; };
        ctx.yield_output(co_await ctx.call("double", once));
      },
      {}, "child"));
  workflow_builder parent{"parent", "1"};
  parent
      .add_with("main",
                [] {
                  return std::make_unique<scripted>([](const job& in, context& ctx) -> task<> {
                    const auto doubled = co_await ctx.run_child<int>("child", in);
                    ctx.on_compensate("undo", in);
                    if (doubled < 20) {
                      const auto next = job{doubled};
                      ctx.continue_as_new(next);
                      co_return;
                    }
                    ctx.yield_output(doubled);
                    throw step_error("too_much", "it is to be undone");
                  });
                })
      .add_with("undo",
                [] {
                  return std::make_unique<scripted>([](const job& in, context& ctx) -> task<> {
                    auto undoes = [&] { return -in.number; };
                    ctx.yield_output(co_await ctx.call("undo", undoes));
                  });
                })
      .start_at("main")
      .edge("main", "undo");
  node.add(parent.build());
}

}  // namespace

TEST_CASE("a family of runs gives the same end after a crash at every operation, and each body succeeds once") {
  const auto crashes = testing::for_each_crash([](virtual_node& node) {
    add_family(node);
    const auto run = node.start("parent", job{3});
    const auto end = run.wait();
    CHECK(end.status == run_status::failed);
    REQUIRE(end.error);
    CHECK(end.error->code == "too_much");
    REQUIRE(end.outputs.size() == 2);
    CHECK(end.outputs[0].text() == "24");
    CHECK(end.outputs[1].text() == "-12");
    CHECK(run.status().status == run_status::continued_as_new);
    CHECK(end.link == "continued");
    for (const auto& each : node.bodies()) CHECK(each.succeeded >= 1);
  });
  CHECK(crashes > 40);
}

TEST_CASE("children go on in virtual time, and can be looked at") {
  virtual_node node;
  add_family(node);
  const auto run = node.start("parent", job{30});
  node.run_until_idle();
  const auto children = run.status().children;
  REQUIRE(children.size() == 1);
  const auto child = node.find(children[0].run);
  CHECK(child.status().parent == run.id());
  CHECK(child.status().status == run_status::waiting);
  CHECK(run.status().status == run_status::waiting);
  node.skip(24h);
  CHECK(child.status().output.text() == "60");
  run.expect_end(run_status::failed);
}

TEST_CASE("a child whose body fails fails its parent") {
  virtual_node node;
  add_family(node);
  node.fail_step({.step = "double"}, "broken");
  const auto end = node.start("parent", job{30}).expect_end(run_status::failed);
  CHECK(end.error->code == failure_code::child_failed);
  CHECK(end.error->causes.at(0).code == "broken");
}
