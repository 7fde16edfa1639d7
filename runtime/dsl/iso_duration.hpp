// ISO 8601 durations as the DSL writes them: P3Y6M4W1DT12H30M5.5S.
#pragma once

#include <optional>
#include <string_view>

#include "perdure/time.hpp"

namespace perdure::dsl {

/// Longest duration that documents may use: a thousand years.
inline constexpr duration longest_duration = std::chrono::hours{24 * 365 * 1000};

/// Empty when the text is none, or longer than `longest_duration`. Every part may have a fraction. A year counts 365
/// days, a month 30.
[[nodiscard]] std::optional<duration> parse_iso_duration(std::string_view text);

}  // namespace perdure::dsl
