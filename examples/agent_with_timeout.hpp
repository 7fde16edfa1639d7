// agent_with_timeout: a model call that takes too long is given up, and the agent answers with something cheaper.
#pragma once

#include <condition_variable>
#include <cstdio>
#include <mutex>

#include "perdure/perdure.hpp"

namespace agent_with_timeout {

using namespace perdure;
using namespace std::chrono_literals;

struct question {
  std::string text;
};
PERDURE_MESSAGE(question, "question/v1", text)

struct answer {
  std::string text;
  std::string model;
};
PERDURE_MESSAGE(answer, "answer/v1", text, model)

/// Stands for a model that is slow today. It watches the stop token, so that giving up ends the call too.
inline std::string ask_large_model(std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any answered;
  std::unique_lock lock(mutex);
  if (!answered.wait_for(lock, stop, 30s, [] { return false; }) && stop.stop_requested()) {
    std::printf("large model: asked to stop\n");
    throw step_error("stopped", "the caller gave up");
  }
  return "a very good answer";
}

class agent : public executor<question> {
  task<> handle(const question& what, context& ctx) override {
    auto large = [](call_context& with) { return ask_large_model(with.stop_token()); };
    bool late = false;
    try {
      const std::string text = co_await ctx.call("large model", large, {.timeout = 200ms});
      ctx.yield_output(answer{text, "large"});
    } catch (const timeout_error& gave_up) {
      std::printf("agent: %s\n", gave_up.what());
      late = true;
    }
    if (late) {
      auto small = [&] { return "short answer to: " + what.text; };
      const std::string text = co_await ctx.call("small model", small);
      ctx.yield_output(answer{text, "small"});
    }
  }
};

inline workflow ask() {
  return workflow_builder("ask", "1.0.0").add<agent>("agent", {.timeout = 5min}).start_at("agent").build();
}

}  // namespace agent_with_timeout
