// What can be wrong with a workflow's graph as a whole.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/plan.hpp"
#include "perdure/executor.hpp"

namespace perdure::flow {

/// The first problem of a plan whose names are resolved: duplicate edges, message types that do not fit, executors that
/// cannot be reached from one of `starts`, a cycle that is not `bounded`. `types` go with plan.executors. The first of `starts`
/// is the plan's; the others are started by their names, which no graph shows.
[[nodiscard]] std::optional<std::string> problem_of(const core::plan& plan, const std::vector<detail::executor_type>& types,
                                                    const std::vector<std::size_t>& starts, bool bounded);

}  // namespace perdure::flow
