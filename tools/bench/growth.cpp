// bench growth: does it stay as fast and as small when it has run for a while?
#include <thread>

#include "tools/bench/bench.hpp"

namespace perdure::tools::bench {

result<bench_result> bench_growth(const bench_options& how) {
  // With retention on it takes a while until as many runs go as come.
  const std::size_t rounds = how.retention != 0 ? 10 : 5;
  auto scratch = scratch_directory::make(how.data);
  if (!scratch) return scratch.error();
  const auto data = scratch->path() / "data";
  const auto told = std::make_shared<meter>();
  auto opened =
      node::open({.data_dir = data, .archive = {.log_records = how.log_records}, .retention = {.ended_runs = how.retention}});
  if (!opened) return opened.error();
  if (auto added = opened->add(make_workflow(told)); !added) return added.error();

  json::array series;
  double first_rate = 0;
  double last_rate = 0;
  std::uint64_t first_memory = 0;
  std::uint64_t last_memory = 0;
  std::uint64_t middle_disk = 0;
  std::uint64_t last_disk = 0;
  const auto before = opened->stats();
  for (std::size_t i = 0; i < rounds; ++i) {
    const auto steps_before = told->steps.load();
    const auto from = std::chrono::steady_clock::now();
    keep_in_flight(
        *opened, how, [&](std::uint64_t) { return work{.steps = static_cast<std::uint32_t>(how.steps)}; }, *told,
        [&](std::uint64_t) { return seconds_since(from) >= how.seconds / rounds; });
    const auto took = seconds_since(from);
    last_rate = static_cast<double>(told->steps.load() - steps_before) / took;
    while (opened->stats().open_runs > 0) std::this_thread::sleep_for(std::chrono::milliseconds{5});
    last_memory = anonymous_bytes();
    last_disk = disk_bytes(data);
    if (i == rounds / 2) middle_disk = last_disk;
    if (i == 0) {
      first_rate = last_rate;
      first_memory = last_memory;
    }
    series.push_back(json::object{{"runs", told->finished.load()},
                                  {"steps_per_s", rounded(last_rate)},
                                  {"rss_anon_bytes", last_memory},
                                  {"log_records", opened->stats().log_records},
                                  {"archived_records", opened->stats().archived_records},
                                  {"removed_runs", opened->stats().removed_runs},
                                  {"disk_bytes", last_disk}});
  }
  const auto after = opened->stats();
  opened->close();
  const auto commits = static_cast<double>(std::max<std::uint64_t>(after.commits - before.commits, 1));
  const auto mean_batch = static_cast<double>(after.records - before.records) / commits;
  const auto floor = measure_floor(data, mean_batch, 2);
  if (!floor) return floor.error();
  const auto all_steps = static_cast<double>(std::max<std::uint64_t>(told->steps.load(), 1));
  const auto all_runs = static_cast<double>(std::max<std::uint64_t>(told->finished.load(), 1));
  const auto grown = last_memory > first_memory ? last_memory - first_memory : 0;
  bench_result out{.name = "growth"};
  out.config = {{"runs", how.runs}, {"steps", how.steps},         {"seconds", how.seconds},
                {"rounds", rounds}, {"retention", how.retention}, {"log_records", how.log_records}};
  out.figures = {{"runs_done", told->finished.load()},
                 {"steps_done", told->steps.load()},
                 {"bytes_per_step", rounded(static_cast<double>(disk_bytes(data)) / all_steps)},
                 {"bytes_per_run", rounded(static_cast<double>(disk_bytes(data)) / all_runs)},
                 {"rss_anon_bytes_first", first_memory},
                 {"rss_anon_bytes_last", last_memory},
                 {"rss_anon_bytes_per_run", rounded(static_cast<double>(grown) / all_runs)},
                 {"rounds", std::move(series)}};
  out.floor = to_json_object(*floor);
  out.ratios = {{"last_to_middle_disk",
                 rounded(static_cast<double>(last_disk) / static_cast<double>(std::max<std::uint64_t>(middle_disk, 1)))},
                {"last_to_first_throughput", rounded(first_rate > 0 ? last_rate / first_rate : 0)},
                {"throughput", rounded(last_rate / floor->appends_per_s)}};
  return out;
}

}  // namespace perdure::tools::bench
