#include "tools/gateway/answers.hpp"

#include <algorithm>
#include <charconv>

#include "core/json_text.hpp"
#include "tools/gateway/http_limits.hpp"

namespace perdure::tools::gateway {

api_style style_of(const request& in) {
  return !in.path.empty() && in.path.front() == "v1" ? api_style::service : api_style::native;
}

std::string json_text(const json::value& value) {
  std::string out;
  core::write_json_text(out, value, limits::json_depth + core::envelope_depth);
  return out;
}

response json_answer(const json::value& value, unsigned status) { return {.status = status, .body = json_text(value) + "\n"}; }

response error_answer(const request& in, unsigned status, std::string_view code, std::string_view message) {
  json::object body;
  const auto text = core::valid_utf8(message);
  const auto style = style_of(in);
  if (style == api_style::service) body = {{"code", code}, {"message", text}, {"status", status}};
  if (style == api_style::native || status == 429) body.emplace("error", json::object{{"code", code}, {"message", text}});
  if (style == api_style::native) body.emplace("request_id", in.id);
  auto out = json_answer(body, status);
  if (status == 429 || status == 503) out.headers.push_back({"Retry-After", std::to_string(retry_after_s)});
  if (status == 401) out.headers.push_back({"WWW-Authenticate", "Bearer realm=\"api\""});
  return out;
}

unsigned status_of(errc code) {
  switch (code) {
    case errc::invalid_argument: return 400;
    case errc::not_found:
    case errc::workflow_unknown: return 404;
    case errc::already_exists:
    case errc::conflict: return 409;
    case errc::payload_too_large: return 413;
    case errc::unsupported: return 415;
    case errc::limit_exceeded:
    case errc::overloaded: return 429;
    case errc::disk_full:
    case errc::locked:
    case errc::fenced:
    case errc::shutting_down: return 503;
    case errc::timeout: return 504;
    case errc::newer_format:
    case errc::corrupt:
    case errc::io_error:
    case errc::nondeterminism:
    case errc::internal: return 500;
  }
  return 500;
}

std::string_view code_of_status(unsigned status) {
  switch (status) {
    case 400: return "bad_request";
    case 401: return "unauthorized";
    case 403: return "forbidden";
    case 404: return "not_found";
    case 405: return "method_not_allowed";
    case 408: return "request_timeout";
    case 409: return "conflict";
    case 412: return "precondition_failed";
    case 413: return "payload_too_large";
    case 414: return "uri_too_long";
    case 415: return "unsupported_media_type";
    case 416: return "range_not_satisfiable";
    case 417: return "expectation_failed";
    case 429: return "too_many_requests";
    case 431: return "headers_too_large";
    case 503: return "unavailable";
    case 504: return "timeout";
    case 505: return "http_version_not_supported";
    default: return status < 500 ? "bad_request" : "internal_server_error";
  }
}

response error_answer(const request& in, const error& why) {
  const auto status = status_of(why.code);
  const auto code = style_of(in) == api_style::service ? code_of_status(status) : to_string(why.code);
  return error_answer(in, status, code, why.message);
}

response refusal(unsigned status, std::string_view message, const request& in) {
  return error_answer(in, status, code_of_status(status), message);
}

result<json::object> json_body(const request& in) {
  if (const auto* type = in.header("content-type"); type != nullptr && !in.body.empty()) {
    auto name = type->substr(0, type->find(';'));
    while (!name.empty() && name.back() == ' ') name.pop_back();
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (name != "application/json") return error{errc::unsupported, "the body has to be application/json, not " + name};
  }
  if (in.body.find_first_not_of(" \t\r\n") == std::string::npos) return json::object{};
  auto read = core::read_json_text(in.body);
  if (!read) return error{errc::invalid_argument, "the body is not JSON: " + read.error().message};
  if (!read->is_object()) return error{errc::invalid_argument, "the body has to be a JSON object"};
  return std::move(read->get_object());
}

result<void> only_members(const json::object& in, const std::vector<std::string_view>& known) {
  for (const auto& [name, value] : in) {
    if (std::find(known.begin(), known.end(), std::string_view{name}) != known.end()) continue;
    std::string all;
    for (const auto& each : known) all += (all.empty() ? "" : ", ") + std::string{each};
    return error{errc::invalid_argument, "member \"" + std::string{name} + "\" is not known here; " +
                                             (all.empty() ? "there are none" : "there are " + all)};
  }
  return {};
}

result<std::uint64_t> number_parameter(const request& in, std::string_view name, std::uint64_t otherwise, std::uint64_t least,
                                       std::uint64_t most) {
  const auto* text = in.parameter(name);
  if (text == nullptr) return otherwise;
  std::uint64_t value = 0;
  const auto* end = text->data() + text->size();
  const auto [rest, bad] = std::from_chars(text->data(), end, value);
  if (bad == std::errc{} && rest == end && value >= least && value <= most) return value;
  return error{errc::invalid_argument, "parameter \"" + std::string{name} + "\": \"" + *text + "\" is no whole number from " +
                                           std::to_string(least) + " to " + std::to_string(most)};
}

namespace {

/// RFC 3339, and what clients make of it: a date alone, no zone (UTC is meant), a "+" that was not escaped in a query.
std::optional<timestamp> read_time(std::string text) {
  constexpr std::size_t date_chars = 10, zone_chars = 6;
  if (text.size() == date_chars) text += "T00:00:00";
  if (text.size() > date_chars + zone_chars && text[text.size() - zone_chars] == ' ') text[text.size() - zone_chars] = '+';
  const auto at = parse_timestamp(text);
  return at ? at : parse_timestamp(text + "Z");
}

}  // namespace

result<std::optional<timestamp>> time_parameter(const request& in, std::string_view name) {
  const auto* text = in.parameter(name);
  if (text == nullptr) return std::optional<timestamp>{};
  if (auto at = read_time(*text)) return at;
  return error{errc::invalid_argument, "parameter \"" + std::string{name} + "\": \"" + *text + "\" is no time as in ISO 8601"};
}

}  // namespace perdure::tools::gateway
