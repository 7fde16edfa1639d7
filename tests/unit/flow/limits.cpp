// Limits of one activation: named, and never a hang.
#include "support/catch.hpp"

#include "perdure/limits.hpp"
#include "unit/flow/outside_world.hpp"

using namespace perdure;
using namespace perdure::test;

TEST_CASE("an activation has a limit of steps, and the error says what to do") {
  world w{[](const json::value&, context& ctx) -> task<> {
    while (true) co_await ctx.call("again", [] {});
  }};
  w.start();
  for (std::uint32_t i = 0; i < limits::activation_steps && !w.failed; ++i) w.driver->feed({.ordinal = i});
  CHECK(w.driver->ended());
  world again{[](const json::value&, context& ctx) -> task<> {
    while (true) co_await ctx.call("again", [] {});
  }};
  again.now.history.resize(limits::activation_steps, {.name = "again"});
  for (std::uint32_t i = 0; i < limits::activation_steps; ++i) again.now.history[i].ordinal = i;
  again.start();
  CHECK(again.last ==
        "failed limit: step 20001 of the activation is over activation_steps = 20000: go on as a new run with continue_as_new, "
        "or split the work over several activations (send a message along an edge, to the same executor if need be); a "
        "document over several runs (run: workflow)\n");
}

TEST_CASE("as many steps as the limit says may be made, and wait at once") {
  world w{[](const json::value&, context& ctx) -> task<> {
    std::vector<step<void>> all;
    for (std::uint32_t i = 0; i < limits::pending_steps; ++i) all.push_back(ctx.sleep_for(1s));
    co_await ctx.when_all(all);
    for (std::uint32_t i = limits::pending_steps; i < limits::activation_steps; ++i) co_await ctx.call("x", [] {});
  }};
  w.start();
  for (std::uint32_t i = 0; i < limits::activation_steps; ++i) {
    REQUIRE_FALSE(w.driver->ended());
    w.driver->feed({.ordinal = i});
  }
  CHECK(w.driver->ended());
  world many{[](const json::value&, context& ctx) -> task<> {
    std::vector<step<void>> all;
    for (std::uint32_t i = 0; i <= limits::pending_steps; ++i) all.push_back(ctx.sleep_for(1s));
    co_await ctx.when_all(all);
  }};
  many.start();
  CHECK(many.last ==
        "failed limit: the number of steps that wait at once is over pending_steps = 4096: split the work over several "
        "activations, or "
        "wait for some steps before issuing more\n");
}

TEST_CASE("names and payloads over their limits fail the step alone") {
  world w{[](const json::value&, context& ctx) -> task<> {
    std::string seen;
    const auto note = [&](const step_error& error) { seen += error.why().code + ": " + error.why().message + "|"; };
    const std::string longer(limits::name_bytes + 1, 'n');
    try {
      co_await ctx.call(longer, [] {});
    } catch (const step_error& error) {
      note(error);
    }
    auto question = json::value(std::string(limits::payload_bytes, 'q'));
    try {
      (void)co_await ctx.request<int>(question);
    } catch (const step_error& error) {
      note(error);
    }
    try {
      ctx.set_state("big", std::string(limits::payload_bytes, 's'));
    } catch (const step_error& error) {
      note(error);
    }
    try {
      ctx.set_state(longer, 1);
    } catch (const step_error& error) {
      note(error);
    }
    ctx.yield_output(seen);
    co_await ctx.call(std::string(limits::name_bytes, 'n'), [] {});
  }};
  w.start();
  REQUIRE(w.outputs.size() == 1);
  CHECK(w.outputs[0].value.value() ==
        "limit: a step name of 257 bytes is over name_bytes = 256|"
        "limit: request \"request\": a payload of 16777218 bytes is over payload_bytes = 16777216|"
        "limit: \"big\" of 16777218 bytes is over payload_bytes = 16777216|"
        "limit: a name of 257 bytes is over name_bytes = 256|");
  w.run();
  CHECK(w.last == "finished\n");
}

TEST_CASE("a body's result over the limit fails the step, not the node") {
  world w{[](const json::value&, context& ctx) -> task<> {
    try {
      (void)co_await ctx.call("big", [] { return std::string(limits::payload_bytes, 'x'); });
    } catch (const step_error& error) {
      ctx.yield_output(error.why().code);
    }
  }};
  w.start().run();
  CHECK(w.last == "output  \"limit\"\nfinished\n");
}

TEST_CASE("what a turn sends and writes is bounded, on replay at the same place") {
  const auto handler = [](const json::value&, context& ctx) -> task<> {
    int sent = 0;
    try {
      for (; sent < 100; ++sent) ctx.set_state("k", std::string(1U << 20, 'x'));
    } catch (const step_error& error) {
      ctx.yield_output(error.why().code);
    }
    ctx.yield_output(sent);
    co_await ctx.sleep_for(1s);
    ctx.set_state("k", std::string(1U << 20, 'x'));
  };
  world live{handler};
  live.start();
  CHECK(live.outputs.size() == 25);
  CHECK(live.outputs[23].value.text() == "\"limit\"");
  CHECK(live.outputs[24].value.text() == "23");
  const auto stored = live.now;
  world again{handler};
  again.restart_from(stored);
  CHECK(again.last.empty());
  again.answer(0);
  CHECK(again.outputs.size() == 1);
  CHECK(again.finished);
}

TEST_CASE("a damaged journal with impossible ordinals is refused, not obeyed") {
  world w{[](const json::value&, context& ctx) -> task<> { co_await ctx.sleep_for(1s); }};
  w.now.history.push_back({.ordinal = 4'000'000'000U, .name = "x"});
  w.start();
  CHECK(w.failed->code == "nondeterminism");
  CHECK(w.failed->message == "the journal has a step 4000000000, more than activation_steps = 20000 allows");
}
