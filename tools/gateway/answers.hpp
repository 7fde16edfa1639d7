// Answers in the two forms that the gateway speaks: the native API's, and that of the workflow service API.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "perdure/payload.hpp"
#include "tools/gateway/http.hpp"

namespace perdure::tools::gateway {

/// native: {"error": {"code", "message"}, "request_id"}. service: {"code", "message", "status"}; with 429 both.
enum class api_style : std::uint8_t { native, service };
/// By the path: /v1/… is the service API.
[[nodiscard]] api_style style_of(const request& in);

/// Compact JSON, as the command line's --json writes it.
[[nodiscard]] std::string json_text(const json::value& value);
[[nodiscard]] response json_answer(const json::value& value, unsigned status = 200);
/// 429 and 503 ask for patience with Retry-After.
[[nodiscard]] response error_answer(const request& in, unsigned status, std::string_view code, std::string_view message);
[[nodiscard]] response error_answer(const request& in, const error& why);
/// Of an answer that the server gives before anybody else saw the request.
[[nodiscard]] response refusal(unsigned status, std::string_view message, const request& in);

[[nodiscard]] unsigned status_of(errc code);
/// "bad_request", "not_found" …
[[nodiscard]] std::string_view code_of_status(unsigned status);

/// The body as a JSON object; an empty one reads as {}. invalid_argument; unsupported: its Content-Type is another (415).
[[nodiscard]] result<json::object> json_body(const request& in);
/// invalid_argument names a member that is not in the list.
[[nodiscard]] result<void> only_members(const json::object& in, const std::vector<std::string_view>& known);
/// A query parameter that is a whole number from `least` to `most`.
[[nodiscard]] result<std::uint64_t> number_parameter(const request& in, std::string_view name, std::uint64_t otherwise,
                                                     std::uint64_t least, std::uint64_t most);
[[nodiscard]] result<std::optional<timestamp>> time_parameter(const request& in, std::string_view name);

}  // namespace perdure::tools::gateway
