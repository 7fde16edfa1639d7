// Waiting for runs to end, and telling how they ended: for `run` and `runs wait`.
#pragma once

#include <stop_token>
#include <string>

#include "tools/cli/client.hpp"
#include "tools/cli/command.hpp"

namespace perdure::tools::cli {

struct wait_command {
  common_options common;
  std::string run;
  bool all = false;
  std::string timeout;
};

[[nodiscard]] int wait_for_runs(const wait_command& how);

enum class watch_end { ended, stopped };
/// Follows the run from `after` on until it has ended or `stop` is asked for.
[[nodiscard]] result<watch_end> watch(client& from, const run_id& run, run_seq after, const client::take_event& each,
                                      const std::stop_token& stop);
/// Prints the outcome (the object of --json; else the output, and on standard error why there is none); the exit code.
[[nodiscard]] int tell_outcome(const common_options& options, const run_view& run);

}  // namespace perdure::tools::cli
