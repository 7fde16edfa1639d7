// bounded_loop: a cycle in the graph, ended by a condition; a bound on activations ends one that never would.
#pragma once

#include <cstdio>

#include "perdure/perdure.hpp"

namespace bounded_loop {

using namespace perdure;

struct draft {
  std::string text;
  int round = 1;
  int enough = 3;
};
PERDURE_MESSAGE(draft, "draft/v1", text, round, enough)

class writer : public executor<draft> {
  task<> handle(const draft& what, context& ctx) override {
    auto write = [&] { return what.text + "."; };
    const std::string text = co_await ctx.call("write", write);
    ctx.send(draft{text, what.round, what.enough});
  }
};

class critic : public executor<draft> {
  task<> handle(const draft& what, context& ctx) override {
    std::printf("critic: round %d: \"%s\"\n", what.round, what.text.c_str());
    ctx.send(draft{what.text, what.round + 1, what.enough});
    co_return;
  }
};

class publisher : public executor<draft> {
  task<> handle(const draft& what, context& ctx) override {
    ctx.yield_output(what.text);
    co_return;
  }
};

inline workflow improve() {
  return workflow_builder("improve", "1.0.0")
      .add<writer>("writer")
      .add<critic>("critic")
      .add<publisher>("publisher")
      .start_at("writer")
      .edge("writer", "critic")
      .switch_on<draft>("critic", {{[](const draft& d) { return d.round <= d.enough; }, "writer"}}, "publisher")
      .with_max_activations(12)
      .build();
}

}  // namespace bounded_loop
