#include "tools/gateway/ticker.hpp"

namespace perdure::tools::gateway {

void ticker::after(std::chrono::milliseconds pause, std::function<void()> call) {
  const std::lock_guard lock{mutex_};
  if (stopped_) return;
  due_.emplace(std::chrono::steady_clock::now() + pause, std::move(call));
  changed_.notify_one();
}

void ticker::stop() {
  std::multimap<std::chrono::steady_clock::time_point, std::function<void()>> dropped;
  {
    const std::lock_guard lock{mutex_};
    stopped_ = true;
    dropped.swap(due_);
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void ticker::run() {
  std::unique_lock lock{mutex_};
  while (!stopped_) {
    if (due_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const auto next = due_.begin()->first;
    if (next > std::chrono::steady_clock::now()) {
      changed_.wait_until(lock, next);
      continue;
    }
    const auto call = std::move(due_.begin()->second);
    due_.erase(due_.begin());
    lock.unlock();
    call();
    lock.lock();
  }
}

}  // namespace perdure::tools::gateway
