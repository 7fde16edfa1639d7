// A node that a test kills: starts runs (by key), works on what is unfinished, ends when every run has.
//   crash_worker DATA LEDGER RUNS [LOG_RECORDS]
// With LOG_RECORDS the log is moved to the archive from so many records on.
// LEDGER gets a line "did KEY" each time a body runs, "acked KEY RUN" once a start was acknowledged, "output KEY TEXT"
// at the end. Lines are single appends, so they survive the kill that may follow.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "perdure/perdure.hpp"
#include "programs/family.hpp"

using namespace std::chrono_literals;
using namespace perdure;

namespace {

struct order {
  int number = 0;
};
PERDURE_MESSAGE(order, "order/v1", number)
struct part {
  int number = 0, which = 0;
};
PERDURE_MESSAGE(part, "part/v1", number, which)

int ledger = -1;

void note(const std::string& line) {
  const auto text = line + "\n";
  if (::write(ledger, text.data(), text.size()) != static_cast<ssize_t>(text.size())) std::abort();
}

/// Calls in a row, one that fails at first, a sleep, a poll; then parts for two workers.
class planner : public executor<order> {
  task<> handle(const order& in, context& ctx) override {
    int sum = in.number;
    for (int i = 0; i < 4; ++i) {
      auto add = [&](call_context& with) {
        note("did " + with.idempotency_key());
        return sum + 1;
      };
      sum = co_await ctx.call("add", add);
    }
    auto flaky = [&](call_context& with) {
      note("did " + with.idempotency_key() + "#" + std::to_string(with.attempt()));
      if (with.attempt() < 3) throw step_error("busy", "not yet");
    };
    co_await ctx.call("flaky", flaky, {.retry = retry(5, fixed(3ms))});
    co_await ctx.sleep_for(5ms);
    auto left = ctx.sleep_for(2ms);
    auto right = ctx.call("beside", [](call_context& with) { note("did " + with.idempotency_key()); });
    co_await ctx.when_all(left, right);
    auto check = [](call_context& with) { return with.attempt() >= 2; };
    co_await ctx.poll_until_complete("check", check, {.backoff = fixed(2ms)});
    ctx.send(part{sum, 1});
    ctx.send(part{sum, 2});
  }
};

class maker : public executor<part> {
  task<> handle(const part& in, context& ctx) override {
    auto make = [&](call_context& with) {
      note("did " + with.idempotency_key());
      return in.number * in.which;
    };
    const int made = co_await ctx.call("make", make);
    ctx.send(order{made});
  }
};

class packer : public executor<joined> {
  task<> handle(const joined& in, context& ctx) override {
    const auto all = in.as<order>().value();
    int total = 0;
    for (const auto& each : all) total += each.number;
    co_await ctx.call("pack", [](call_context& with) { note("did " + with.idempotency_key()); });
    ctx.yield_output(json::value{{"total", total}, {"parts", all.size()}});
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 && argc != 5) return 2;
  ledger = ::open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  node_options options;
  options.data_dir = argv[1];
  const auto log_records = argc == 5 ? static_cast<std::uint64_t>(std::atoi(argv[4])) : 0;
  if (argc == 5) options.archive.log_records = log_records;
  auto opened = node::open(std::move(options));
  if (!opened) {
    std::cerr << opened.error() << "\n";
    return 2;
  }
  auto builder = workflow_builder("orders", "1");
  builder.add<planner>("planner").add<maker>("maker", {.cooperative = true}).add<packer>("packer");
  builder.start_at("planner").edge_if<part>("planner", "maker", [](const part&) { return true; });
  // Both parts come from one executor, so the join counts messages of two makers' activations by source.
  builder.edge("maker", "gather").edge("gather", "packer");
  class gather : public executor<order> {
    task<> handle(const order& in, context& ctx) override {
      const auto sum = (co_await ctx.get_state<int>("seen")).value_or(0) + 1;
      ctx.set_state("seen", sum);
      ctx.set_state("part" + std::to_string(ctx.activation()), in.number);
      ctx.send(joined{{to_json(in)}, {"maker"}});
    }
  };
  builder.add<gather>("gather", {.cooperative = true});
  if (auto added = opened->add(builder.build()); !added) {
    std::cerr << added.error() << "\n";
    return 2;
  }
  family::note = note;
  if (auto added = family::add(*opened); !added) {
    std::cerr << added.error() << "\n";
    return 2;
  }
  const int runs = std::atoi(argv[3]);
  std::vector<std::string> keys;
  std::vector<run_ref> started;
  for (int i = 0; i < 2 * runs; ++i) {
    const bool alone = i < runs;
    const auto key = (alone ? "order-" : "family-") + std::to_string(i % runs);
    keys.push_back(key);
    auto run =
        alone ? opened->start("orders", order{i}, {.key = key}) : opened->start("family", family::round{i, 0}, {.key = key});
    if (!run) {
      std::cerr << run.error() << "\n";
      return 2;
    }
    note("acked " + key + " " + run->id().str());
    started.push_back(*run);
  }
  for (std::size_t i = 0; i < started.size(); ++i) {
    auto end = started[i].wait(60s);
    if (!end) {
      std::cerr << end.error() << "\n";
      return 2;
    }
    std::vector<std::string> sorted;  // parts are made side by side
    for (const auto& each : end->outputs) sorted.emplace_back(each.text());
    std::sort(sorted.begin(), sorted.end());
    std::string outputs;
    for (const auto& each : sorted) outputs += each;
    note("output " + keys[i] + " " + std::string{to_string(end->status)} + " " + outputs);
  }
  // The last life is not over before the log has become short.
  const auto give_up = std::chrono::steady_clock::now() + 20s;
  while (argc == 5 && opened->stats().log_records > log_records && std::chrono::steady_clock::now() < give_up)
    std::this_thread::sleep_for(10ms);
  return 0;
}
