// Percent encoding of text that becomes a part of an address.
#pragma once

#include <string>
#include <string_view>

namespace perdure::core {

/// Everything but the unreserved characters of RFC 3986 as %XX, so that the text may stand anywhere in an address.
[[nodiscard]] std::string percent_encoded(std::string_view text);

}  // namespace perdure::core
