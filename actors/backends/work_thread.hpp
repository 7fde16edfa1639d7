// work_thread: does jobs one after the other on a thread of its own.
//
// Concurrency: `post` and `stop` from any thread; `stop` not from a job. What was not begun at a stop is dropped.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace perdure::actors {

class work_thread {
 public:
  work_thread() : thread_([this] { loop(); }) {}
  ~work_thread() { stop(); }
  work_thread(const work_thread&) = delete;
  work_thread& operator=(const work_thread&) = delete;

  void post(std::function<void()> job) {
    {
      const std::lock_guard lock{mutex_};
      if (stopping_) return;
      jobs_.push_back(std::move(job));
    }
    wake_.notify_one();
  }
  void stop() {
    std::deque<std::function<void()>> dropped;
    {
      const std::lock_guard lock{mutex_};
      stopping_ = true;
      dropped.swap(jobs_);
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void loop() {
    std::unique_lock lock{mutex_};
    while (true) {
      wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      auto next = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      next();
      next = nullptr;
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace perdure::actors
