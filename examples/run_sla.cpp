// run_sla: a time limit on the whole run. It is a deadline in the journal, so no restart makes it later.
#include "example.hpp"

using namespace perdure;
using namespace std::chrono_literals;

struct order {
  std::string id;
};
PERDURE_MESSAGE(order, "order/v1", id)

class courier : public executor<order> {
  task<> handle(const order& what, context& ctx) override {
    auto load = [&] { std::printf("courier: loads order %s\n", what.id.c_str()); };
    co_await ctx.call("load", load);
    try {
      co_await ctx.sleep_for(24h);  // a long way
    } catch (const cancelled_error&) {
      // The run is over its limit: there is a grace period to clean up in.
      std::printf("courier: turns back\n");
      throw;
    }
  }
};

int main(int argc, char** argv) {
  const example::data_directory data{argc, argv};
  const auto deliver =
      workflow_builder("deliver", "1.0.0").add<courier>("courier").start_at("courier").with_timeout(300ms).build();
  auto opened = node::open({.data_dir = data.path()});
  if (!opened || !opened->add(deliver)) return 1;
  const auto run = opened->start("deliver", order{"A-1"});
  return run ? example::told(run->wait(), run_status::timed_out) : 1;
}
