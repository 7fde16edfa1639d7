#include "actors/event_hub.hpp"

#include <algorithm>
#include <utility>

namespace perdure::actors {

struct event_hub::entry {
  std::mutex running;          // held while the callback runs
  std::function<void()> wake;  // empty once unsubscribed
  std::atomic<std::thread::id> runs_on{};
  bool queued = false;  // under the hub's mutex
};

event_hub::event_hub() : thread_([this] { work(); }) {}

event_hub::~event_hub() { stop(); }

void event_hub::stop() {
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  ready_.notify_all();
  if (thread_.joinable() && thread_.get_id() != std::this_thread::get_id()) thread_.join();
}

std::shared_ptr<void> event_hub::subscribe(const run_id& run, std::function<void()> wake) {
  auto made = std::make_shared<entry>();
  made->wake = std::move(wake);
  {
    const std::lock_guard lock{mutex_};
    entries_[run].push_back(made);
    made->queued = true;
    queue_.push_back(made);
  }
  subscribers_.fetch_add(1, std::memory_order_release);
  ready_.notify_one();
  return {made.get(), [this, run, made](void*) {
            {
              const std::lock_guard lock{mutex_};
              auto& list = entries_[run];
              std::erase(list, made);
              if (list.empty()) entries_.erase(run);
            }
            subscribers_.fetch_sub(1, std::memory_order_release);
            if (made->runs_on.load() == std::this_thread::get_id()) return;  // unsubscribed from inside its callback
            const std::lock_guard lock{made->running};
            made->wake = nullptr;
          }};
}

void event_hub::enqueue(const run_id& run) {
  {
    const std::lock_guard lock{mutex_};
    const auto found = entries_.find(run);
    if (found == entries_.end()) return;
    for (auto& each : found->second) {
      if (std::exchange(each->queued, true)) continue;
      queue_.push_back(each);
    }
  }
  ready_.notify_one();
}

void event_hub::work() {
  std::unique_lock lock{mutex_};
  while (true) {
    ready_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    auto batch = std::exchange(queue_, {});
    for (auto& each : batch) each->queued = false;
    lock.unlock();
    for (auto& each : batch) {
      const std::lock_guard running{each->running};
      each->runs_on = std::this_thread::get_id();
      if (each->wake) each->wake();
      each->runs_on = std::thread::id{};
    }
    lock.lock();
  }
}

}  // namespace perdure::actors
