// Bugs that made other engines known, told and tried on this one. Each test opens with the story.
#include "simulation/stage.hpp"
#include "simulation/workflows.hpp"
#include "simulation/world.hpp"
#include "support/catch.hpp"
#include "support/seed.hpp"

using namespace perdure;
using namespace perdure::sim;

namespace {

constexpr auto text = "json";

/// One executor whose handler is a function of the context.
using function = std::function<task<>(context&)>;
class scripted final : public executor<json::value> {
 public:
  explicit scripted(function script) : script_(std::move(script)) {}
  task<> handle(const json::value&, context& ctx) override { return script_(ctx); }

 private:
  function script_;
};
workflow of(function script, executor_options options = {}) {
  workflow_builder made{"w", "1"};
  made.add_with(
      "a", [script = std::move(script)] { return std::make_unique<scripted>(script); }, options);
  return made.build();
}

}  // namespace

TEST_CASE("dapr 9843: a run that waits has a waker, whatever it was told meanwhile") {
  // A Dapr workflow's state was saved, but the reminder that would have gone on with it was not (or was deleted by the
  // answer to an earlier one): the workflow stayed "running" for ever, with nobody to wake it. Here the state is the only
  // record of what goes on. The case that could lose it: an attempt says "I wait" while an outcome is on its way to it.
  outside world_outside{1};
  stage node{of([](context& ctx) -> task<> {
    auto both = [](context& inner) -> task<> {
      auto nap = inner.sleep_for(10s);
      const json::value question{{"text", "?"}};
      auto asked = inner.request<bool>(question);
      (void)co_await inner.when_any(nap, asked);
    };
    auto body = [](call_context& with) { return outside::present->execute(with, 0); };
    auto waits = both(ctx);
    auto call = ctx.call("slow", body);
    (void)co_await ctx.when_all(waits, call);
    ctx.yield_output("went on");
  })};
  node.bodies_hang = true;
  const auto run = node.start(text);
  node.settle();
  // The nap ends; its outcome is durable and on its way to the attempt when the attempt says that it waits.
  node.wall += 10s;
  node.wake(run);
  node.bodies_hang = false;
  auto& host = *node.runs.at(run);
  auto& attempt = *host.attempts().at(1);
  attempt.end_of(0);
  attempt.do_job();
  node.settle();
  for (int i = 0; i < 3; ++i) {
    node.crash();
    const auto& state = node.stored(run);
    if (is_terminal(state.status)) break;
    const bool waker = core::has_work(state) || !state.deadlines.empty() || waits_outside(state);
    REQUIRE(waker);
    node.reopen_active();
    node.settle();
  }
  CHECK(node.stored(run).status == run_status::succeeded);
}

TEST_CASE("dapr 9843: a crash after any commit leaves a run that goes on") {
  // The same, for every place: the node is lost after its nth commit, for every n.
  for (std::uint64_t crash_after = 1; crash_after < 40; ++crash_after) {
    INFO("crash after commit " << crash_after);
    outside world_outside{1};
    stage node{of([](context& ctx) -> task<> {
      auto body = [](call_context& with) { return outside::present->execute(with, 1); };
      auto call = ctx.call("flaky", body, {.retry = retry(3, fixed(1s))});
      auto nap = ctx.sleep_for(2s);
      (void)co_await ctx.when_all(call, nap);
      co_await ctx.sleep_for(5s);
      ctx.set_state("k", 1);
      (void)co_await ctx.get_state<int>("k");
      (void)co_await ctx.call("last", body, {.retry = retry(3, fixed(1s))});
    })};
    const auto run = node.start(text);
    bool crashed = false;
    for (int i = 0; i < 1'000 && !is_terminal(node.stored(run).status); ++i) {
      if (!crashed && node.commits == crash_after) {
        node.crash();
        node.reopen_active();
        crashed = true;
      }
      if (!node.step()) node.pass(1s);
    }
    REQUIRE(node.stored(run).status == run_status::succeeded);
    for (const auto& [key, entry] : world_outside.executed) REQUIRE(entry.done <= 2);
    if (!crashed) break;
  }
}

TEST_CASE("dbos-transact-py 716: a store that fails again and again while runs are being recovered") {
  // DBOS recovered pending workflows in a thread at the start; a database that restarted at that moment ended the thread
  // with an exception, and the workflows stayed pending until the next start of the program. Here a journal that has
  // failed stops the node, and the next start begins the recovery anew: at some time all of them go on.
  run_schedules("store restarts during recovery", {.append_faults = true, .failing_store = true, .actions = 300}, 1, 150);
}

TEST_CASE("durabletask-js 328: a timer is not satisfied by an earlier one's wake-up") {
  // A retry's timer had the same name as the timer of the attempt before it: the earlier one, which nobody waited for any
  // more, fired and completed the later one too early.
  stage node{of(
      [](context& ctx) -> task<> {
        auto body = [&ctx] {
          if (ctx.attempt() == 1) throw step_error("first", "fails while its timer runs");
        };
        auto nap = ctx.sleep_for(10s);
        auto call = ctx.call("call", body);
        (void)co_await ctx.when_all(nap, call);
        ctx.yield_output("done");
      },
      {.retry = retry(2, fixed(4s))})};
  const auto run = node.start(text);
  const auto began = node.wall;
  node.settle();  // attempt 1: its timer is due at 10 s; the call fails at once
  CHECK(node.stored(run).activations.at(1).status == core::activation_status::retrying);
  node.pass(5s);  // attempt 2 begins at 4 s: its timer is due at 14 s
  CHECK(node.stored(run).activations.at(1).attempt == 2);
  for (int i = 0; i < 12; ++i) {  // the first one's wake-up comes, late and twice
    node.wall = began + 10s + i * 300ms;
    node.wake(run);
    node.wake(run);
    node.settle();
    REQUIRE(node.outcomes(run, "1/2/0") == 0);
  }
  node.wall = began + 14s;
  node.wake(run);
  node.wake(run);
  node.settle();
  CHECK(node.outcomes(run, "1/2/0") == 1);
  CHECK(node.outcomes(run, "1/1/0") == 0);
  CHECK(node.stored(run).status == run_status::succeeded);
}

TEST_CASE("pydantic-ai 7157: a payload over the limit fails once, and is not retried for ever") {
  // A tool's result was over the engine's limit for payloads. The error came from the transport below the retry policy,
  // so the activity was run again, and again, at full price, without end.
  outside world_outside{1};
  const auto large = [](call_context& with) {
    (void)outside::present->execute(with, 0);
    return std::string(limits::payload_bytes + 1, 'x');
  };
  const auto end_of = [&](function script) {
    stage node{of(std::move(script), {.retry = retry(0, fixed(1s))})};
    const auto run = node.start(text);
    for (int i = 0; i < 5; ++i) node.pass(1h);
    REQUIRE(is_terminal(node.stored(run).status));
    CHECK(node.deaths.empty());
    return node.stored(run).error->code;
  };
  SECTION("a result") {
    CHECK(end_of([large](context& ctx) -> task<> { (void)co_await ctx.call("large", large, {.retry = retry(0, fixed(1s))}); }) ==
          "limit");
    CHECK(world_outside.executed.size() == 1);
    CHECK(world_outside.executed.begin()->second.tries == 1);
  }
  SECTION("an output") {
    CHECK(end_of([](context& ctx) -> task<> {
            ctx.yield_output(std::string(limits::payload_bytes + 1, 'x'));
            co_return;
          }) == "limit");
  }
  SECTION("a question") {
    CHECK(end_of([](context& ctx) -> task<> {
            const json::value question(std::string(limits::payload_bytes + 1, 'x'));
            (void)co_await ctx.request<bool>(question);
          }) == "limit");
  }
}

TEST_CASE("temporal sdk-python 1109: one more random() call changes no later id") {
  // workflow.uuid4() and workflow.random() drew from one stream: code with one more random() in it, deployed while
  // workflows ran, gave every id made after it another value, and idempotency keys with them.
  const auto ids = [](bool more) {
    stage node{of([more](context& ctx) -> task<> {
      (void)ctx.random();
      if (more) (void)ctx.random();
      ctx.yield_output(ctx.uuid());
      co_await ctx.sleep_for(1s);
      ctx.yield_output(ctx.uuid());
      ctx.yield_output(ctx.random());
    })};
    const auto run = node.start(text);
    node.pass(2s);
    std::vector<std::string> out;
    for (const auto& each : node.stored(run).outputs) out.emplace_back(each.text());
    return out;
  };
  CHECK(ids(false).size() == 3);
  CHECK(ids(false) == ids(true));
}

TEST_CASE("vercel/workflow 3119: a parked run is not started twice after a restart") {
  // After a restart both the recovery and the timer that had come due meanwhile started the same sleeping run; two
  // replays of it went on side by side, and its steps were done twice.
  outside world_outside{1};
  stage node{of([](context& ctx) -> task<> {
    auto body = [](call_context& with) { return outside::present->execute(with, 0); };
    co_await ctx.sleep_for(10s);
    (void)co_await ctx.call("once", body);
    co_await ctx.sleep_for(10s);
  })};
  const auto run = node.start(text);
  node.settle();
  SECTION("recovery leaves it to its wake-up") {
    node.crash();
    node.wall += 1min;
    node.reopen_active();
    CHECK(node.opened == 0);
    node.pass(0s);
    CHECK(node.opened == 1);
  }
  SECTION("a second host of it cannot append, and lets nothing out") {
    node.crash();
    node.wall += 1min;
    node.lenient = true;  // one of the two is stale, and says so when it appends
    const auto first = node.reach(run);
    const auto second = node.second_host(run);
    first->take(core::wake{}, nullptr);
    second->take(core::wake{}, nullptr);
    REQUIRE(node.queue.size() == 2);  // both decided that the nap is over
    node.settle();
    CHECK(second->bodies_run() == 0);
    CHECK(first->bodies_run() == 1);
  }
  CHECK(world_outside.executed.size() == 1);
  CHECK(world_outside.executed.begin()->second.tries == 1);
  CHECK(node.outcomes(run, "1/1/0") == 1);
  node.lenient = false;
  node.pass(1min);
  CHECK(node.stored(run).status == run_status::succeeded);
}

TEST_CASE("akka-core 28093: a slow old writer after a takeover writes nothing and lets nothing out") {
  // A node that was taken for dead was only slow. Its persistent actor wrote on after the shard had moved to another node,
  // with sequence numbers that the new owner used too; the interleaved journal could not be replayed.
  outside world_outside{1};
  const auto script = [](context& ctx) -> task<> {
    auto body = [](call_context& with) { return outside::present->execute(with, 0); };
    (void)co_await ctx.call("first", body);
    (void)co_await ctx.call("second", body);
  };
  stage node{of(script)};
  const auto run = node.start(text);
  while (world_outside.executed.empty()) REQUIRE(node.step());  // the body of "first" has run, its outcome is not durable
  while (node.queue.empty()) REQUIRE(node.step());
  const auto before = node.stored(run).seq;
  node.take_over();
  node.settle();
  REQUIRE(node.deaths.size() == 1);
  CHECK(node.deaths[0].code == errc::fenced);
  CHECK(node.runs.empty());
  CHECK(node.stored(run).seq == before);
  CHECK(world_outside.executed.size() == 1);  // "second" was not let out
  node.crash();                               // the new owner
  node.reopen_active();
  node.settle();
  CHECK(node.stored(run).status == run_status::succeeded);
  run_schedules("takeovers", {.takeovers = true, .actions = 300}, 1, 100);
}

TEST_CASE("PostHog 48777: no replay storm") {
  // Runs with long histories were evicted from workers' caches, and each signal to one of them read and replayed its whole
  // history again; after a restart of the workers all of them did so at once, and nothing else got a turn.
  static int begun;
  begun = 0;
  const auto script = [](context& ctx) -> task<> {
    ++begun;
    for (int i = 0; i < 50; ++i) (void)co_await ctx.wait_signal<std::int64_t>("go");
  };
  stage node{of(script)};
  node.snapshots = true;
  std::vector<run_id> runs;
  for (int i = 0; i < 200; ++i) runs.push_back(node.start(text));
  node.settle();
  REQUIRE(begun == 200);
  SECTION("a run that is in memory is not replayed for a signal") {
    for (int i = 0; i < 49; ++i) REQUIRE(node.tell(runs[0], core::signal_command{"go", payload{json::value(1)}, ""}));
    CHECK(begun == 200);
  }
  SECTION("after a restart waiting runs are read when something comes for them, each once, from its snapshot") {
    for (int i = 0; i < 20; ++i) REQUIRE(node.tell(runs[7], core::signal_command{"go", payload{json::value(1)}, ""}));
    node.crash();
    node.reopen_active();
    node.settle();
    CHECK(node.opened == 0);
    CHECK(begun == 200);
    for (int i = 0; i < 20; ++i) REQUIRE(node.tell(runs[7], core::signal_command{"go", payload{json::value(1)}, ""}));
    CHECK(node.opened == 1);
    CHECK(begun == 201);
    const auto snapshot = node.store().snapshot(runs[7]);
    REQUIRE(snapshot.has_value());
    CHECK(snapshot->first + 3 >= node.stored(runs[7]).seq);
  }
}
