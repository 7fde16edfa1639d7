// The part of crash_worker's work that spans runs: children, a signal from run to run, two rounds of continue_as_new, and
// compensations at the end.
#pragma once

#include <string>

#include "perdure/perdure.hpp"

namespace family {

using namespace perdure;

struct round {
  int number = 0, round = 0;
};
PERDURE_MESSAGE(round, "round/v1", number, round)

/// Writes a line into the ledger.
inline void (*note)(const std::string& line) = nullptr;

inline auto noted(int gives) {
  return [gives](call_context& with) {
    note("did " + with.idempotency_key());
    return gives;
  };
}

class head : public executor<round> {
  task<> handle(const round& in, context& ctx) override {
    if (in.round == 2) {
      auto last = noted(in.number);
      const int number = co_await ctx.call("last", last);
      for (int i = 1; i <= 2; ++i) ctx.on_compensate("undo", round{number, i});
      ctx.yield_output(number);
      throw step_error("enough", "the family ends so");
    }
    const auto first = co_await ctx.run_child<int>("leaf", in);
    const auto beside = co_await ctx.start_child("listener", in);
    co_await ctx.signal_run(beside.run_id, "go", first);
    const auto heard = co_await ctx.wait_child<int>(beside);
    const auto next = round{in.number + first + heard, in.round + 1};
    ctx.continue_as_new(next);
  }
};

class undo : public executor<round> {
  task<> handle(const round& in, context& ctx) override {
    auto undone = noted(in.round);
    ctx.yield_output(-co_await ctx.call("undo", undone));
  }
};

class leaf : public executor<round> {
  task<> handle(const round& in, context& ctx) override {
    auto one = noted(in.number + 1);
    ctx.yield_output(co_await ctx.call("one", one));
  }
};

class listener : public executor<round> {
  task<> handle(const round&, context& ctx) override {
    const auto heard = co_await ctx.wait_signal<int>("go");
    auto two = noted(heard * 2);
    ctx.yield_output(co_await ctx.call("two", two));
  }
};

inline result<void> add(node& to) {
  const auto family = workflow_builder("family", "1")
                          .add<head>("head", {.cooperative = true})
                          .add<undo>("undo")
                          .start_at("head")
                          .edge("head", "undo")
                          .build();
  for (const auto& each : {family, workflow_builder("leaf", "1").add<leaf>("leaf").build(),
                           workflow_builder("listener", "1").add<listener>("listener").build()}) {
    if (auto added = to.add(each); !added) return added;
  }
  return {};
}

}  // namespace family
