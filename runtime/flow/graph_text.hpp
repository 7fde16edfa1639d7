// A workflow's graph as text, and back: what it was can be told when its code has gone.
#pragma once

#include <string>
#include <string_view>

#include "core/plan.hpp"

namespace perdure::flow {

/// JSON: name, version, executors (by name), policies and edges (in order), as hash_of() hashes them.
[[nodiscard]] std::string graph_text(const core::plan& plan);
/// The plan that the text was made of, without conditions, which are code; for difference(). invalid_argument: it is no
/// such text.
[[nodiscard]] result<core::plan> read_graph(std::string_view text);

}  // namespace perdure::flow
