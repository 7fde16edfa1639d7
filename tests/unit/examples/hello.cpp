#include "examples/hello.hpp"

#include "perdure/testing.hpp"
#include "support/catch.hpp"

using namespace hello;

TEST_CASE("hello greets, and says the same after a crash in any place") {
  testing::for_each_crash([](testing::virtual_node& node) {
    node.add(greet());
    const auto run = node.start("hello", greeting{"world"});
    run.expect_output(json::value("Hello, world!"));
    run.expect_subsequence({{"run_started"}, {"turn", "greeter", "compose"}, {"run_ended"}});
  });
}
