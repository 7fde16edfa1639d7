#include "examples/agent_with_timeout.hpp"

#include "perdure/testing.hpp"
#include "support/catch.hpp"

using namespace agent_with_timeout;

TEST_CASE("an agent whose model is slow gives up after 200 ms and answers with the small one") {
  testing::for_each_crash([](testing::virtual_node& node) {
    node.add(ask());
    node.slow_step({"agent", "large model"}, 30s);
    const auto began = node.now();
    const auto run = node.start("ask", question{"why?"});
    const auto ended = run.expect_output(answer{"short answer to: why?", "small"});
    CHECK(*ended.ended_at - began == 200ms);
    CHECK(node.calls("agent", "small model") >= 1);
    run.expect_replay();
  });
}

TEST_CASE("an agent whose model is quick answers with it") {
  testing::virtual_node node;
  node.add(ask());
  node.answer_step({"agent", "large model"}, std::string{"because"});
  node.start("ask", question{"why?"}).expect_output(answer{"because", "large"});
  CHECK(node.calls("agent", "small model") == 0);
}
