// JSON Web Tokens (RFC 7519): one that is signed with a shared secret, and what one says. Nothing here checks a signature: who
// sent a token is known by the connection that it came over.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "perdure/payload.hpp"

namespace perdure::actors {

/// HS256.
[[nodiscard]] std::string signed_jwt(const json::object& claims, std::string_view secret);
/// The claims of a token; nothing for a text that is none.
[[nodiscard]] std::optional<json::object> jwt_claims(std::string_view token);

}  // namespace perdure::actors
