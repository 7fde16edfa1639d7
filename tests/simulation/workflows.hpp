// The workflows that the simulation runs: real handlers. `steady` has a result that can be foretold; `program` does what
// its message's seed says, every kind of operation, alone and in joins, in random graphs.
#pragma once

#include "perdure/perdure.hpp"
#include "simulation/outside.hpp"

namespace perdure::sim {

using namespace std::chrono_literals;

struct order {
  int steps = 1;
};
PERDURE_MESSAGE(order, "sim.order/v1", steps)

struct total {
  std::int64_t sum = 0;
};
PERDURE_MESSAGE(total, "sim.total/v1", sum)

struct program {
  std::uint64_t seed = 0;
  int depth = 0;
};
PERDURE_MESSAGE(program, "sim.program/v1", seed, depth)

/// Calls one after the other, each retried, with naps and run-wide state between them.
class steady final : public executor<order> {
 public:
  task<> handle(const order& what, context& ctx) override {
    total out;
    for (int i = 0; i < what.steps; ++i) {
      const std::uint64_t failing = static_cast<std::uint64_t>(i) % 3;
      auto body = [failing](call_context& with) { return outside::present->execute(with, failing); };
      out.sum += co_await ctx.call("step", body, {.retry = retry(6, exponential(100ms, 2s))});
      if (i % 2 == 1) co_await ctx.sleep_for(std::chrono::seconds{i});
      ctx.set_state("sum", out.sum);
      const auto back = co_await ctx.get_state<std::int64_t>("sum");
      if (!back || *back != out.sum) throw step_error("wrong_state", "the run's state is not what was written");
      ctx.progress(static_cast<std::uint64_t>(i), static_cast<std::uint64_t>(what.steps));
    }
    ctx.send(out);
  }
};

class steady_end final : public executor<total> {
 public:
  task<> handle(const total& what, context& ctx) override {
    ctx.yield_output(what.sum);
    co_return;
  }
};

/// One operation of a program. What it does depends on its seed alone.
task<std::int64_t> operation(context& ctx, std::uint64_t seed, int depth);

inline task<std::int64_t> call_operation(context& ctx, chance random) {
  const auto failing = random.one_in(3) ? random.below(5) : 0;
  const auto names = std::to_string(random.below(3));
  call_options options;
  if (random.one_in(2))
    options.retry = retry(1 + static_cast<std::uint32_t>(random.below(4)), exponential(50ms, 5s).with_jitter(jitter_kind::full));
  if (random.one_in(8)) options.retry = retry(0, fixed(1s)).within(10s);
  if (random.one_in(3)) options.timeout = std::chrono::seconds{1 + random.below(20)};
  auto body = [failing](call_context& with) { return outside::present->execute(with, failing); };
  co_return co_await ctx.call("call" + names, body, options);
}

/// A job on the schedule's backend, which does what it likes with it.
inline task<std::int64_t> job_operation(context& ctx, chance random) {
  job_options options;
  options.at_end = static_cast<background_end>(1 + random.below(3));
  if (random.one_in(3)) options.retry = retry(1 + static_cast<std::uint32_t>(random.below(3)), exponential(1s, 10s));
  if (random.one_in(4)) options.timeout = std::chrono::seconds{1 + random.below(200)};
  if (random.one_in(2)) options.ambiguous = random.one_in(3) ? ambiguous_submit::fail : ambiguous_submit::ask;
  const json::value spec(random.below(100));
  if (random.one_in(3)) {
    const auto end = co_await ctx.run_job("outside", spec, options);
    co_return static_cast<std::int64_t>(end.number);
  }
  const auto job = co_await ctx.submit_job("outside", spec, options);
  if (random.one_in(4)) co_await ctx.cancel_job(job);
  job_wait_options wait;
  if (random.one_in(3)) wait.max_duration = std::chrono::seconds{1 + random.below(100)};
  if (random.one_in(3)) wait.backoff = fixed(3s);
  const auto end = co_await ctx.poll_until_complete(job, wait);
  if (!random.one_in(3) || job.id.empty()) co_return static_cast<std::int64_t>(end.status);
  call_options look;
  look.retry = retry(0, fixed(2s));
  const auto files = co_await ctx.artifacts(job, look);
  for (const auto& each : files) {
    if (!each.name.starts_with(job.id)) outside::present->problem = "a job has files of another one";
  }
  co_return static_cast<std::int64_t>(files.size());
}

inline task<std::int64_t> wait_operation(context& ctx, chance random) {
  if (random.one_in(6)) co_return co_await job_operation(ctx, chance{random.bits()});
  switch (random.below(6)) {
    case 0: co_await ctx.sleep_for(std::chrono::milliseconds{random.below(20'000)}); co_return 1;
    case 1: co_await ctx.sleep_until(ctx.now() + std::chrono::seconds{random.below(100)} - 10s); co_return 2;
    case 2: {
      signal_options options;
      if (random.one_in(2)) options.timeout = std::chrono::seconds{random.below(60)};
      const auto name = "s" + std::to_string(random.below(3));
      if (random.one_in(3)) {
        const signals_options several{.most = 1 + random.below(4), .timeout = options.timeout};
        std::int64_t sum = 0;
        for (const auto each : co_await ctx.wait_signals<std::int64_t>(name, several)) sum += each;
        co_return sum;
      }
      co_return co_await ctx.wait_signal<std::int64_t>(name, options);
    }
    case 3: {
      request_options options;
      if (random.one_in(2)) options.timeout = std::chrono::seconds{random.below(60)};
      const json::value question{{"text", "well?"}};
      co_return co_await ctx.request<std::int64_t>(question, options);
    }
    case 4: {
      poll_options options;
      options.backoff = exponential(500ms, 8s);
      if (random.one_in(3)) options.max_duration = std::chrono::seconds{random.below(40)};
      if (random.one_in(3)) options.poll_timeout = 1s;
      const auto needed = random.below(5);
      auto check = [needed](call_context& with) -> std::optional<std::int64_t> {
        const auto value = outside::present->execute(with, 0);
        return with.attempt() > needed ? std::optional{value} : std::nullopt;
      };
      co_return co_await ctx.poll_until_complete("poll", check, options);
    }
    default: {
      const auto key = "k" + std::to_string(random.below(3));
      ctx.set_state(key, static_cast<std::int64_t>(random.below(100)));
      const auto value = co_await ctx.get_state<std::int64_t>(key);
      co_return value.value_or(-1);
    }
  }
}

/// A branch whose body shares state with it: it may run on after a cancel, when the branch is gone.
inline task<std::int64_t> branch_with_state(context& ctx, std::uint64_t seed, int depth) {
  const auto kept = std::make_shared<std::vector<std::int64_t>>(50, static_cast<std::int64_t>(seed % 7));
  auto body = [kept](call_context& with) {
    (*kept)[3] += outside::present->execute(with, 0);
    return (*kept)[3];
  };
  const auto first = co_await ctx.call("branch", body);
  co_return first + co_await operation(ctx, mixed(seed), depth - 1);
}

inline task<std::int64_t> caught(context& ctx, std::uint64_t seed, int depth) {
  std::int64_t out = 0;
  bool failed = false;
  try {
    out = co_await operation(ctx, mixed(seed), depth - 1);
  } catch (const cancelled_error&) {
    if (seed % 2 == 0) throw;
    failed = true;
  } catch (const step_error&) {
    failed = true;
  }
  if (failed) {
    auto body = [](call_context& with) { return outside::present->execute(with, 0); };
    out = co_await ctx.call("cleanup", body);
  }
  co_return out;
}

inline task<std::int64_t> operation(context& ctx, std::uint64_t seed, int depth) {
  chance random{seed};
  if (depth <= 0 || random.one_in(3)) {
    if (random.one_in(50)) throw step_error("by_chance", "an operation that throws");
    if (random.one_in(2)) co_return co_await call_operation(ctx, chance{random.bits()});
    co_return co_await wait_operation(ctx, chance{random.bits()});
  }
  switch (random.below(6)) {
    case 0: {
      std::vector<task<std::int64_t>> all;
      for (auto left = 1 + random.below(4); left > 0; --left) all.push_back(operation(ctx, random.bits(), depth - 1));
      std::int64_t sum = 0;
      for (const auto each : co_await ctx.when_all(all)) sum += each;
      co_return sum;
    }
    case 1:
    case 2: {
      std::vector<task<std::int64_t>> some;
      for (auto left = 1 + random.below(3); left > 0; --left) {
        some.push_back(random.one_in(3) ? branch_with_state(ctx, random.bits(), depth)
                                        : operation(ctx, random.bits(), depth - 1));
      }
      const auto first = co_await ctx.when_any(some);
      co_return first.value;
    }
    case 3: {
      auto call = call_operation(ctx, chance{random.bits()});
      auto limit = ctx.sleep_for(std::chrono::seconds{random.below(10)});
      const auto first = co_await ctx.when_any(call, limit);
      co_return static_cast<std::int64_t>(first.index);
    }
    case 4: {
      const auto first = co_await operation(ctx, random.bits(), depth - 1);
      co_return first + co_await operation(ctx, random.bits(), depth - 1);
    }
    default: co_return co_await caught(ctx, random.bits(), depth);
  }
}

/// Takes programs, and what fan-ins deliver.
class programmed final : public executor<program, joined> {
 public:
  task<> handle(const program& what, context& ctx) override { return carry_out(ctx, what.seed, what.depth); }
  task<> handle(const joined& what, context& ctx) override {
    std::uint64_t seed = what.from.size();
    int depth = 0;
    for (const auto& each : what.messages) {
      const auto read = from_json<program>(each);
      if (!read) throw step_error("bad_join", "a joined message that is no program");
      outside::present->joined(ctx.run().str(), ctx.activation(), read->seed);
      seed = mixed(seed ^ read->seed);
      depth = std::max(depth, read->depth);
    }
    return carry_out(ctx, seed, depth);
  }

 private:
  static task<> carry_out(context& ctx, std::uint64_t seed, int depth) {
    chance random{mixed(seed ^ ctx.activation())};  // what it sends is told apart from what others send
    std::int64_t sum = 0;
    for (auto left = 1 + random.below(6); left > 0; --left) {
      const auto next = random.bits();
      if (random.one_in(6)) {
        sum += co_await operation(ctx, next, 2);
      } else {
        sum += co_await caught(ctx, next, 3);
      }
      if (random.one_in(20) && ctx.attempt() == 1)
        throw step_error("first_attempt", "a handler that throws on its first attempt");
      if (random.one_in(3)) sum += static_cast<std::int64_t>(ctx.random() % 10);
      if (random.one_in(3)) ctx.set_state("k" + std::to_string(random.below(3)), sum);
      if (random.one_in(4)) ctx.log("so far " + std::to_string(sum));
    }
    if (random.one_in(20)) throw std::runtime_error("a handler that throws in the end");
    if (depth > 0) {
      for (auto left = 1 + random.below(2); left > 0; --left) ctx.send(program{random.bits(), depth - 1});
    }
    ctx.yield_output(sum);
  }
};

inline executor_options random_options(chance& random) {
  executor_options out;
  out.cooperative = random.one_in(3);
  if (!random.one_in(5)) out.retry = retry(2 + static_cast<std::uint32_t>(random.below(3)), exponential(200ms, 10s));
  if (!random.one_in(3)) return out;
  if (random.one_in(8)) out.timeouts.schedule_to_start = std::chrono::seconds{5 + random.below(300)};
  if (random.one_in(8)) out.timeout = std::chrono::seconds{20 + random.below(600)};
  if (random.one_in(8)) out.timeouts.schedule_to_close = std::chrono::seconds{100 + random.below(2'000)};
  if (random.one_in(8)) out.timeouts.heartbeat = std::chrono::seconds{5 + random.below(100)};
  return out;
}

inline workflow steady_workflow(chance& random) {
  workflow_builder made{"steady", "1"};
  executor_options options;
  options.cooperative = random.one_in(2);
  if (random.one_in(2)) options.timeouts.schedule_to_close = 24h * 365;  // an explicit start
  made.add<steady>("work", options).add<steady_end>("end").start_at("work").edge("work", "end");
  return made.build();
}

/// A random graph of up to five executors and some; the builder may refuse it.
inline workflow_builder random_graph(chance& random) {
  workflow_builder made{"program", "1"};
  const auto size = 2 + random.below(4);
  const auto name = [](std::uint64_t i) { return "e" + std::to_string(i); };
  for (std::uint64_t i = 0; i < size; ++i) made.add<programmed>(name(i), random_options(random));
  made.start_at(name(0)).with_max_activations(12);
  if (random.one_in(5)) made.with_timeout(std::chrono::seconds{100 + random.below(5'000)});
  // Everyone is reached; then some more edges of every kind.
  for (std::uint64_t i = 1; i < size; ++i) {
    const auto from = name(random.below(i));
    if (random.one_in(3)) {
      const auto part = random.below(3);
      made.edge_if<program>(from, name(i), [part](const program& what) { return what.seed % 3 != part; });
    } else {
      made.edge(from, name(i));
    }
  }
  if (size > 2 && random.one_in(2)) {
    made.add<programmed>("join", random_options(random))
        .fan_in({name(0), name(size - 1)}, "join", random.one_in(2) ? fan_in_mode::all : fan_in_mode::any);
    if (random.one_in(2)) made.edge("join", name(1 + random.below(size - 1)));
  }
  if (random.one_in(2)) {
    made.add<programmed>("left", random_options(random)).add<programmed>("right");
    std::vector<workflow_builder::switch_case<program>> cases{{[](const program& what) { return what.seed % 2 == 0; }, "left"}};
    made.switch_on(name(size - 1), std::move(cases), "right");
  }
  if (random.one_in(2))
    made.multi_select<program>(name(1), {name(0), name(size - 1)}, [](const program& what) {
      std::vector<std::size_t> out;
      for (std::size_t i = 0; i < 2; ++i) {
        if ((what.seed >> i & 1U) != 0) out.push_back(i);
      }
      return out;
    });
  return made;
}
inline workflow program_workflow(chance& random) {
  while (true) {
    if (auto made = random_graph(random).try_build()) return *made;
  }
}

}  // namespace perdure::sim
