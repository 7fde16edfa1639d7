#include "tools/gateway/reaper.hpp"

#include <algorithm>

#include "cluster/tenants.hpp"

namespace perdure::tools::gateway {

namespace {
constexpr std::string_view not_taken = "Task was not picked up by worker within timeout";
constexpr std::string_view no_activity = "Execution timed out with no recent node activity — worker may have crashed";

std::chrono::milliseconds pause_between(const reaper_options& how) {
  auto least = std::chrono::milliseconds{30'000};
  for (const auto each : {how.scheduled, how.idle}) {
    if (each.count() > 0) least = std::min(least, each / 4 + std::chrono::milliseconds{1});
  }
  return least;
}
}  // namespace

reaper::reaper(node& engine, reaper_options how) : engine_(engine), how_(std::move(how)) {
  if (how_.scheduled.count() > 0 || how_.idle.count() > 0) thread_ = std::thread{[this] { run(); }};
}

reaper::~reaper() {
  {
    const std::lock_guard lock{mutex_};
    stopped_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void reaper::run() {
  const auto pause = pause_between(how_);
  std::unique_lock lock{mutex_};
  while (!changed_.wait_for(lock, pause, [&] { return stopped_; })) {
    lock.unlock();
    look();
    lock.lock();
  }
}

bool reaper::waits(const run_id& id) const {
  const auto ref = engine_.get(id);
  const auto info = ref ? ref->status() : result<run_info>{ref.error()};
  if (!info || is_terminal(info->status) || !info->blocked.empty() || !info->requests.empty()) return true;
  const bool job = std::any_of(info->jobs.begin(), info->jobs.end(), [](const auto& each) { return !is_terminal(each.status); });
  return job || std::any_of(info->children.begin(), info->children.end(), [](const auto& each) { return !each.ended; });
}

void reaper::look() {
  const auto now = std::chrono::time_point_cast<duration>(std::chrono::system_clock::now());
  const auto idle_runs =
      cluster::idle_since(engine_, how_.scheduled.count() > 0 ? std::optional{now - how_.scheduled} : std::nullopt,
                          how_.idle.count() > 0 ? std::optional{now - how_.idle} : std::nullopt);
  if (!idle_runs) return;
  for (const auto& each : *idle_runs) {
    if (waits(each.id)) continue;
    const auto why = each.status == run_status::scheduled ? not_taken : no_activity;
    const auto done = cluster::fail_run(engine_, each.id, std::string{why});
    how_.log("warning", "run " + each.id.str() + ": " + (done ? std::string{why} : "cannot be ended: " + done.error().message));
  }
}

}  // namespace perdure::tools::gateway
