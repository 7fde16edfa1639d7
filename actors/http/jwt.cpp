#include "actors/http/jwt.hpp"

#include "core/base64.hpp"
#include "core/hmac.hpp"
#include "core/json_text.hpp"

namespace perdure::actors {

namespace {

/// RFC 4648, section 5, without the padding.
std::string to_base64url(std::string_view bytes) {
  auto out = core::to_base64(bytes);
  while (out.ends_with('=')) out.pop_back();
  for (auto& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return out;
}

std::optional<std::string> from_base64url(std::string_view text) {
  std::string plain{text};
  for (auto& c : plain) c = c == '-' ? '+' : c == '_' ? '/' : c;
  while (plain.size() % 4 != 0) plain += '=';
  return core::from_base64(plain);
}

std::string part(const json::object& of) {
  std::string text;
  core::write_json_text(text, json::value(of));
  return to_base64url(text);
}

}  // namespace

std::string signed_jwt(const json::object& claims, std::string_view secret) {
  const auto text = part({{"alg", "HS256"}, {"typ", "JWT"}}) + "." + part(claims);
  return text + "." + to_base64url(core::hmac_sha256(secret, text));
}

std::optional<json::object> jwt_claims(std::string_view token) {
  const auto first = token.find('.'), second = token.find('.', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return std::nullopt;
  const auto text = from_base64url(token.substr(first + 1, second - first - 1));
  if (!text) return std::nullopt;
  auto read = core::read_json_text(*text);
  if (!read || !read->is_object()) return std::nullopt;
  return std::move(read->get_object());
}

}  // namespace perdure::actors
