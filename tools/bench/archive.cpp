// bench archive: what archiving and retention cost the commits beside them.
#include <thread>

#include "tools/bench/bench.hpp"

namespace perdure::tools::bench {

namespace {

struct measured {
  double steps_per_s = 0, p50_us = 0, p99_us = 0, mean_batch = 0;
  std::uint64_t archived = 0, removed = 0, log_records = 0, disk = 0;
};

/// Steps in a directory of its own. The first half fills the log; the second half is measured.
result<measured> measure(const std::filesystem::path& data, const bench_options& how, bool upkeep) {
  const auto told = std::make_shared<meter>();
  node_options options{.data_dir = data};
  options.archive.log_records = upkeep ? how.log_records : ~std::uint64_t{0} / 4;
  options.archive.log_bytes = upkeep ? limits::archive_log_bytes : ~std::size_t{0} / 4;
  options.retention.ended_runs = upkeep ? how.retention : 0;
  auto opened = node::open(std::move(options));
  if (!opened) return opened.error();
  if (auto added = opened->add(make_workflow(told)); !added) return added.error();
  std::atomic<bool> stop{false};
  std::jthread load([&] {
    keep_in_flight(
        *opened, how, [&](std::uint64_t) { return work{.steps = static_cast<std::uint32_t>(how.steps)}; }, *told,
        [&](std::uint64_t) { return stop.load(); });
  });
  std::this_thread::sleep_for(std::chrono::duration<double>(how.seconds / 2));
  told->step_time.reset();
  const auto before = opened->stats();
  const auto steps_before = told->steps.load();
  const auto from = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(std::chrono::duration<double>(how.seconds / 2));
  const auto took = seconds_since(from);
  const auto after = opened->stats();
  measured out;
  out.steps_per_s = static_cast<double>(told->steps.load() - steps_before) / took;
  out.p50_us = told->step_time.quantile(0.5);
  out.p99_us = told->step_time.quantile(0.99);
  out.mean_batch = static_cast<double>(after.records - before.records) /
                   static_cast<double>(std::max<std::uint64_t>(after.commits - before.commits, 1));
  out.archived = after.archived_records;
  out.removed = after.removed_runs;
  out.log_records = after.log_records;
  stop = true;
  load.join();
  told->wind_up = true;
  opened->close();
  out.disk = disk_bytes(data);
  return out;
}

json::object shown(const measured& what) {
  return {{"steps_per_s", rounded(what.steps_per_s)},
          {"step_p50_us", rounded(what.p50_us)},
          {"step_p99_us", rounded(what.p99_us)},
          {"archived_records", what.archived},
          {"removed_runs", what.removed},
          {"log_records", what.log_records},
          {"disk_bytes", what.disk}};
}

}  // namespace

result<bench_result> bench_archive(const bench_options& how) {
  constexpr std::size_t rounds = 2;
  auto scratch = scratch_directory::make(how.data);
  if (!scratch) return scratch.error();
  // One after the other and again, so that what else the machine does meets both.
  json::array all;
  measured with, without;
  std::filesystem::path last;
  for (std::size_t i = 0; i < 2 * rounds; ++i) {
    const bool upkeep = i % 2 == 1;
    last = scratch->path() / ("data" + std::to_string(i));
    auto one = measure(last, how, upkeep);
    if (!one) return one.error();
    auto line = shown(*one);
    line.emplace("upkeep", upkeep);
    all.push_back(std::move(line));
    auto& sum = upkeep ? with : without;
    sum.steps_per_s += one->steps_per_s / rounds;
    sum.p50_us += one->p50_us / rounds;
    sum.p99_us += one->p99_us / rounds;
    sum.mean_batch += one->mean_batch / rounds;
    sum.archived += one->archived;
    sum.removed += one->removed;
  }
  const auto floor = measure_floor(last, with.mean_batch, 2);
  if (!floor) return floor.error();
  bench_result out{.name = "archive"};
  out.config = {{"runs", how.runs},
                {"steps", how.steps},
                {"seconds", how.seconds},
                {"retention", how.retention},
                {"log_records", how.log_records}};
  out.figures = {{"steps_per_s", rounded(with.steps_per_s)},
                 {"steps_per_s_without", rounded(without.steps_per_s)},
                 {"step_p50_us", rounded(with.p50_us)},
                 {"step_p50_us_without", rounded(without.p50_us)},
                 {"step_p99_us", rounded(with.p99_us)},
                 {"step_p99_us_without", rounded(without.p99_us)},
                 {"removed_runs", with.removed},
                 {"rounds", std::move(all)}};
  out.floor = to_json_object(*floor);
  out.ratios = {{"throughput_with_to_without", rounded(without.steps_per_s > 0 ? with.steps_per_s / without.steps_per_s : 0)},
                {"p99_with_to_without", rounded(without.p99_us > 0 ? with.p99_us / without.p99_us : 0)},
                {"throughput", rounded(with.steps_per_s / floor->appends_per_s)}};
  return out;
}

}  // namespace perdure::tools::bench
