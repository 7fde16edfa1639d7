// JSON as text, the way payloads store it: compact, exact for doubles, UTF-8 only, bounded in depth.
//
// Boost.JSON 1.81 reads one double in five a unit off and writes NaN as if it were a number; recorded outcomes must
// come back as they were, so numbers go through std::to_chars and std::from_chars here.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "perdure/limits.hpp"
#include "perdure/payload.hpp"

namespace perdure::core {

struct text_position {
  std::size_t line = 1;
  std::size_t column = 1;  ///< in characters, not bytes
};
[[nodiscard]] text_position position_of(std::string_view text, std::size_t offset);

/// Appends the value as compact text. Throws step_error: bad_message for NaN, infinities and text that is not UTF-8,
/// limit for more than `max_depth` levels (more than the limit is for values that envelop stored ones).
void write_json_text(std::string& out, const json::value& value, std::size_t max_depth = limits::json_depth);

/// `invalid_argument` with line and column for malformed JSON, numbers out of range and more than `max_depth` levels.
[[nodiscard]] result<json::value> read_json_text(std::string_view text, std::size_t max_depth = limits::json_depth);

/// Levels that listings, events and control messages add around stored values at most.
inline constexpr std::size_t envelope_depth = 16;

/// The text with what is not UTF-8 replaced by U+FFFD: for what comes from programs and files.
[[nodiscard]] std::string valid_utf8(std::string_view text);

}  // namespace perdure::core
