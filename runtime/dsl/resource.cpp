#include "dsl/resource.hpp"

#include <algorithm>

#include "dsl/syntax_tree.hpp"

namespace perdure::dsl {

namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

}  // namespace

std::string_view scheme_of(std::string_view uri) {
  const auto end = uri.find("://");
  if (end == std::string_view::npos || end == 0) return {};
  const auto scheme = uri.substr(0, end);
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto fits = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'; };
  return letter(scheme[0]) && std::all_of(scheme.begin(), scheme.end(), fits) ? scheme : std::string_view{};
}

std::optional<std::string> file_of(std::string_view uri) {
  if (scheme_of(uri) != "file") return std::nullopt;
  const auto rest = uri.substr(uri.find("://") + 3);
  std::string out;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    const int high = rest[i] == '%' && i + 2 < rest.size() ? hex_digit(rest[i + 1]) : -1;
    const int low = high < 0 ? -1 : hex_digit(rest[i + 2]);
    if (low < 0) {
      out += rest[i];
      continue;
    }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::optional<std::string> catalog_entry_of(std::string_view uri) {
  if (scheme_of(uri) != "catalog") return std::nullopt;
  return std::string{uri.substr(uri.find("://") + 3)};
}

result<json::value> read_value(std::string_view text, const std::string& name) {
  std::vector<problem> problems;
  const auto root = read_tree(text, name, problems);
  if (root && problems.empty()) return to_json(*root);
  return error{errc::invalid_argument, problems.empty() ? name + ": cannot be read" : problems.front().str()};
}

}  // namespace perdure::dsl
