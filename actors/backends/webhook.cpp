#include "actors/backends/webhook.hpp"

#include <algorithm>
#include <boost/algorithm/hex.hpp>
#include <boost/algorithm/string/case_conv.hpp>

#include "actors/backends/http_asker.hpp"
#include "core/base64.hpp"
#include "core/hmac.hpp"

namespace perdure::actors {

bool is_signed(const callback& what, const http_service::webhook_rule& rule, const std::string& secret) {
  const auto given = header_of(what.headers, rule.header);
  if (!given || secret.empty()) return false;
  template_values values{{"body", what.body}};
  if (!rule.timestamp_header.empty()) {
    const auto at = header_of(what.headers, rule.timestamp_header);
    if (!at) return false;
    values.emplace("timestamp", *at);
  }
  const auto mac = core::hmac_sha256(secret, expand(rule.signs, values, template_use::plain));
  const auto wanted = rule.base64 ? core::to_base64(mac) : boost::algorithm::hex_lower(mac);
  bool good = false;
  std::string_view rest{*given};
  while (!rest.empty()) {
    const auto end = std::min(rest.find_first_of(" ,"), rest.size());
    auto part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!part.starts_with(rule.prefix)) continue;
    part.remove_prefix(rule.prefix.size());
    good =
        core::same_secret(rule.base64 ? std::string{part} : boost::algorithm::to_lower_copy(std::string{part}), wanted) || good;
  }
  return good;
}

}  // namespace perdure::actors
