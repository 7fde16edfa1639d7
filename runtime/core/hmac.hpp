// HMAC-SHA-256, and comparing what is secret without telling by the time where it differs.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace perdure::core {

/// The 32 bytes of RFC 2104, as others compute them.
[[nodiscard]] std::string hmac_sha256(std::string_view key, std::string_view text);
/// In lower-case hex, of all parts. Each goes in with its length, so that no part can run into the next.
[[nodiscard]] std::string hmac_hex(std::string_view key, std::initializer_list<std::string_view> parts);
/// Takes as long wherever they differ. Their length is no secret.
[[nodiscard]] bool same_secret(std::string_view one, std::string_view other);

}  // namespace perdure::core
