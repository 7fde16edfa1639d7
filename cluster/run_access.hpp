// run_access: how a run_ref reaches its run. One implementation: the node of this process.
#pragma once

#include "core/command.hpp"
#include "perdure/run.hpp"

namespace perdure::detail {

class run_access {
 public:
  virtual ~run_access() = default;
  virtual result<run_info> status(const run_id& run) = 0;
  virtual result<run_info> wait(const run_id& run, duration limit) = 0;
  virtual result<void> command(const run_id& run, core::command what) = 0;
  virtual result<run_ref> retry(const run_id& run) = 0;
  virtual result<run_ref> fork(const run_id& run, run_seq from) = 0;
  virtual result<subscription> subscribe(const run_id& run, std::function<void(const run_event&)> on_event, run_seq after) = 0;
  virtual result<std::vector<run_event>> events(const run_id& run, run_seq after, std::size_t limit) = 0;
};

}  // namespace perdure::detail
