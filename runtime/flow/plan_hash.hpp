// The identity of a workflow's graph.
#pragma once

#include <string>

#include "core/plan.hpp"

namespace perdure::flow {

/// SHA-256, in hex, of name, version, executors (by name), policies and edges (in order). Conditions are code and count
/// by their position; where an executor runs does not count. The text that is hashed is part of the stored format.
[[nodiscard]] std::string hash_of(const core::plan& plan);

}  // namespace perdure::flow
