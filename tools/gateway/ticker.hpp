// ticker: calls functions a little later, for those who look again at what does not tell.
//
// Operation: one thread; a function is called once when its time has come, unless the ticker ended before. It must be quick: work
// goes to other threads. Concurrency: any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace perdure::tools::gateway {

class ticker {
 public:
  ticker() : thread_([this] { run(); }) {}
  ~ticker() { stop(); }
  ticker(const ticker&) = delete;
  ticker& operator=(const ticker&) = delete;

  void after(std::chrono::milliseconds pause, std::function<void()> call);
  /// What has not been called is dropped, and what is said later too.
  void stop();

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<std::chrono::steady_clock::time_point, std::function<void()>> due_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace perdure::tools::gateway
