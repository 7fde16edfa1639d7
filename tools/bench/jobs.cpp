// bench jobs: many jobs of a backend that only have to be looked at; short processes beside bare ones; a long log that is
// followed while it is written.
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "tools/bench/bench.hpp"
#include "tools/view/allocator.hpp"

namespace perdure::tools::bench {

namespace {

using clock = std::chrono::steady_clock;

struct piece {
  std::string backend;
  std::uint32_t jobs = 1;
};
PERDURE_MESSAGE(piece, "bench.jobs/v1", backend, jobs)

/// Takes every job; it runs for ever. Counts the looks.
class simulated final : public backend {
 public:
  backend_capabilities capabilities() const override { return {.find = true, .idempotent = true}; }
  void submit(job_submission what, backend_call, backend_answer<std::string> done) override {
    accepted.fetch_add(1, std::memory_order_relaxed);
    done("simulated-" + what.key.substr(0, 36));
  }
  void status(std::string, backend_call, backend_answer<job_report> done) override {
    looks.fetch_add(1, std::memory_order_relaxed);
    done(job_report{.status = job_status::running, .raw = "RUNNING"});
  }
  std::atomic<std::uint64_t> accepted{0}, looks{0};
};

class submitter : public executor<piece> {
 public:
  explicit submitter(std::shared_ptr<latencies> each) : each_(std::move(each)) {}
  task<> handle(const piece& what, context& ctx) override {
    const process_job spec{"/bin/true"};
    for (std::uint32_t i = 0; i < what.jobs; ++i) {
      const auto began = clock::now();
      co_await ctx.run_job(what.backend, spec);
      each_->add(clock::now() - began);
    }
  }

 private:
  std::shared_ptr<latencies> each_;
};

double processor_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

std::uint64_t settled_memory() {
  give_memory_back();
  return anonymous_bytes();
}

template <class Condition>
bool wait_for(double seconds, Condition holds) {
  for (const auto began = clock::now(); seconds_since(began) < seconds;
       std::this_thread::sleep_for(std::chrono::milliseconds{5})) {
    if (holds()) return true;
  }
  return holds();
}

/// Splits the work over the threads; each takes the next number.
template <class F>
void on_threads(std::size_t threads, std::size_t count, F each) {
  std::atomic<std::size_t> next{0};
  std::vector<std::jthread> all;
  for (std::size_t i = 0; i < std::min(threads, count); ++i) {
    all.emplace_back([&] {
      for (auto number = next.fetch_add(1); number < count; number = next.fetch_add(1)) each(number);
    });
  }
}

result<void> measure_looks(node& on, const bench_options& how, bench_result& out) {
  const auto outside = std::make_shared<simulated>();
  if (auto added = on.add_backend("simulated", outside); !added) return added;
  const auto memory_before = settled_memory();
  std::atomic<std::size_t> refused{0};
  const auto from = clock::now();
  on_threads(how.threads, how.runs, [&](std::size_t) {
    if (!on.start("jobs", piece{"simulated", 1})) ++refused;
  });
  const bool all = wait_for(60 + static_cast<double>(how.runs) / 500,
                            [&] { return outside->accepted >= how.runs - refused && on.stats().live_runs == 0; });
  if (!all || refused > 0) return error{errc::internal, "not all jobs were submitted"};
  const auto took = seconds_since(from);
  const auto memory_at_once = settled_memory();
  const auto looks = outside->looks.load();
  const auto processor = processor_seconds();
  const auto began = clock::now();
  std::this_thread::sleep_for(std::chrono::duration<double>(how.seconds));
  const auto passed = seconds_since(began);
  const auto busy = (processor_seconds() - processor) / passed;
  const auto memory = settled_memory();
  const auto of_each = [&](std::uint64_t now) {
    return rounded(static_cast<double>(now > memory_before ? now - memory_before : 0) / static_cast<double>(how.runs));
  };
  out.figures.emplace("submits_per_s", rounded(static_cast<double>(how.runs) / took));
  out.figures.emplace("looks_per_s", rounded(static_cast<double>(outside->looks - looks) / passed));
  out.figures.emplace("looking_processor_share", rounded(busy));
  // Right after they were started, the rows of their runs wait to be stored, too.
  out.figures.emplace("rss_anon_bytes_per_job", of_each(memory_at_once));
  out.figures.emplace("rss_anon_bytes_per_job_later", of_each(memory));
  return {};
}

/// So many bare processes, one after the other on each thread: seconds.
result<double> spawn_bare(std::size_t threads, std::size_t count) {
  std::atomic<bool> failed{false};
  const auto from = clock::now();
  on_threads(threads, count, [&](std::size_t) {
    char program[] = "/bin/true";
    char* arguments[] = {program, nullptr};
    char* environment[] = {nullptr};
    pid_t child = -1;
    int status = 0;
    if (::posix_spawn(&child, program, nullptr, nullptr, arguments, environment) != 0 || ::waitpid(child, &status, 0) != child)
      failed = true;
  });
  if (failed) return error{errc::io_error, "/bin/true cannot be started"};
  return seconds_since(from);
}

result<void> measure_processes(node& on, const bench_options& how, latencies& each, bench_result& out) {
  constexpr std::size_t in_flight = 32;
  const auto bare = spawn_bare(in_flight, how.jobs);
  if (!bare) return bare.error();
  const auto share = static_cast<std::uint32_t>((how.jobs + in_flight - 1) / in_flight);
  std::vector<run_ref> runs;
  each.reset();
  const auto from = clock::now();
  for (std::size_t left = how.jobs; left > 0; left -= std::min<std::size_t>(left, share)) {
    auto run = on.start("jobs", piece{"process", static_cast<std::uint32_t>(std::min<std::size_t>(left, share))});
    if (!run) return run.error();
    runs.push_back(std::move(*run));
  }
  for (const auto& run : runs) {
    const auto end = run.wait(std::chrono::minutes{10});
    if (!end) return end.error();
    if (end->status != run_status::succeeded)
      return error{errc::internal, "a run of short jobs did not succeed: " + (end->error ? end->error->message : std::string{})};
  }
  const auto took = seconds_since(from);
  const auto count = static_cast<double>(how.jobs);
  const auto bare_us = *bare * 1e6 / count, job_us = took * 1e6 / count;
  out.figures.emplace("process_jobs_per_s", rounded(count / took));
  out.figures.emplace("process_job_us", rounded(job_us));
  out.floor.emplace("bare_process_us", rounded(bare_us));
  out.ratios.emplace("process_job_overhead", rounded((job_us - bare_us) / bare_us));
  return {};
}

template <class T, class F>
result<T> answer_of(F call) {
  std::promise<result<T>> box;
  auto answer = box.get_future();
  call(backend_call{.deadline = clock::now() + std::chrono::seconds{60}}, [&](result<T> got) { box.set_value(std::move(got)); });
  return answer.get();
}

result<void> measure_log(node& on, const bench_options& how, bench_result& out) {
  const auto processes = on.find_backend("process");
  const auto bytes = how.megabytes * 1'000'000;
  process_job spec{"/bin/sh"};
  spec.arg("-c").arg(
      "yes 'a line of a log as long as most of them are, with a number 1234567890 and a word or two more' | head -c " +
      std::to_string(bytes));
  const auto from = clock::now();
  const auto id = answer_of<std::string>([&](const backend_call& bounds, auto done) {
    const auto run = run_id::make();
    processes->submit({.key = run.str() + "/log", .run = run, .spec = payload{to_json(spec)}}, bounds, std::move(done));
  });
  if (!id) return id.error();
  const auto memory_before = anonymous_bytes();
  auto most = memory_before;
  std::uint64_t seen = 0, pages = 0;
  std::string cursor;
  for (bool ended = false;;) {
    const auto page = answer_of<job_log_page>([&](const backend_call& bounds, auto done) {
      processes->logs(*id, {.cursor = cursor, .limit = limits::job_log_page_lines}, bounds, std::move(done));
    });
    if (!page) return page.error();
    for (const auto& line : page->lines) seen += line.text.size() + (line.continues ? 0 : 1);
    cursor = page->next_cursor;
    if (++pages % 16 == 0) most = std::max(most, anonymous_bytes());
    if (page->has_more || !page->lines.empty()) continue;
    if (ended) break;
    const auto is =
        answer_of<job_report>([&](const backend_call& bounds, auto done) { processes->status(*id, bounds, std::move(done)); });
    if (!is) return is.error();
    ended = is->status && is_terminal(*is->status);
    if (!ended) std::this_thread::sleep_for(std::chrono::milliseconds{2});
  }
  const auto took = seconds_since(from);
  // The last line of it may have no end.
  if (seen + 1 < bytes)
    return error{errc::internal, "the log has " + std::to_string(seen) + " bytes of " + std::to_string(bytes)};
  out.figures.emplace("log_mb_per_s", rounded(static_cast<double>(seen) / 1e6 / took));
  out.figures.emplace("log_memory_bytes", most - memory_before);
  return {};
}

}  // namespace

result<bench_result> bench_jobs(const bench_options& how) {
  auto scratch = scratch_directory::make(how.data);
  if (!scratch) return scratch.error();
  const auto data = scratch->path() / "data";
  auto opened = node::open({.data_dir = data});
  if (!opened) return opened.error();
  const auto each = std::make_shared<latencies>();
  const auto definition = workflow_builder("jobs", "1.0.0")
                              .add_with("submitter", [each] { return std::make_unique<submitter>(each); }, {.cooperative = true})
                              .start_at("submitter")
                              .build();
  if (auto added = opened->add(definition); !added) return added.error();
  bench_result out{.name = "jobs"};
  out.config = {{"runs", how.runs}, {"jobs", how.jobs}, {"megabytes", how.megabytes}, {"seconds", how.seconds}};
  // The short ones and the log first: the many that are looked at would take a share of the processor.
  if (auto done = measure_processes(*opened, how, *each, out); !done) return done.error();
  if (auto done = measure_log(*opened, how, out); !done) return done.error();
  if (auto done = measure_looks(*opened, how, out); !done) return done.error();
  opened->close();
  return out;
}

}  // namespace perdure::tools::bench
