#include "examples/fan_out_fan_in.hpp"

#include "perdure/testing.hpp"
#include "support/catch.hpp"

using namespace fan_out_fan_in;

namespace {

const json::value counted{{"lines", 2}, {"words", 6}, {"bytes", 19}};

}  // namespace

TEST_CASE("three counters work at once, in whatever order, and their answers are joined") {
  testing::for_each_seed(100, [](std::uint64_t seed) {
    testing::virtual_node node{{.seed = seed}};
    node.add(wc());
    const auto run = node.start("wc", text{"to be\nor not to be\n"});
    run.expect_output(counted);
    CHECK(run.count_events({"turn", "report"}) == 1);
  });
}

TEST_CASE("the joined answer is the same after a crash in any place") {
  testing::for_each_crash([](testing::virtual_node& node) {
    node.add(wc());
    node.start("wc", text{"to be\nor not to be\n"}).expect_output(counted);
  });
}
