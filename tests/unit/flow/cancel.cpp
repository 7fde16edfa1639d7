// The cancel of a run, as a handler sees it.
#include "support/catch.hpp"

#include "unit/flow/outside_world.hpp"

using namespace perdure;
using namespace perdure::test;

TEST_CASE("a cancel throws out of what waits, and the handler cleans up") {
  world w{[](const json::value&, context& ctx) -> task<> {
    bool cleanup = false;
    ctx.yield_output(ctx.is_cancelled());
    try {
      co_await ctx.sleep_for(1h);
    } catch (const cancelled_error&) {
      cleanup = ctx.is_cancelled();
    }
    if (cleanup) co_await ctx.call("undo", [] {});
    throw cancelled_error("cancelled", "cleaned up");
  }};
  w.start();
  CHECK(w.outputs[0].value.text() == "false");
  w.cancel();
  CHECK(w.last == "issue 1 call undo\n");
  w.body(1);
  CHECK(w.last == "failed cancelled: cleaned up\n");
}

TEST_CASE("a handler that does not catch the cancel ends with it") {
  world w{[](const json::value&, context& ctx) -> task<> { co_await ctx.wait_signal("go"); }};
  w.start().cancel();
  CHECK(w.last == "failed cancelled: the run is being cancelled\n");
}

TEST_CASE("calls fail with the cancel too, whether their body runs or not") {
  world w{[](const json::value&, context& ctx) -> task<> {
    try {
      co_await ctx.call("slow", [] {});
    } catch (const cancelled_error&) {
      ctx.yield_output("stopped");
    }
  }};
  w.start();
  w.driver->body_started(0);
  w.cancel();
  CHECK(w.last == "output  \"stopped\"\nfinished\n");
  w.driver->body_ended(0);
}

TEST_CASE("after a cancel nothing waits for others any more, but calls and state reads work") {
  world w{[](const json::value&, context& ctx) -> task<> {
    std::string seen;
    auto question = json::value{};
    const auto note = [&](const cancelled_error&, const char* what) { seen += what; };
    try {
      co_await ctx.sleep_for(1h);
    } catch (const cancelled_error& error) {
      note(error, "S");
    }
    try {
      co_await ctx.sleep_for(1s);
    } catch (const cancelled_error& error) {
      note(error, "s");
    }
    try {
      (void)co_await ctx.request<int>(question);
    } catch (const cancelled_error& error) {
      note(error, "r");
    }
    try {
      co_await ctx.wait_signal("x");
    } catch (const cancelled_error& error) {
      note(error, "w");
    }
    try {
      co_await ctx.poll_until_complete("p", [] { return true; });
    } catch (const cancelled_error& error) {
      note(error, "p");
    }
    const auto one = co_await ctx.call("c", [] { return 1; });
    const auto two = co_await ctx.get_state<int>("k");
    auto spec = process_spec{"/bin/true"};
    const auto three = co_await ctx.run_process("t", spec);
    ctx.yield_output(seen + std::to_string(one + *two + three.code));
  }};
  w.start().cancel();
  CHECK(w.last == "issue 5 call c\n");
  w.body(5);
  CHECK(w.last == "issue 6 state k\n");
  w.answer(6, 2);
  CHECK(w.last == "issue 7 capability t\n");
  w.answer(7, {{"code", 0}});
  CHECK(w.last == "output  \"Ssrwp3\"\nfinished\n");
}

TEST_CASE("all that waits is cancelled in the order of the steps") {
  world w{[](const json::value&, context& ctx) -> task<> {
    auto branch = [](context& with, int number) -> task<> {
      try {
        co_await with.sleep_for(1h);
      } catch (const cancelled_error&) {
        with.yield_output(number);
      }
      co_await with.call("undo" + std::to_string(number), [] {});
    };
    auto a = branch(ctx, 1);
    auto b = branch(ctx, 2);
    auto c = branch(ctx, 3);
    co_await ctx.when_all(a, b, c);
  }};
  w.start().cancel();
  CHECK(w.last == "issue 3 call undo1\nissue 4 call undo2\nissue 5 call undo3\noutput  1\noutput  2\noutput  3\n");
  w.run();
  CHECK(w.last == "finished\n");
}

TEST_CASE("the first branch that lets the cancel through takes the others with it") {
  world w{[](const json::value&, context& ctx) -> task<> {
    auto branch = [](context& with, int number) -> task<> {
      try {
        co_await with.sleep_for(1h);
      } catch (const cancelled_error&) {
        with.yield_output(number);
        throw;
      }
    };
    auto a = branch(ctx, 1);
    auto b = branch(ctx, 2);
    co_await ctx.when_all(a, b);
  }};
  w.start().cancel();
  CHECK(w.last == "output  1\nfailed cancelled: the run is being cancelled\n");
}

TEST_CASE("outcomes of cancelled steps are ignored, and a second cancel too") {
  world w{[](const json::value&, context& ctx) -> task<> {
    try {
      co_await ctx.call("a", [] {});
    } catch (const cancelled_error&) {
    }
    co_await ctx.call("b", [] {});
  }};
  w.start().cancel();
  w.answer(0, 7);
  CHECK(w.last.empty());
  w.cancel();
  CHECK(w.last.empty());
  w.body(1);
  CHECK(w.last == "finished\n");
}

TEST_CASE("a cancel replays like everything else") {
  const auto handler = [](const json::value&, context& ctx) -> task<> {
    auto slow = ctx.sleep_for(1h);
    auto work = ctx.call("work", [] {});
    try {
      co_await ctx.when_all(slow, work);
    } catch (const cancelled_error&) {
      ctx.set_state("undone", ctx.random() % 1000);
    }
    co_await ctx.call("undo", [] {});
  };
  world live{handler};
  live.start().cancel().body(2);
  REQUIRE(live.finished);
  world again{handler};
  again.restart_from(live.after[1]);
  CHECK(again.last == "issue 2 call undo\n");
  again.body(2);
  CHECK(again.last == "finished\n");
}
