// approval: asks a person, waits for the answer (at most a day), then until the release window opens.
#pragma once

#include <cstdio>

#include "perdure/perdure.hpp"

namespace approval {

using namespace perdure;
using namespace std::chrono_literals;

struct release {
  std::string version;
  timestamp window{};  ///< not before
};
PERDURE_MESSAGE(release, "release/v1", version, window)

struct verdict {
  bool approved = false;
  std::string by;
};
PERDURE_MESSAGE(verdict, "verdict/v1", approved, by)

class release_manager : public executor<release> {
  task<> handle(const release& what, context& ctx) override {
    const json::value question{{"text", "release " + what.version + "?"}};
    // Nothing is held while it waits: the process may stop and start meanwhile.
    const auto said = co_await ctx.request<verdict>(question, {.timeout = 24h});
    if (!said.approved) throw step_error("refused", said.by + " said no");
    co_await ctx.sleep_until(what.window);
    auto publish = [&] { std::printf("published %s, approved by %s\n", what.version.c_str(), said.by.c_str()); };
    co_await ctx.call("publish", publish);
    ctx.yield_output(what.version);
  }
};

inline workflow ship() { return workflow_builder("ship", "1.0.0").add<release_manager>("manager").start_at("manager").build(); }

}  // namespace approval
