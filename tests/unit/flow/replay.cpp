// Replay: the same inputs give the same turns, and what does not fit is shown with both sides.
#include "support/catch.hpp"

#include <random>

#include "support/seed.hpp"
#include "unit/flow/outside_world.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

/// Something of everything.
task<> busy(const json::value&, context& ctx) {
  ctx.progress(0, 3);
  const auto one = co_await ctx.call("one", [] { return 1; });
  ctx.set_state("one", one);
  auto branch = [](context& with, int number) -> task<int> {
    const auto drawn = with.random() % 100;
    with.yield_output(drawn);
    co_await with.sleep_for(1s);
    with.set_state("b" + std::to_string(number), with.uuid());
    const auto got = co_await with.call("b" + std::to_string(number), [number] { return number; });
    co_return got + static_cast<int>(drawn);
  };
  auto a = branch(ctx, 1);
  auto b = branch(ctx, 2);
  auto limit = ctx.sleep_for(1h);
  auto both = ctx.when_all(a, b);
  auto first = co_await ctx.when_any(both, limit);
  ctx.yield_output(first.index);
  ctx.progress(2, 3);
  try {
    co_await ctx.call("fails", []() -> int { throw step_error("mine", "x"); });
  } catch (const step_error& error) {
    ctx.set_state("error", error.why().code);
  }
  ctx.yield_output(to_string(ctx.now()));
  std::vector<step<int>> many;
  for (int i = 0; i < 4; ++i) {
    auto body = [i] { return i; };
    many.push_back(ctx.call("many", body));
  }
  auto quick = co_await ctx.when_any(many);
  ctx.set_state("quick", quick.value);
  co_await ctx.wait_signal<json::value>("go");
  ctx.yield_output("end");
}

/// Answers what waits in an order of chance.
void run_shuffled(world& w, std::mt19937_64& random) {
  while (!w.finished && !w.failed) {
    std::vector<step_ordinal> open(w.bodies.begin(), w.bodies.end());
    for (const auto& [ordinal, step] : w.now.pending) open.push_back(ordinal);
    REQUIRE_FALSE(open.empty());
    const auto next = open[random() % open.size()];
    if (w.bodies.contains(next)) {
      w.body(next);
    } else {
      w.answer(next);
    }
  }
}

std::vector<std::string> written(const std::vector<core::output>& outputs) {
  std::vector<std::string> out;
  for (const auto& each : outputs) out.push_back(each.name + "=" + std::string{each.value.text()});
  return out;
}

}  // namespace

TEST_CASE("a crash anywhere changes nothing but what was in flight") {
  std::mt19937_64 random{session_seed()};
  for (int round = 0; round < 20; ++round) {
    world live{busy};
    live.start();
    run_shuffled(live, random);
    INFO(live.failed.value_or(failure{}).message);
    REQUIRE(live.finished);

    for (std::size_t turn = 0; turn < live.turns.size(); ++turn) {
      // The crash came after the turn was recorded, or between the outcome and the turn it caused.
      for (const bool recorded : {true, false}) {
        if (!recorded && turn == 0) continue;
        world again{busy};
        again.restart_from(recorded ? live.after[turn] : live.before[turn - 1]);
        INFO("turn " << turn << (recorded ? " recorded" : " lost") << "\n" << again.last);
        if (recorded && turn + 1 < live.turns.size()) {
          // Nothing is said twice; only calls without an outcome are issued anew.
          CHECK(again.outputs.empty());
          CHECK(again.last.find("cancel") == std::string::npos);
          CHECK(again.last.find("sleep") == std::string::npos);
        }
        if (!recorded) {
          std::vector<core::output> expected(live.outputs.begin() + live.before[turn - 1].messages + live.before[turn - 1].others,
                                             live.outputs.begin() + live.after[turn].messages + live.after[turn].others);
          CHECK(written(again.outputs) == written(expected));
          for (const auto& [ordinal, step] : live.after[turn].pending) CHECK(again.now.pending.contains(ordinal));
          CHECK(again.now.pending.size() == live.after[turn].pending.size());
        }
        // From here on the same inputs give the same turns.
        for (std::size_t next = turn + 1; next < live.turns.size(); ++next) {
          again.feed(live.now.history[next - 1]);
          CHECK(again.last == live.turns[next]);
        }
        CHECK(again.finished);
      }
    }
  }
}

TEST_CASE("a second attempt that keeps a prefix sends nothing twice, and writes again what the first lost") {
  world live{busy};
  live.start().run();  // the same order as below: which branch is first decides what is sent
  REQUIRE(live.finished);
  for (std::size_t keep = 0; keep + 1 < live.turns.size(); ++keep) {
    // Attempt 1 went to the end of its history; attempt 2 keeps `keep` outcomes.
    auto state = live.now;
    state.history.resize(keep);
    state.pending.clear();
    state.others = keep < live.before.size() ? live.before[keep].others : live.now.others;
    world second{busy};
    second.restart_from(state);
    std::uint32_t crashes = 0;
    while (second.next()) {
      if (++crashes % 3 == 0 && !second.finished) second.restart_from(second.now);
    }
    CHECK(second.finished);
    CHECK(second.now.messages == live.now.messages);
    CHECK(second.now.others == live.now.others);
  }
}

TEST_CASE("now is the time of the last outcome") {
  world w{[](const json::value&, context& ctx) -> task<> {
    ctx.yield_output(ctx.now());
    co_await ctx.sleep_for(1h);
    ctx.yield_output(ctx.now());
  }};
  w.start();
  core::history_item item{.ordinal = 0, .kind = core::step_kind::sleep, .name = "sleep", .time = timestamp{9999s}};
  const auto report = w.driver->feed(item);
  CHECK(w.outputs[0].value.text() == "\"" + to_string(timestamp{1000s}) + "\"");
  REQUIRE(report.outputs.size() == 1);
  CHECK(report.outputs[0].value.text() == "\"" + to_string(timestamp{9999s}) + "\"");
}

TEST_CASE("random numbers and ids repeat, and look as they should") {
  const auto handler = [](const json::value&, context& ctx) -> task<> {
    ctx.yield_output(ctx.uuid());
    ctx.yield_output(ctx.random());
    ctx.yield_output(ctx.uuid());
    co_return;
  };
  world one{handler};
  world two{handler};
  one.start();
  two.start();
  CHECK(written(one.outputs) == written(two.outputs));
  CHECK(one.outputs[0].value != one.outputs[2].value);
  const auto text = one.outputs[0].value.value();
  const auto id = run_id::parse(text.as_string().c_str());
  REQUIRE(id);
  CHECK((id->bytes[6] >> 4) == 4);
  CHECK((id->bytes[8] >> 6) == 2);
}

TEST_CASE("one more random() call changes no id, and no number beyond the next step") {
  // temporal sdk-python 1109: ids came from the same stream as random(), so that one more draw in the handler made every
  // later id another one. Here each use has its own stream, counted anew with each step.
  const auto handler = [](bool more) {
    return [more](const json::value&, context& ctx) -> task<> {
      ctx.set_state("before", ctx.random());
      if (more) (void)ctx.random();
      ctx.set_state("id", ctx.uuid());
      co_await ctx.call("a", [] {});
      ctx.set_state("after", ctx.random());
      ctx.set_state("id after", ctx.uuid());
      co_await ctx.sleep_for(1s);
    };
  };
  world plain{handler(false)};
  plain.start().run();
  world more{handler(true)};
  more.start().run();
  CHECK(plain.turns.size() == more.turns.size());
  CHECK(plain.turns[0] == more.turns[0]);
  CHECK(plain.known == more.known);
  for (std::size_t i = 0; i < 4; ++i) CHECK(plain.outputs[i].value == more.outputs[i].value);
  CHECK(plain.outputs[0].value != plain.outputs[2].value);
  // And the journal of one fits the code of the other.
  world changed{handler(true)};
  changed.restart_from(plain.now);
  CHECK_FALSE(changed.failed);
}

TEST_CASE("logs are written once") {
  const auto handler = [](const json::value&, context& ctx) -> task<> {
    ctx.log("begin");
    co_await ctx.call("a", [] {});
    ctx.log("middle");
    co_await ctx.sleep_for(1h);
    ctx.log("end");
  };
  world live{handler};
  live.start().run();
  CHECK(live.logs == std::vector<std::string>{"begin", "middle", "end"});
  world parked{handler};  // recorded up to the sleep
  parked.restart_from(live.after[1]);
  CHECK(parked.logs.empty());
  parked.run();
  CHECK(parked.logs == std::vector<std::string>{"end"});
  world lost{handler};  // the sleep was over, the turn after it was not run
  lost.restart_from(live.before[1]);
  CHECK(lost.logs == std::vector<std::string>{"end"});
}

namespace {
std::string clash(script::function recorded, script::function now) {
  world live{std::move(recorded)};
  live.start().run();
  REQUIRE(live.finished);
  live.use_code(std::move(now));
  auto state = live.after[live.after.size() - 2];
  live.restart_from(state);
  CHECK(live.outputs.empty());
  REQUIRE(live.failed);
  CHECK(live.failed->code == "nondeterminism");
  CHECK(live.driver->ended());
  return live.failed->message;
}
task<> two_calls_and_sleep(const json::value&, context& ctx) {
  co_await ctx.call("reserve", [] {});
  co_await ctx.call("charge", [] {});
  co_await ctx.sleep_for(1h);
}
}  // namespace

TEST_CASE("another name, another kind or another order is nondeterminism that shows both sides") {
  CHECK(clash(two_calls_and_sleep, [](const json::value&, context& ctx) -> task<> {
          co_await ctx.call("reserve", [] {});
          co_await ctx.call("refund", [] {});
          ctx.yield_output("not reported");
          co_await ctx.sleep_for(1h);
        }) == "the journal has step 1: call \"charge\"; the code now issues step 1: call \"refund\"");
  CHECK(clash(two_calls_and_sleep, [](const json::value&, context& ctx) -> task<> {
          ctx.yield_output("not reported");
          co_await ctx.call("reserve", [] {});
          co_await ctx.wait_signal("charge");
        }) == "the journal has step 1: call \"charge\"; the code now issues step 1: signal \"charge\"");
  CHECK(clash(two_calls_and_sleep, [](const json::value&, context& ctx) -> task<> {
          co_await ctx.call("charge", [] {});
          co_await ctx.call("reserve", [] {});
        }) == "the journal has step 0: call \"reserve\"; the code now issues step 0: call \"charge\"");
  CHECK(clash(two_calls_and_sleep, [](const json::value&, context& ctx) -> task<> {
          co_await ctx.call("reserve", [] {});
          co_await ctx.call("charge", [] {});
          co_await ctx.call("more", [] {});
          co_await ctx.sleep_for(1h);
        }) == "the journal has step 2: sleep \"sleep\"; the code now issues step 2: call \"more\"");
}

TEST_CASE("steps that the code does not issue any more are nondeterminism") {
  CHECK(clash(two_calls_and_sleep, [](const json::value&, context& ctx) -> task<> { co_await ctx.call("reserve", [] {}); }) ==
        "the journal has an outcome of step 1: call \"charge\"; the code now ends after 1 steps");
  CHECK(clash(two_calls_and_sleep, [](const json::value&, context& ctx) -> task<> {
          co_await ctx.call("reserve", [] {});
          co_await ctx.call("charge", [] {});
        }) == "the journal has step 2: sleep \"sleep\"; the code now ends after 2 steps");
}

TEST_CASE("a step recorded in parallel and issued in sequence now is shown as waiting") {
  world live{[](const json::value&, context& ctx) -> task<> {
    auto a = ctx.call("a", [] {});
    auto b = ctx.call("b", [] {});
    co_await ctx.when_all(a, b);
  }};
  live.start().body(1);
  live.use_code([](const json::value&, context& ctx) -> task<> {
    co_await ctx.call("a", [] {});
    co_await ctx.call("b", [] {});
  });
  live.restart_from(live.now);
  REQUIRE(live.failed);
  CHECK(live.failed->message == "the journal has an outcome of step 1: call \"b\"; the code now waits after 1 steps");
}

TEST_CASE("what the code does after the recorded part may change") {
  world live{two_calls_and_sleep};
  live.start().body(0);
  live.use_code([](const json::value&, context& ctx) -> task<> {
    co_await ctx.call("reserve", [] {});
    co_await ctx.call("something else", [] {});
  });
  live.restart_from(live.now);
  CHECK(live.last == "issue 1 call something else\n");
  live.run();
  CHECK(live.finished);
}

TEST_CASE("recorded waits are not issued anew, bodies are") {
  const auto handler = [](const json::value&, context& ctx) -> task<> {
    auto limited = ctx.call("limited", [] {}, {.timeout = 1h});
    auto sleep = ctx.sleep_for(1h);
    auto poll = ctx.poll_until_complete("poll", [] { return true; }, {.max_duration = 1h});
    co_await ctx.when_all(limited, sleep, poll);
  };
  world w{handler};
  // Calls with a time limit and polls stand in the journal before they have an outcome.
  w.now.pending[0] = {.ordinal = 0, .kind = core::step_kind::call, .name = "limited"};
  w.now.pending[1] = {.ordinal = 1, .kind = core::step_kind::sleep, .name = "sleep"};
  w.now.pending[2] = {.ordinal = 2, .kind = core::step_kind::poll, .name = "poll"};
  w.start();
  CHECK(w.last == "issue 0 call limited\nissue 2 poll poll\n");
}

TEST_CASE("a recorded wait that the replay cancels is reported as cancelled") {
  // The outcome of the winner was recorded, the turn that cancels the loser was not.
  const auto handler = [](const json::value&, context& ctx) -> task<> {
    auto work = ctx.call("work", [] {});
    auto limit = ctx.sleep_for(1h);
    co_await ctx.when_any(work, limit);
    co_await ctx.call("next", [] {});
  };
  world live{handler};
  live.start().body(0);
  world again{handler};
  again.restart_from(live.before[0]);
  CHECK(again.last == "issue 2 call next\ncancel 1\n");
  world later{handler};
  later.restart_from(live.after[1]);
  CHECK(later.last == "issue 2 call next\n");
}
