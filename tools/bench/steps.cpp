// bench steps: runs in flight × trivial durable steps, every commit synced.
#include <thread>

#include "tools/bench/bench.hpp"

namespace perdure::tools::bench {

result<bench_result> bench_steps(const bench_options& how) {
  auto scratch = scratch_directory::make(how.data);
  if (!scratch) return scratch.error();
  const auto data = scratch->path() / "data";
  const auto told = std::make_shared<meter>();
  auto opened = node::open({.data_dir = data});
  if (!opened) return opened.error();
  if (auto added = opened->add(make_workflow(told)); !added) return added.error();
  const auto disk_before = disk_bytes(data);

  const auto warm_up = std::min(1.0, how.seconds / 5);
  const auto began = std::chrono::steady_clock::now();
  std::atomic<bool> stop{false};
  std::jthread load([&] {
    keep_in_flight(
        *opened, how, [&](std::uint64_t) { return work{.steps = static_cast<std::uint32_t>(how.steps)}; }, *told,
        [&](std::uint64_t) { return stop.load(); });
  });
  while (seconds_since(began) < warm_up) std::this_thread::sleep_for(std::chrono::milliseconds{10});
  told->step_time.reset();
  const auto before = opened->stats();
  const auto steps_before = told->steps.load();
  const auto runs_before = told->finished.load();
  const auto from = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(std::chrono::duration<double>(how.seconds));
  const auto took = seconds_since(from);
  const auto steps = static_cast<double>(told->steps.load() - steps_before);
  const auto runs = static_cast<double>(told->finished.load() - runs_before);
  const auto after = opened->stats();
  const auto p50 = told->step_time.quantile(0.5);
  const auto p99 = told->step_time.quantile(0.99);
  const auto memory = anonymous_bytes();
  stop = true;
  load.join();
  told->wind_up = true;
  opened->close();

  const auto commits = static_cast<double>(std::max<std::uint64_t>(after.commits - before.commits, 1));
  const auto mean_batch = static_cast<double>(after.records - before.records) / commits;
  const auto bytes_per_step =
      static_cast<double>(disk_bytes(data) - disk_before) / static_cast<double>(std::max<std::uint64_t>(told->steps.load(), 1));
  const auto floor = measure_floor(data, mean_batch, std::min(how.seconds, 3.0));
  if (!floor) return floor.error();
  bench_result out{.name = "steps"};
  out.config = {{"runs", how.runs}, {"steps", how.steps}, {"seconds", how.seconds}, {"threads", how.threads}};
  out.figures = {{"steps_per_s", rounded(steps / took)},
                 {"runs_per_s", rounded(runs / took)},
                 {"step_p50_us", rounded(p50)},
                 {"step_p99_us", rounded(p99)},
                 {"mean_batch", rounded(mean_batch)},
                 {"bytes_per_step", rounded(bytes_per_step)},
                 {"rss_anon_bytes", memory}};
  out.floor = to_json_object(*floor);
  out.ratios = {{"throughput", rounded(steps / took / floor->appends_per_s)},
                {"latency_p50", rounded(p50 / floor->commit_p50_us)}};
  return out;
}

}  // namespace perdure::tools::bench
