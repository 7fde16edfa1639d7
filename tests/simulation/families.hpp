// Runs that belong together, for the simulation: a head has children, signals one of them, continues as new twice, and
// undoes at the end what it did. A sender waits at its end for background work that fails. Their ends can be foretold.
#pragma once

#include "perdure/perdure.hpp"
#include "simulation/outside.hpp"

namespace perdure::sim {

struct generation {
  std::int64_t number = 0;
  int round = 0;
};
PERDURE_MESSAGE(generation, "sim.generation/v1", number, round)

inline constexpr int last_round = 2;
inline constexpr std::string_view family_end = "enough";

/// What a round makes of its number.
inline std::int64_t next_number(std::int64_t number) { return number + (number + 1) + 2 * (number + 1); }

/// A job that may still be on its way to the backend when the run continues: it goes along.
inline task<> job_beside(context& ctx, std::int64_t number) {
  job_options options;
  options.at_end = number % 4 < 2 ? background_end::cancel : background_end::detach;
  if (number % 3 != 0) options.ambiguous = number % 3 == 1 ? ambiguous_submit::ask : ambiguous_submit::fail;
  const json::value spec(number);
  auto submit = ctx.submit_job("outside", spec, options);
  auto nap = ctx.sleep_for(std::chrono::milliseconds{100 * (number % 5)});
  try {
    (void)co_await ctx.when_any(submit, nap);
  } catch (const cancelled_error&) {
    throw;
  } catch (const step_error&) {
    // refused: it goes on without
  }
}

class head final : public executor<generation> {
 public:
  task<> handle(const generation& what, context& ctx) override {
    auto body = [&](call_context& with) {
      outside::present->execute(with, 0);
      return what.number;
    };
    if (what.round == last_round) {
      const auto number = co_await ctx.call("last", body);
      for (int i = 1; i <= 2; ++i) ctx.on_compensate("undo", generation{i, 0});
      ctx.yield_output(number);
      throw step_error(std::string{family_end}, "the family ends so");
    }
    if (ctx.version("a change", 1, 3) != 3)
      throw step_error("wrong_state", "an activation that began with this code takes the old way");
    const auto first = co_await ctx.run_child<std::int64_t>("leaf", what);
    const auto beside = co_await ctx.start_child("listener", what, {.close = parent_close::wait});
    co_await ctx.signal_run(beside.run_id, "heard", first);
    const auto heard = co_await ctx.wait_child<std::int64_t>(beside);
    co_await ctx.spawn_background("undo", what, {.at_end = background_end::detach});
    if (what.number % 2 == 0) co_await job_beside(ctx, what.number);
    ctx.continue_as_new(generation{what.number + first + heard, what.round + 1});
  }
};

class undo final : public executor<generation> {
 public:
  task<> handle(const generation& what, context& ctx) override {
    auto body = [&](call_context& with) {
      outside::present->execute(with, 1);
      return -what.number;
    };
    co_await ctx.sleep_for(std::chrono::seconds{1});
    ctx.yield_output(co_await ctx.call("undo", body, {.retry = retry(5, fixed(std::chrono::milliseconds{100}))}));
  }
};

inline constexpr std::string_view errand_end = "lost";

/// Ends at once and waits for its background work, which fails: with an odd number it fails the run.
class sender final : public executor<generation> {
 public:
  task<> handle(const generation& what, context& ctx) override {
    co_await ctx.spawn_background("errand", what, {.at_end = background_end::wait, .fails_run = what.number % 2 != 0});
    if (what.number % 3 == 0) co_await ctx.sleep_for(std::chrono::seconds{3});
    ctx.yield_output(what.number);
  }
};

class errand final : public executor<generation> {
 public:
  task<> handle(const generation& what, context& ctx) override {
    auto body = [&](call_context& with) {
      outside::present->execute(with, 0);
      return what.number;
    };
    co_await ctx.call("look", body);
    if (what.number % 4 < 2) co_await ctx.sleep_for(std::chrono::seconds{2});
    throw step_error(std::string{errand_end}, "the errand fails, as always");
  }
};

class leaf final : public executor<generation> {
 public:
  task<> handle(const generation& what, context& ctx) override {
    auto body = [&](call_context& with) {
      outside::present->execute(with, 0);
      return what.number + 1;
    };
    ctx.yield_output(co_await ctx.call("one", body));
  }
};

class listener final : public executor<generation> {
 public:
  task<> handle(const generation&, context& ctx) override {
    const auto heard = co_await ctx.wait_signal<std::int64_t>("heard");
    ctx.yield_output(heard * 2);
  }
};

inline std::vector<workflow> family_workflows(chance& random) {
  const auto options = [&] {
    return executor_options{.retry = retry(50, fixed(std::chrono::milliseconds{200})), .cooperative = random.one_in(2)};
  };
  return {workflow_builder("family", "1")
              .add<head>("head", options())
              .add<undo>("undo", options())
              .start_at("head")
              .without_edges("undo")
              .build(),
          workflow_builder("sender", "1")
              .add<sender>("sender", options())
              .add<errand>("errand", executor_options{.retry = retry(2, fixed(std::chrono::milliseconds{200}))})
              .start_at("sender")
              .without_edges("errand")
              .build(),
          workflow_builder("leaf", "1").add<leaf>("leaf", options()).build(),
          workflow_builder("listener", "1").add<listener>("listener", options()).build()};
}

}  // namespace perdure::sim
