#include "examples/bounded_loop.hpp"

#include "perdure/testing.hpp"
#include "support/catch.hpp"

using namespace bounded_loop;

TEST_CASE("a text is improved three times and published, whatever crashes meanwhile") {
  testing::for_each_crash([](testing::virtual_node& node) {
    node.add(improve());
    const auto run = node.start("improve", draft{"It works", 1, 3});
    run.expect_output(json::value("It works..."));
    CHECK(run.count_events({.kind = "turn", .executor = "critic"}) == 3);
  });
}

TEST_CASE("a loop that would never end is stopped by the bound on activations") {
  testing::virtual_node node;
  node.add(improve());
  const auto ended = node.start("improve", draft{"It never does", 1, 1000}).expect_end(run_status::failed);
  CHECK(ended.error->code == failure_code::limit);
  CHECK(node.calls("writer", "write") == 6);
}
