// bench submit: start() from several threads, each run one trivial step long; every start is durable when it returns.
#include "tools/bench/bench.hpp"

namespace perdure::tools::bench {

result<bench_result> bench_submit(const bench_options& how) {
  auto scratch = scratch_directory::make(how.data);
  if (!scratch) return scratch.error();
  const auto data = scratch->path() / "data";
  const auto told = std::make_shared<meter>();
  auto opened = node::open({.data_dir = data});
  if (!opened) return opened.error();
  if (auto added = opened->add(make_workflow(told)); !added) return added.error();

  latencies start_time;
  const auto before = opened->stats();
  const auto from = std::chrono::steady_clock::now();
  keep_in_flight(
      *opened, how, [](std::uint64_t) { return work{.steps = 1}; }, *told,
      [&](std::uint64_t) { return seconds_since(from) >= how.seconds; }, &start_time);
  const auto took = seconds_since(from);
  const auto after = opened->stats();
  const auto started = static_cast<double>(start_time.count());
  const auto finished = static_cast<double>(told->finished.load());
  opened->close();

  const auto commits = static_cast<double>(std::max<std::uint64_t>(after.commits - before.commits, 1));
  const auto mean_batch = static_cast<double>(after.records - before.records) / commits;
  const auto floor = measure_floor(data, mean_batch, std::min(how.seconds, 3.0));
  if (!floor) return floor.error();
  bench_result out{.name = "submit"};
  out.config = {{"runs", how.runs}, {"seconds", how.seconds}, {"threads", how.threads}};
  out.figures = {{"submits_per_s", rounded(started / took)},
                 {"runs_per_s", rounded(finished / took)},
                 {"submit_p50_us", rounded(start_time.quantile(0.5))},
                 {"submit_p99_us", rounded(start_time.quantile(0.99))},
                 {"mean_batch", rounded(mean_batch)},
                 {"bytes_per_run", rounded(static_cast<double>(disk_bytes(data)) / std::max(started, 1.0))}};
  out.floor = to_json_object(*floor);
  out.ratios = {{"throughput", rounded(started / took / floor->appends_per_s)},
                {"latency_p50", rounded(start_time.quantile(0.5) / floor->commit_p50_us)}};
  return out;
}

}  // namespace perdure::tools::bench
