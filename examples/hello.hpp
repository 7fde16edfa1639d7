// hello: one executor, one durable step, one output.
#pragma once

#include "perdure/perdure.hpp"

namespace hello {

using namespace perdure;

struct greeting {
  std::string name;
};
PERDURE_MESSAGE(greeting, "greeting/v1", name)

class greeter : public executor<greeting> {
  task<> handle(const greeting& hello, context& ctx) override {
    // The body runs once; a restart after it is fed the recorded answer.
    auto compose = [&] { return "Hello, " + hello.name + "!"; };
    const std::string text = co_await ctx.call("compose", compose);
    ctx.yield_output(text);
  }
};

inline workflow greet() { return workflow_builder("hello", "1.0.0").add<greeter>("greeter").start_at("greeter").build(); }

}  // namespace hello
