// What a Serverless Workflow document looks like: tasks are nodes, tasks with tasks in them are groups.
#pragma once

#include "dsl/model.hpp"
#include "flow/graph.hpp"

namespace perdure::dsl {

/// The ways that a run can take: in order, by `then`, by switch; to a catch and back on errors (dashed); side by side in
/// forks; round and round in loops.
[[nodiscard]] perdure::flow::graph graph_of(const document& from);

}  // namespace perdure::dsl
