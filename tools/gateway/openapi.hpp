// The description of both APIs in OpenAPI 3.1, as tools/gateway/openapi.yaml has it.
#pragma once

#include <string_view>

namespace perdure::tools::gateway {

[[nodiscard]] std::string_view openapi_text();

}  // namespace perdure::tools::gateway
