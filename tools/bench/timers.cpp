// bench timers: many runs sleep; so many a second come due, or all at the same moment.
#include <algorithm>
#include <thread>

#include "tools/bench/bench.hpp"

namespace perdure::tools::bench {

namespace {

/// Inserts them in pieces, as one who has a list of them would.
result<void> insert(node& on, std::size_t many, const std::function<timestamp(std::uint64_t number)>& due_of) {
  constexpr std::size_t piece = 10'000;
  for (std::size_t from = 0; from < many; from += piece) {
    std::vector<work> inputs;
    for (auto i = from; i < std::min(many, from + piece); ++i) inputs.push_back({.steps = 0, .until = due_of(i)});
    for (const auto& each : on.start_many("bench", inputs)) {
      if (!each) return each.error();
    }
  }
  return {};
}

}  // namespace

result<bench_result> bench_timers(const bench_options& how) {
  auto scratch = scratch_directory::make(how.data);
  if (!scratch) return scratch.error();
  const auto data = scratch->path() / "data";
  const auto told = std::make_shared<meter>();
  auto opened = node::open({.data_dir = data});
  if (!opened) return opened.error();
  if (auto added = opened->add(make_workflow(told)); !added) return added.error();

  // Time enough to start them all, then some for the last to park.
  const auto lead = std::chrono::duration_cast<duration>(std::chrono::duration<double>(3 + static_cast<double>(how.runs) / 8000));
  const auto due = std::chrono::time_point_cast<duration>(std::chrono::system_clock::now()) + lead;
  const auto memory_before = anonymous_bytes();
  const auto disk_before = disk_bytes(data);
  const auto from = std::chrono::steady_clock::now();
  const auto due_of = [&](std::uint64_t number) {
    if (how.rate <= 0) return due;
    return due + std::chrono::duration_cast<duration>(std::chrono::duration<double>(static_cast<double>(number) / how.rate));
  };
  if (auto inserted = insert(*opened, how.runs, due_of); !inserted) return inserted.error();
  const auto start_took = seconds_since(from);
  const bool all_early = std::chrono::system_clock::now() < due;
  while (opened->stats().live_runs > 0 && std::chrono::system_clock::now() < due - std::chrono::milliseconds{500}) {
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
  }
  const auto live = opened->stats().live_runs;
  const auto memory = anonymous_bytes();
  const auto disk = disk_bytes(data);
  const auto before = opened->stats();
  std::this_thread::sleep_until(due);
  const auto fired_from = std::chrono::steady_clock::now();
  // With a rate only those that come due while it measures are waited for; the others sleep on.
  const auto expected = how.rate > 0 ? std::min(how.runs, static_cast<std::size_t>(how.rate * how.seconds)) : how.runs;
  const auto give_up = std::max(60.0, static_cast<double>(expected) / 500);
  while (told->finished.load() < expected && seconds_since(fired_from) < give_up)
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  const auto fire_took = seconds_since(fired_from);
  const auto after = opened->stats();
  const auto fired = told->finished.load();
  opened->close();
  if (fired < expected) {
    return error{errc::internal, std::to_string(expected - fired) + " of " + std::to_string(expected) +
                                     " timers had not fired after " + std::to_string(static_cast<int>(give_up)) + " s"};
  }
  const auto commits = static_cast<double>(std::max<std::uint64_t>(after.commits - before.commits, 1));
  const auto mean_batch = static_cast<double>(after.records - before.records) / commits;
  const auto floor = measure_floor(data, mean_batch, 2);
  if (!floor) return floor.error();
  const auto per_run = [&](std::uint64_t now, std::uint64_t then) {
    return rounded(static_cast<double>(now > then ? now - then : 0) / static_cast<double>(how.runs));
  };
  const auto fired_per_s = static_cast<double>(fired) / fire_took;
  bench_result out{.name = "timers"};
  out.config = {{"runs", how.runs}, {"rate", how.rate}, {"all_started_before_due", all_early}};
  out.figures = {{"starts_per_s", rounded(static_cast<double>(how.runs) / start_took)},
                 {"timers_per_s", rounded(fired_per_s)},
                 {"late_p50_us", rounded(told->lateness.quantile(0.5))},
                 {"late_p99_us", rounded(told->lateness.quantile(0.99))},
                 {"late_max_us", rounded(told->lateness.quantile(1))},
                 {"live_runs_while_asleep", live},
                 {"rss_anon_bytes_per_sleeper", per_run(memory, memory_before)},
                 {"disk_bytes_per_sleeper", per_run(disk, disk_before)},
                 {"mean_batch", rounded(mean_batch)}};
  out.floor = to_json_object(*floor);
  out.ratios = {{"throughput", rounded(fired_per_s / floor->appends_per_s)}};
  return out;
}

}  // namespace perdure::tools::bench
