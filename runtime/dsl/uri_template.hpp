// URI templates as the DSL has them (RFC 6570, simple expansion): "{name}" is a property of the input.
#pragma once

#include <string>
#include <string_view>

#include "perdure/payload.hpp"

namespace perdure::dsl {

/// Percent-encodes all but letters, digits and "-._~".
[[nodiscard]] std::string url_part(std::string_view text);

/// Properties are escaped; one that is missing gives nothing. Throws step_error of the type "expression" for one that is an
/// array or object.
[[nodiscard]] std::string expand_template(std::string_view text, const json::value& input, const std::string& reference);

}  // namespace perdure::dsl
