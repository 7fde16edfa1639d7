// A run over time, as text for a terminal.
#pragma once

#include <string>

#include "tools/view/timeline.hpp"

namespace perdure::tools::cli {

/// Lines of at most `width` columns (at least 60 are taken): an axis, then a bar for the run and for each row.
[[nodiscard]] std::string render_timeline(const timeline& what, std::size_t width);

}  // namespace perdure::tools::cli
