#include "tools/gateway/cors.hpp"

#include <algorithm>

namespace perdure::tools::gateway {

bool cors::allows(const std::string& origin) const {
  return std::any_of(origins_.begin(), origins_.end(), [&](const auto& each) { return each == "*" || each == origin; });
}

void cors::allow(const request& in, std::vector<field>& headers) const {
  if (!on()) return;
  // Which origin asked changes the answer, so no cache may give it to another.
  headers.push_back({"Vary", "Origin"});
  const auto* origin = in.header("origin");
  if (origin == nullptr || !allows(*origin)) return;
  headers.push_back({"Access-Control-Allow-Origin", *origin});
  headers.push_back({"Access-Control-Expose-Headers", "X-Request-Id, Location, Retry-After, WWW-Authenticate"});
}

std::optional<response> cors::preflight(const request& in) const {
  const auto* origin = in.header("origin");
  if (in.method != "OPTIONS" || origin == nullptr || in.header("access-control-request-method") == nullptr || !allows(*origin))
    return std::nullopt;
  return response{.status = 204,
                  .type = "",
                  .headers = {{"Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE"},
                              {"Access-Control-Allow-Headers",
                               "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Range, X-Request-Id, traceparent"},
                              {"Access-Control-Max-Age", std::to_string(max_age_s_)}}};
}

bool cors::is_origin(const std::string& text) {
  if (text == "*") return true;
  const auto host = text.starts_with("https://") ? text.substr(8) : text.starts_with("http://") ? text.substr(7) : std::string{};
  return !host.empty() && host.find_first_of("/?#@ \t\r\n,") == std::string::npos;
}

}  // namespace perdure::tools::gateway
