// A workflow definition: the plan and the code behind its executors.
#pragma once

#include <vector>

#include "core/plan.hpp"
#include "perdure/workflow.hpp"

namespace perdure::detail {

struct definition {
  core::plan plan;
  std::vector<executor_factory> factories;  ///< one per plan.executors
  std::vector<bool> is_switch;              ///< one per plan.groups: a selection of exactly one, the last by default
};

}  // namespace perdure::detail
