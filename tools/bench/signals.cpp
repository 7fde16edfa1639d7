// bench signals: many threads signal one run, which takes what has come; every signal is durable when its call returns.
#include <thread>

#include "tools/bench/bench.hpp"

namespace perdure::tools::bench {

namespace {

/// Waits so often, then sends itself on: an activation has a limit of steps.
constexpr int waits_an_activation = 1'000;

struct tally {
  std::uint64_t seen = 0;
};
PERDURE_MESSAGE(tally, "bench.tally/v1", seen)

class listener : public executor<tally> {
 public:
  explicit listener(std::shared_ptr<std::atomic<std::uint64_t>> taken) : taken_(std::move(taken)) {}

  task<> handle(const tally& in, context& ctx) override {
    auto seen = in.seen;
    for (int i = 0; i < waits_an_activation; ++i) {
      const auto values = co_await ctx.wait_signals<std::int64_t>("one", {.most = 1'000});
      taken_->fetch_add(values.size(), std::memory_order_relaxed);
      seen += values.size();
    }
    ctx.send(tally{seen});
  }

 private:
  std::shared_ptr<std::atomic<std::uint64_t>> taken_;
};

}  // namespace

result<bench_result> bench_signals(const bench_options& how) {
  auto scratch = scratch_directory::make(how.data);
  if (!scratch) return scratch.error();
  const auto data = scratch->path() / "data";
  const auto taken = std::make_shared<std::atomic<std::uint64_t>>(0);
  auto opened = node::open({.data_dir = data});
  if (!opened) return opened.error();
  const auto listens = workflow_builder("listen", "1.0.0")
                           .add_with("listener", [taken] { return std::make_unique<listener>(taken); }, {.cooperative = true})
                           .start_at("listener")
                           .edge("listener", "listener")
                           .with_max_activations(100'000'000)
                           .build();
  if (auto added = opened->add(listens); !added) return added.error();
  const auto run = opened->start("listen", tally{});
  if (!run) return run.error();

  latencies signal_time;
  std::atomic<std::uint64_t> given{0};
  std::atomic<std::uint64_t> refused{0};
  const auto before = opened->stats();
  const auto from = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < how.threads; ++i) {
      threads.emplace_back([&] {
        while (seconds_since(from) < how.seconds) {
          const auto began = std::chrono::steady_clock::now();
          if (!run->signal("one", json::value(1))) {
            refused.fetch_add(1);  // the run keeps only so many that it has not taken
            std::this_thread::sleep_for(std::chrono::milliseconds{1});
            continue;
          }
          signal_time.add(std::chrono::steady_clock::now() - began);
          given.fetch_add(1, std::memory_order_relaxed);
        }
      });
    }
  }
  const auto took = seconds_since(from);
  const auto after = opened->stats();
  const auto all = taken->load();  // each of them waits for a commit, so the run may keep some for later
  opened->close();
  const auto commits = static_cast<double>(std::max<std::uint64_t>(after.commits - before.commits, 1));
  const auto mean_batch = static_cast<double>(after.records - before.records) / commits;
  const auto floor = measure_floor(data, mean_batch, std::min(how.seconds, 3.0));
  if (!floor) return floor.error();
  const auto per_s = static_cast<double>(given.load()) / took;
  bench_result out{.name = "signals"};
  out.config = {{"seconds", how.seconds}, {"threads", how.threads}};
  out.figures = {{"signals_per_s", rounded(per_s)},
                 {"taken_per_s", rounded(static_cast<double>(all) / took)},
                 {"refused", refused.load()},
                 {"signal_p50_us", rounded(signal_time.quantile(0.5))},
                 {"signal_p99_us", rounded(signal_time.quantile(0.99))},
                 {"mean_batch", rounded(mean_batch)}};
  out.floor = to_json_object(*floor);
  out.ratios = {{"throughput", rounded(per_s / floor->appends_per_s)},
                {"latency_p50", rounded(signal_time.quantile(0.5) / floor->commit_p50_us)}};
  return out;
}

}  // namespace perdure::tools::bench
