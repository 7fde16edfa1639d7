// jobs_view: the jobs of a run, folded from its events.
// Concurrency: one thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "perdure/run.hpp"

namespace perdure::tools {

struct job_view {
  std::string backend, executor, id, status, raw;
  json::value progress, exit_code, error;
  std::string created_at, ended_at;
  bool cancel_wanted = false;
  std::string asked_at;  ///< nobody knows whether it was accepted, and a person is asked; else empty
};

class jobs_view {
 public:
  void add(const run_event& event);
  /// By number.
  [[nodiscard]] const std::map<std::uint64_t, job_view>& all() const { return jobs_; }
  [[nodiscard]] json::array list() const;

 private:
  std::map<std::uint64_t, job_view> jobs_;
};

}  // namespace perdure::tools
