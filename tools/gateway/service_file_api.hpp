// Files of the workflow service API: uploads, which the HTTP server hands over piece by piece, previews, and files as inputs.
#pragma once

#include <memory>
#include <string_view>
#include <variant>

#include "tools/gateway/file_store.hpp"
#include "tools/gateway/service_api.hpp"

namespace perdure::tools::gateway {

void add_service_file_routes(router& to, const api_parts& parts);

/// Whether the body of a request with this head is a file.
[[nodiscard]] bool is_upload(std::string_view method, std::string_view target);
/// What takes the body of an upload by a caller who may do that; or the answer that refuses it.
[[nodiscard]] std::variant<std::shared_ptr<body_sink>, response> open_upload(file_store& store, api_key who, const request& in);

/// Files that the inputs name by `upload_file_id` get their name, type, size and path. not_found: not the caller's.
[[nodiscard]] result<void> complete_files(const api_parts& parts, const call& of, json::object& inputs);
/// In MB, as /v1/parameters tells them.
[[nodiscard]] json::object file_limits();

}  // namespace perdure::tools::gateway
