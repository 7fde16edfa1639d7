// What a run's actor needs of whoever looks after jobs.
#pragma once

#include "core/jobs.hpp"

namespace perdure::actors {

class job_port {
 public:
  virtual ~job_port() = default;
  /// Submits, watches or ends a job. What comes of it reaches the run as a command, wherever the run is then. Any thread.
  virtual void carry_on(core::job_order what) = 0;
  /// The run does not want to hear of it any more; the job goes on.
  virtual void leave(const run_id& run, const core::job_effect& what) = 0;
};

}  // namespace perdure::actors
