// Pictures of workflows: text for Mermaid (https://mermaid.js.org) and for Graphviz' DOT.
#pragma once

#include <string>

#include "perdure/workflow.hpp"

namespace perdure {

/// A Mermaid flowchart. The same definition gives the same text, byte for byte; any names are safe in it. Long names and
/// conditions are cut with "…". Any thread.
[[nodiscard]] std::string to_mermaid(const workflow& what);
/// The same as a DOT digraph.
[[nodiscard]] std::string to_dot(const workflow& what);

}  // namespace perdure
