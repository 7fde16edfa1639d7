// Runs as tables and pages for people.
#pragma once

#include <string>

#include "perdure/node.hpp"
#include "tools/view/run_view.hpp"

namespace perdure::tools::cli {

[[nodiscard]] std::string render_list(const run_page& page, timestamp now);
/// Everything `runs show` tells. `full`: inputs and results of executors are not cut.
[[nodiscard]] std::string render_run(const run_view& run, const std::string& blocked, timestamp now, bool a_node_runs, bool full);
/// How a run ended, in a line or two: for the end of `run` and `runs wait`.
[[nodiscard]] std::string render_failure(const run_view& run);

}  // namespace perdure::tools::cli
