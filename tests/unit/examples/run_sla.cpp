#include "examples/run_sla.hpp"

#include "perdure/testing.hpp"
#include "support/catch.hpp"

using namespace run_sla;

TEST_CASE("a delivery over its limit is timed out then, and no crash makes it later") {
  testing::for_each_crash([](testing::virtual_node& node) {
    node.add(deliver(2h));
    const auto began = node.now();
    const auto run = node.start("deliver", order{"A-1"});
    const auto ended = run.expect_end(run_status::timed_out);
    CHECK(*ended.ended_at - began == 2h);
    run.expect_subsequence({{"turn", "courier", "load"}, {"cancel_requested"}, {"run_ended"}});
  });
}

TEST_CASE("a delivery within its limit arrives") {
  testing::virtual_node node;
  node.add(deliver(48h));
  node.start("deliver", order{"A-1"}).expect_end(run_status::succeeded);
}
