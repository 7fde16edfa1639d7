// What stands for a secret in runs begins with this text; data from outside must not hold it.
#pragma once

#include <string>
#include <string_view>

#include "perdure/payload.hpp"

namespace perdure::core {

inline constexpr std::string_view stand_in_opening = "{{perdure-secret:";

[[nodiscard]] inline bool has_stand_in(std::string_view text) { return text.find(stand_in_opening) != std::string_view::npos; }
/// Makes harmless what looks like one.
void spoil_stand_ins(std::string& text);
/// The same for all strings and keys of a value.
void spoil_stand_ins(json::value& value);

}  // namespace perdure::core
