// A project outside the tree that tests its workflow with the installed test kit.
#include <cstdio>

#include "perdure/testing.hpp"

using namespace std::chrono_literals;

struct wish {
  int value = 0;
};
PERDURE_MESSAGE(wish, "wish/v1", value)

class patient : public perdure::executor<wish> {
  perdure::task<> handle(const wish& in, perdure::context& ctx) override {
    co_await ctx.sleep_for(240h);
    ctx.yield_output(in.value + 1);
  }
};

int main() {
  perdure::testing::virtual_node node;
  node.add(perdure::workflow_builder("patient", "1").add<patient>("patient").build());
  const auto run = node.start("patient", wish{41});
  run.expect_output(42);
  std::printf("%s\n", node.now() >= perdure::testing::node_options{}.start + 240h ? "ten days passed" : "no time passed");
}
