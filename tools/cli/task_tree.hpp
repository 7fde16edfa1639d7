// The executors of a run as a tree: a document's tasks stand below the task that they are part of. Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "tools/view/run_view.hpp"

namespace perdure::tools::cli {

struct placed_task {
  const executor_view* what = nullptr;  ///< one of those that were given
  std::size_t depth = 0;                ///< tasks around it
};

/// In the order they started, each followed by what is inside of it. What is inside of a loop's later turn, or of a task that ran
/// again, stands below the latest one that had started. Functions stand at the top: their references do not say who called them.
[[nodiscard]] std::vector<placed_task> tree_of(const std::vector<executor_view>& all);

}  // namespace perdure::tools::cli
