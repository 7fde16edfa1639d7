// Base64 (RFC 4648, with padding), for bytes that have to be text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace perdure::core {

[[nodiscard]] std::string to_base64(std::string_view bytes);
/// Nothing for what is no base64.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

}  // namespace perdure::core
