// reaper: ends runs that nobody works on: not picked up, or without any activity for too long.
//
// Operation: a thread of its own looks at the open runs now and then. Paused runs, runs whose workflow is not there, and those
// that wait for a deadline, a job, a child or an answer are left alone; progress is activity. A run that is reaped ends as failed
// after the usual grace; what its work still says changes nothing. Concurrency: any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "perdure/node.hpp"

namespace perdure::tools::gateway {

struct reaper_options {
  std::chrono::milliseconds scheduled{std::chrono::minutes{5}};  ///< until somebody takes a run up; 0 = any time
  std::chrono::milliseconds idle{std::chrono::minutes{30}};      ///< without activity; 0 = any time
  std::function<void(std::string_view level, const std::string& text)> log;
};

class reaper {
 public:
  /// The node outlives it.
  reaper(node& engine, reaper_options how);
  ~reaper();
  reaper(const reaper&) = delete;
  reaper& operator=(const reaper&) = delete;

 private:
  void run();
  void look();
  /// Whether something outside its own work will move it.
  [[nodiscard]] bool waits(const run_id& id) const;

  node& engine_;
  const reaper_options how_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace perdure::tools::gateway
