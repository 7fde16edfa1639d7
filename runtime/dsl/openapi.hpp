// Requests from OpenAPI documents: 3.x, and 2.0 (Swagger). Pure.
#pragma once

#include <string>

#include "perdure/error.hpp"
#include "perdure/payload.hpp"

namespace perdure::dsl {

/// The call of an operation: {"method", "url"} and "query", "headers", "body" when there are any, as the capability "http"
/// takes them. `from` is where the document is, for servers whose addresses begin there.
/// not_found: no such operation. invalid_argument: a parameter is missing or unknown, or the document is none.
[[nodiscard]] result<json::object> openapi_request(const json::value& document, const std::string& operation,
                                                   const json::object& parameters, const std::string& from);

}  // namespace perdure::dsl
