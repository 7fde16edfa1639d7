// Where the marks of a time axis stand and what they say.
#pragma once

#include <string>
#include <vector>

#include "perdure/time.hpp"

namespace perdure::tools {

struct axis_mark {
  duration at{0};    ///< from the axis' beginning
  std::string text;  ///< "0", "500ms", "2h"
};

/// Marks at round times over `length`, the first at 0, at most `most` of them (at least one).
[[nodiscard]] std::vector<axis_mark> marks_of(duration length, std::size_t most);

/// As exact as a bar's length is read: to the millisecond below a second, to three digits above.
[[nodiscard]] duration rounded(duration length);

}  // namespace perdure::tools
