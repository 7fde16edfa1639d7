// A backend that keeps something of each job, which goes when nobody can ask for it any more.
#pragma once

#include <chrono>
#include <functional>

#include "perdure/ids.hpp"

namespace perdure::actors {

class orphan_keeper {
 public:
  virtual ~orphan_keeper() = default;
  /// Removes what is kept of jobs that ended longer ago than `age` and whose run is not there any more: now, and then each hour.
  /// `exists` is asked on a thread of the backend's, until it is closed.
  virtual void remove_orphans(std::function<bool(const run_id&)> exists, std::chrono::seconds age) = 0;
};

}  // namespace perdure::actors
