// caf_messages: the workflow that a host with actors of its own talks to.
#pragma once

#include "perdure/perdure.hpp"

namespace caf_messages {

using namespace perdure;

struct claim {
  std::string customer;
  int amount = 0;
};
PERDURE_MESSAGE(claim, "claim/v1", customer, amount)

/// Waits for an adjuster's decision.
class adjuster : public executor<claim> {
  task<> handle(const claim& what, context& ctx) override {
    const auto decision = co_await ctx.wait_signal<std::string>("decision");
    ctx.yield_output(what.customer + ": " + decision);
  }
};

inline workflow insure() { return workflow_builder("insure", "1.0.0").add<adjuster>("adjuster").start_at("adjuster").build(); }

}  // namespace caf_messages
