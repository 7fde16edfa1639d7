#include "examples/caf_messages.hpp"

#include "perdure/testing.hpp"
#include "support/catch.hpp"

using namespace caf_messages;

TEST_CASE("a claim waits for its decision, also for one that comes before the run listens") {
  testing::for_each_crash([](testing::virtual_node& node) {
    node.add(insure());
    const auto run = node.start("insure", claim{"Bo", 40});
    run.signal("decision", json::value("granted"));
    run.expect_output(json::value("Bo: granted"));
  });
}
