// run_sla: a time limit on the whole run. It is a deadline in the journal, so no restart makes it later.
#pragma once

#include <cstdio>

#include "perdure/perdure.hpp"

namespace run_sla {

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

inline workflow deliver(duration limit) {
  return workflow_builder("deliver", "1.0.0").add<courier>("courier").start_at("courier").with_timeout(limit).build();
}

}  // namespace run_sla
