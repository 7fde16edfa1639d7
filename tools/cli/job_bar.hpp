// job_bar: while a run is followed: how far its job is, and what it said last. On a terminal one line that changes, beneath the
// others; else a line when something is new, at most one in a few seconds.
//
// Operation: asks the node now and then, on a thread of its own. Whoever prints something else calls `put` or `note` of
// terminal.hpp between `hide` and `show`.
// Concurrency: hide and show from one other thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "perdure/node.hpp"

namespace perdure::tools::cli {

/// "job 1 █████░░░░░ 50/100 half way  last line", at most `width` columns.
[[nodiscard]] std::string job_line(const job_info& job, const std::string& last_line, std::size_t width);

class job_bar {
 public:
  /// `active` false: it does nothing.
  job_bar(node& on, const run_id& run, bool active);
  job_bar(const job_bar&) = delete;
  job_bar& operator=(const job_bar&) = delete;
  ~job_bar();

  /// Takes the line away until `show`, so that something else can be printed.
  void hide();
  void show();

 private:
  void loop(const std::stop_token& end);
  void look();
  void draw(const std::string& line);

  node& node_;
  run_id run_;
  bool on_terminal_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  bool hidden_ = false;
  std::string drawn_;
  std::chrono::steady_clock::time_point told_{};
  std::uint32_t job_ = 0;
  std::string cursor_, last_;
  std::jthread thread_;  // ends first
};

}  // namespace perdure::tools::cli
