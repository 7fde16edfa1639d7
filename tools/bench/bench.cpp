#include "tools/bench/bench.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <thread>
#include <vector>

namespace perdure::tools::bench {

void latencies::add(std::chrono::nanoseconds each) {
  const auto nanoseconds = static_cast<std::uint64_t>(std::max<std::int64_t>(each.count(), 1));
  const auto power = static_cast<std::size_t>(std::bit_width(nanoseconds) - 1);
  const auto part = power < 3 ? 0 : (nanoseconds >> (power - 3)) & (per_power - 1);
  buckets_[power * per_power + part].fetch_add(1, std::memory_order_relaxed);
}

void latencies::reset() {
  for (auto& each : buckets_) each.store(0, std::memory_order_relaxed);
}

std::uint64_t latencies::count() const {
  std::uint64_t all = 0;
  for (const auto& each : buckets_) all += each.load(std::memory_order_relaxed);
  return all;
}

double latencies::quantile(double which) const {
  const auto all = count();
  if (all == 0) return 0;
  const auto wanted = static_cast<std::uint64_t>(which * static_cast<double>(all - 1));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i].load(std::memory_order_relaxed);
    if (seen <= wanted) continue;
    const auto middle = 1.0 + (static_cast<double>(i % per_power) + 0.5) / per_power;
    return std::ldexp(middle, static_cast<int>(i / per_power)) / 1000.0;
  }
  return 0;
}

result<scratch_directory> scratch_directory::make(const std::filesystem::path& parent) {
  std::error_code bad;
  const auto below = parent.empty() ? std::filesystem::temp_directory_path(bad) : parent;
  // It is not made: what a bench does not leave behind it must not begin with.
  if (bad || !std::filesystem::is_directory(below, bad))
    return error{errc::not_found, (below.empty() ? "the temporary directory" : below.string()) + ": no such directory"};
  auto path = (below / ("perdure-bench-" + std::string(6, 'X'))).string();
  if (::mkdtemp(path.data()) == nullptr)
    return error{errc::io_error, "cannot make a directory in " + below.string() + ": " + std::strerror(errno)};
  return scratch_directory{path};
}

scratch_directory::~scratch_directory() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

std::uint64_t anonymous_bytes(int pid) {
  std::ifstream status{"/proc/" + (pid == 0 ? std::string{"self"} : std::to_string(pid)) + "/status"};
  std::string name;
  while (status >> name) {
    std::uint64_t kilobytes = 0;
    if (name == "RssAnon:" && status >> kilobytes) return kilobytes * 1024;
    status.ignore(4096, '\n');
  }
  return 0;
}

std::uint64_t disk_bytes(const std::filesystem::path& directory) {
  std::uint64_t all = 0;
  std::error_code ignored;
  for (const auto& each : std::filesystem::recursive_directory_iterator(directory, ignored)) {
    struct stat info {};
    if (::lstat(each.path().c_str(), &info) == 0) all += static_cast<std::uint64_t>(info.st_blocks) * 512;
  }
  return all;
}

double seconds_since(std::chrono::steady_clock::time_point began) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

double rounded(double value) {
  if (value == 0 || !std::isfinite(value)) return 0;
  const auto scale = std::pow(10.0, 3 - static_cast<int>(std::floor(std::log10(std::abs(value)))));
  return std::round(value * scale) / scale;
}

json::object to_json_object(const journal_floor& floor) {
  return {{"appends_per_s", rounded(floor.appends_per_s)}, {"commit_p50_us", rounded(floor.commit_p50_us)}};
}

namespace {

class worker : public executor<work> {
 public:
  explicit worker(std::shared_ptr<meter> told) : told_(std::move(told)) {}

  task<> handle(const work& what, context& ctx) override {
    auto body = [this] { return step(); };
    for (std::uint32_t i = 0; i < what.before; ++i) co_await ctx.call("step", body);
    if (what.until) {
      co_await ctx.sleep_until(*what.until);
      const auto late = std::chrono::system_clock::now() - *what.until;
      told_->lateness.add(std::chrono::duration_cast<std::chrono::nanoseconds>(late));
    }
    for (std::uint32_t i = 0; i < what.steps; ++i) {
      const bool more = co_await ctx.call("step", body);
      if (!more) break;
    }
    told_->finished.fetch_add(1, std::memory_order_relaxed);
    told_->places.give();
  }

 private:
  /// From body to body is one durable step: recorded, synced, fed back.
  bool step() {
    const auto now = std::chrono::steady_clock::now();
    if (last_ == std::chrono::steady_clock::time_point{}) {
      told_->begun.fetch_add(1, std::memory_order_relaxed);
    } else {
      told_->step_time.add(now - last_);
    }
    last_ = now;
    told_->steps.fetch_add(1, std::memory_order_relaxed);
    return !told_->wind_up.load(std::memory_order_relaxed);
  }

  std::shared_ptr<meter> told_;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace

workflow make_workflow(const std::shared_ptr<meter>& told) {
  return workflow_builder("bench", "1.0.0")
      .add_with("worker", [told] { return std::make_unique<worker>(told); }, {.cooperative = true})
      .start_at("worker")
      .build();
}

void free_places::set(std::size_t many) {
  const std::lock_guard lock{mutex_};
  free_ = many;
}

void free_places::give() {
  {
    const std::lock_guard lock{mutex_};
    ++free_;
  }
  more_.notify_one();
}

bool free_places::take(std::chrono::milliseconds limit) {
  std::unique_lock lock{mutex_};
  if (!more_.wait_for(lock, limit, [this] { return free_ > 0; })) return false;
  --free_;
  return true;
}

void keep_in_flight(node& on, const bench_options& how, const std::function<work(std::uint64_t)>& each, meter& told,
                    const std::function<bool(std::uint64_t)>& enough, latencies* start_time) {
  constexpr std::chrono::milliseconds look_again{10};
  std::atomic<std::uint64_t> started{0};
  told.places.set(how.runs);
  const auto start_runs = [&] {
    for (auto number = started.fetch_add(1); !enough(number); number = started.fetch_add(1)) {
      while (!told.places.take(look_again)) {
        if (enough(number)) return;
      }
      const auto began = std::chrono::steady_clock::now();
      while (!on.start("bench", each(number))) {
        if (enough(number)) return;
        std::this_thread::sleep_for(look_again);
      }
      if (start_time != nullptr) start_time->add(std::chrono::steady_clock::now() - began);
    }
  };
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < std::min(how.threads, how.runs); ++i) threads.emplace_back(start_runs);
}

}  // namespace perdure::tools::bench
