// Addresses: escaping, and the queries of requests.
#pragma once

#include <string>
#include <string_view>

#include "perdure/payload.hpp"

namespace perdure::actors {

/// Percent-encodes all but letters, digits and "-._~".
[[nodiscard]] std::string url_escaped(std::string_view text);
/// A string as it is, null as nothing, anything else as JSON text.
[[nodiscard]] std::string url_text(const json::value& value);
/// "a=1&b=2" of an object; arrays repeat their name, nulls are left out.
[[nodiscard]] std::string form_encoded(const json::object& members);
/// Adds a query in front of the fragment.
[[nodiscard]] std::string with_query(std::string url, const json::object& members);

}  // namespace perdure::actors
