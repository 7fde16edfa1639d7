// A run over time, as an SVG picture.
#pragma once

#include <string>

#include "tools/view/timeline.hpp"

namespace perdure::tools {

/// A whole document, readable by itself: title, time axis, a bar for the run and for each row, legend. The same timeline
/// gives the same text. Names may hold anything.
[[nodiscard]] std::string timeline_svg(const timeline& what);

}  // namespace perdure::tools
