// bench recovery: a process with many runs in flight is killed; how soon does every run go on?
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <thread>

#include "tools/bench/bench.hpp"

extern char** environ;

namespace perdure::tools::bench {

namespace {

/// Runs that go on for ever, as far as a bench is concerned.
constexpr std::uint32_t endless = 1'000'000;

/// Enough to start all runs on a slow machine.
std::chrono::seconds filling_time(const bench_options& how) { return std::chrono::seconds{10 + how.runs / 3000}; }

/// What a run does: steps without end, or a few and then a sleep that outlasts the filling.
work work_of(const bench_options& how) {
  if (!how.sleeping) return {.steps = endless};
  const auto now = std::chrono::time_point_cast<timestamp::duration>(std::chrono::system_clock::now());
  return {.steps = 1, .until = now + filling_time(how), .before = static_cast<std::uint32_t>(how.steps)};
}

/// A child that fills the directory, up to its "ready"; then it is killed.
result<void> fill_and_kill(const std::filesystem::path& data, const bench_options& how) {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) return error{errc::io_error, "cannot make a pipe"};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  std::vector<std::string> words{"perdure",
                                 "bench",
                                 "fill",
                                 "--data",
                                 data.string(),
                                 "--runs",
                                 std::to_string(how.runs),
                                 "--steps",
                                 std::to_string(how.steps),
                                 "--threads",
                                 std::to_string(how.threads)};
  if (how.sleeping) words.emplace_back("--sleeping");
  if (how.parked > 0) {
    words.emplace_back("--parked");
    words.push_back(std::to_string(how.parked));
  }
  std::vector<char*> arguments;
  for (auto& each : words) arguments.push_back(each.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int failed = ::posix_spawn(&child, "/proc/self/exe", &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  std::string said;
  char byte = 0;
  while (failed == 0 && ::read(ends[0], &byte, 1) == 1 && byte != '\n') said += byte;
  ::close(ends[0]);
  if (failed == 0) {
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  if (said != "ready") return error{errc::internal, "the process that was to fill the directory failed"};
  return {};
}

}  // namespace

int fill_for_recovery(const bench_options& how) {
  const auto told = std::make_shared<meter>();
  auto opened = node::open({.data_dir = how.data});
  if (!opened || !opened->add(make_workflow(told))) return 1;
  if (how.parked > 0) {
    auto parked = how;
    parked.runs = how.parked;
    const auto far = std::chrono::time_point_cast<duration>(std::chrono::system_clock::now()) + std::chrono::hours{24};
    keep_in_flight(
        *opened, parked, [&](std::uint64_t) { return work{.until = far}; }, *told,
        [&](std::uint64_t number) { return number >= how.parked; });
    while (opened->stats().live_runs > 0) std::this_thread::sleep_for(std::chrono::milliseconds{20});
  }
  const auto each = work_of(how);
  keep_in_flight(
      *opened, how, [&](std::uint64_t) { return each; }, *told, [&](std::uint64_t number) { return number >= how.runs; });
  while (told->begun.load() < how.runs || told->steps.load() < how.runs * how.steps)
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  std::puts("ready");
  std::fflush(stdout);
  ::pause();
  return 1;
}

result<bench_result> bench_recovery(const bench_options& how) {
  auto scratch = scratch_directory::make(how.data);
  if (!scratch) return scratch.error();
  const auto data = scratch->path() / "data";
  const auto filling = std::chrono::steady_clock::now();
  if (auto filled = fill_and_kill(data, how); !filled) return filled.error();
  // While the node is down every sleep comes due.
  if (how.sleeping) std::this_thread::sleep_until(filling + filling_time(how) + std::chrono::seconds{1});

  const auto told = std::make_shared<meter>();
  const auto memory_before = anonymous_bytes();
  const auto from = std::chrono::steady_clock::now();
  auto opened = node::open({.data_dir = data});
  if (!opened) return opened.error();
  const auto open_took = seconds_since(from);
  if (auto added = opened->add(make_workflow(told)); !added) return added.error();
  const auto give_up = std::max(60.0, static_cast<double>(how.runs) / 500);
  while (told->begun.load() == 0 && seconds_since(from) < give_up) std::this_thread::sleep_for(std::chrono::microseconds{100});
  const auto first_took = seconds_since(from);
  while (told->begun.load() < how.runs && seconds_since(from) < give_up)
    std::this_thread::sleep_for(std::chrono::microseconds{200});
  const auto took = seconds_since(from);
  const auto begun = told->begun.load();
  const auto stats = opened->stats();
  const auto memory = anonymous_bytes();
  told->wind_up = true;
  opened->close();
  if (begun < how.runs) {
    return error{errc::internal, "only " + std::to_string(begun) + " of " + std::to_string(how.runs) + " runs went on within " +
                                     std::to_string(static_cast<int>(give_up)) + " s"};
  }
  const auto mean_batch = static_cast<double>(stats.records) / static_cast<double>(std::max<std::uint64_t>(stats.commits, 1));
  const auto floor = measure_floor(data, mean_batch, 2);
  if (!floor) return floor.error();
  bench_result out{.name = "recovery"};
  out.config = {{"runs", how.runs}, {"steps", how.steps}, {"sleeping", how.sleeping}, {"parked", how.parked}};
  out.figures = {{"open_s", rounded(open_took)},
                 {"first_progress_s", rounded(first_took)},
                 {"rss_anon_bytes", memory - std::min(memory, memory_before)},
                 {"all_runs_progressed_s", rounded(took)},
                 {"runs_per_s", rounded(static_cast<double>(how.runs) / took)},
                 {"recovered_runs", stats.recovered_runs},
                 {"replayed_events", stats.replayed_events},
                 {"replayed_events_per_s", rounded(static_cast<double>(stats.replayed_events) / took)},
                 {"rss_anon_bytes_per_run",
                  rounded(static_cast<double>(memory - std::min(memory, memory_before)) / static_cast<double>(how.runs))}};
  out.floor = to_json_object(*floor);
  out.ratios = {{"replay", rounded(static_cast<double>(stats.replayed_events) / took / floor->appends_per_s)}};
  return out;
}

}  // namespace perdure::tools::bench
