#include "dsl/syntax_tree.hpp"

#include <charconv>
#include <cmath>

#include "core/json_text.hpp"
#include "perdure/limits.hpp"

namespace perdure::dsl {

std::string problem::str() const {
  auto out = file + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) + ": " + message;
  if (!pointer.empty()) out += " (at " + pointer + ")";
  return out;
}

std::string_view to_string(node_kind kind) noexcept {
  switch (kind) {
    case node_kind::null: return "null";
    case node_kind::boolean: return "a boolean";
    case node_kind::integer: return "an integer";
    case node_kind::number: return "a number";
    case node_kind::string: return "a string";
    case node_kind::array: return "an array";
    case node_kind::object: return "an object";
  }
  return "?";
}

const node::member* node::find(std::string_view key) const noexcept {
  for (const auto& each : members) {
    if (each.key == key) return &each;
  }
  return nullptr;
}

std::string_view node::text() const noexcept {
  const auto& string = scalar.get_string();
  return {string.data(), string.size()};
}

json::value to_json(const node& tree) {
  if (tree.is_array()) {
    json::array out;
    out.reserve(tree.items.size());
    for (const auto& item : tree.items) out.push_back(to_json(*item));
    return out;
  }
  if (tree.is_object()) {
    json::object out;
    out.reserve(tree.members.size());
    for (const auto& [key, at, value] : tree.members) out.emplace(key, to_json(*value));
    return out;
  }
  return tree.scalar;
}

namespace {

bool all_of(std::string_view text, std::string_view allowed) {
  return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
}

constexpr std::string_view digits = "0123456789";

/// [-+]? ( "." digits+ | digits+ ( "." digits* )? ) ( [eE] [-+]? digits+ )?
bool is_float(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  const auto exponent = text.find_first_of("eE");
  if (exponent != std::string_view::npos) {
    auto power = text.substr(exponent + 1);
    if (!power.empty() && (power[0] == '-' || power[0] == '+')) power.remove_prefix(1);
    if (!all_of(power, digits)) return false;
    text = text.substr(0, exponent);
  }
  const auto point = text.find('.');
  if (point == std::string_view::npos) return all_of(text, digits);
  const auto whole = text.substr(0, point);
  const auto fraction = text.substr(point + 1);
  if (whole.empty()) return all_of(fraction, digits);
  return all_of(whole, digits) && (fraction.empty() || all_of(fraction, digits));
}

json::value to_integer(std::string_view text, int base) {
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  std::int64_t small = 0;
  auto end = std::from_chars(text.data(), text.data() + text.size(), small, base);
  if (end.ec == std::errc{}) return small;
  std::uint64_t big = 0;
  end = std::from_chars(text.data(), text.data() + text.size(), big, base);
  if (end.ec == std::errc{}) return big;
  return nullptr;
}

bool to_double(std::string_view text, double& out) {
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  const auto end = std::from_chars(text.data(), text.data() + text.size(), out);
  // Too small reads as zero; too large has no JSON number.
  if (end.ec == std::errc::result_out_of_range)
    out = text.find("e-") != text.npos || text.find("E-") != text.npos ? 0.0 : INFINITY;
  return std::isfinite(out);
}

}  // namespace

bool resolve_plain(std::string_view text, node& out) {
  out.source.assign(text);
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") {
    out.kind = node_kind::null;
    out.scalar = nullptr;
    return true;
  }
  if (text == "true" || text == "True" || text == "TRUE" || text == "false" || text == "False" || text == "FALSE") {
    out.kind = node_kind::boolean;
    out.scalar = text[0] == 't' || text[0] == 'T';
    return true;
  }
  const auto sign = text[0] == '-' || text[0] == '+' ? std::size_t{1} : std::size_t{0};
  const auto special = text.substr(sign);
  if (special == ".inf" || special == ".Inf" || special == ".INF" || text == ".nan" || text == ".NaN" || text == ".NAN")
    return false;
  if (all_of(special, digits)) {
    out.kind = node_kind::integer;
    out.scalar = to_integer(text, 10);
  } else if (text.starts_with("0o") && all_of(text.substr(2), "01234567")) {
    out.kind = node_kind::integer;
    out.scalar = to_integer(text.substr(2), 8);
  } else if (text.starts_with("0x") && all_of(text.substr(2), "0123456789abcdefABCDEF")) {
    out.kind = node_kind::integer;
    out.scalar = to_integer(text.substr(2), 16);
  } else if (is_float(text)) {
    out.kind = node_kind::number;
  } else {
    out.kind = node_kind::string;
    out.scalar = text;
    return true;
  }
  if (out.kind == node_kind::number || out.scalar.is_null()) {  // integers beyond 64 bits become doubles
    double real = 0;
    if (text.starts_with("0") && text.size() > 1 && (text[1] == 'o' || text[1] == 'x')) return false;
    if (!to_double(text, real)) return false;
    out.kind = node_kind::number;
    out.scalar = real;
  }
  return true;
}

node_ptr read_tree(std::string_view text, const std::string& file, std::vector<problem>& problems) {
  const auto fail = [&](mark at, std::string what) -> node_ptr {
    problems.push_back({problem_kind::syntax, file, at, {}, std::move(what)});
    return nullptr;
  };
  if (text.size() > limits::document_bytes) {
    return fail({}, "the document has " + std::to_string(text.size()) +
                        " bytes, more than document_bytes = " + std::to_string(limits::document_bytes));
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const auto valid = core::valid_utf8(text);
  const auto wrong = std::mismatch(text.begin(), text.end(), valid.begin(), valid.end()).first;
  if (wrong != text.end()) {
    const auto at = core::position_of(text, static_cast<std::size_t>(wrong - text.begin()));
    return fail({static_cast<std::uint32_t>(at.line), static_cast<std::uint32_t>(at.column)}, "the text is not UTF-8 here");
  }
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return fail({}, "the document is empty");
  if (text[first] == '{') {
    // JSON, or a flow mapping of YAML: JSON is tried first, since yaml-cpp does not know all of it.
    std::vector<problem> as_json, as_yaml;
    if (auto tree = read_json(text, file, as_json)) return tree;
    const auto second = text.find_first_not_of(" \t\r\n", first + 1);
    const bool is_json = file.ends_with(".json") || (second != std::string_view::npos && text[second] == '"');
    if (!is_json) {
      if (auto tree = read_yaml(text, file, as_yaml)) return tree;
    }
    const auto& found = is_json ? as_json : as_yaml;
    problems.insert(problems.end(), found.begin(), found.end());
    return nullptr;
  }
  return read_yaml(text, file, problems);
}

}  // namespace perdure::dsl
