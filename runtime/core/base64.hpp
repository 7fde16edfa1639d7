// Base64 (RFC 4648, with padding), for bytes that have to be text.
#pragma once

#include <string>
#include <string_view>

namespace perdure::core {

[[nodiscard]] std::string to_base64(std::string_view bytes);

}  // namespace perdure::core
