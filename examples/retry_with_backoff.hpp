// retry_with_backoff: a step that fails is tried again, later each time; a failure that cannot get better is not.
#pragma once

#include <cstdio>

#include "perdure/perdure.hpp"

namespace retry_with_backoff {

using namespace perdure;
using namespace std::chrono_literals;

struct fetch {
  std::string url;
};
PERDURE_MESSAGE(fetch, "fetch/v1", url)

/// Stands for a service that is down for its first two calls, and has no page "missing".
inline std::string get(const std::string& url, std::uint32_t attempt) {
  std::printf("try %u of %s\n", attempt, url.c_str());
  if (url == "missing") throw step_error("not_found", "no such page");
  if (attempt < 3) throw step_error("unavailable", "503, come back later");
  return "<html>";
}

class fetcher : public executor<fetch> {
  task<> handle(const fetch& what, context& ctx) override {
    constexpr auto policy = retry(5, exponential(20ms, 1s).with_jitter(jitter_kind::full)).not_on("not_found").within(10min);
    auto body = [&](call_context& with) { return get(what.url, with.attempt()); };
    const std::string page = co_await ctx.call("get", body, {.retry = policy});
    ctx.yield_output(page);
  }
};

inline workflow crawl() { return workflow_builder("crawl", "1.0.0").add<fetcher>("fetcher").start_at("fetcher").build(); }

}  // namespace retry_with_backoff
