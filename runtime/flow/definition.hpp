// A workflow definition: the plan and the code behind its executors.
#pragma once

#include <vector>

#include "core/plan.hpp"
#include "perdure/workflow.hpp"

namespace perdure::detail {

struct definition {
  core::plan plan;
  std::vector<executor_factory> factories;  ///< one per plan.executors
};

}  // namespace perdure::detail
