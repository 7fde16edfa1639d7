#include "dsl/jq_values.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "core/json_text.hpp"
#include "perdure/json.hpp"

namespace perdure::dsl::jq {

namespace {

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

int rank(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null: return 0;
    case json::kind::bool_: return value.get_bool() ? 2 : 1;
    case json::kind::string: return 4;
    case json::kind::array: return 5;
    case json::kind::object: return 6;
    default: return 3;
  }
}

int sign(std::string_view left, std::string_view right) {
  const auto order = left.compare(right);
  return order < 0 ? -1 : order > 0 ? 1 : 0;
}

std::vector<std::string_view> sorted_keys(const json::object& of) {
  std::vector<std::string_view> out;
  out.reserve(of.size());
  for (const auto& [key, value] : of) out.emplace_back(key.data(), key.size());
  std::sort(out.begin(), out.end());
  return out;
}

void dump_number(double value, std::string& out) {
  if (std::isnan(value)) {
    out += "null";
    return;
  }
  value = std::clamp(value, -std::numeric_limits<double>::max(), std::numeric_limits<double>::max());
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  std::string_view shortest{buffer, static_cast<std::size_t>(end.ptr - buffer)};  // [-]d[.ddd]e[+-]dd
  if (shortest[0] == '-') {
    out += '-';
    shortest.remove_prefix(1);
  }
  const auto e = shortest.find('e');
  int exponent = 0;
  const auto* digits_of_exponent = shortest.data() + e + (shortest[e + 1] == '+' ? 2 : 1);
  std::from_chars(digits_of_exponent, shortest.data() + shortest.size(), exponent);
  std::string digits{shortest.substr(0, 1)};
  if (e > 2) digits += shortest.substr(2, e - 2);
  const int count = static_cast<int>(digits.size());
  const int point = exponent + 1;  // digits before the point
  if (value == 0) {
    out += '0';
  } else if (point <= -4 || point > count + 15) {
    out += digits[0];
    if (count > 1) out += '.', out.append(digits, 1, std::string::npos);
    out += exponent < 0 ? "e-" : "e+";
    const auto power = std::to_string(std::abs(exponent));
    if (power.size() < 2) out += '0';
    out += power;
  } else if (point <= 0) {
    out += "0.";
    out.append(static_cast<std::size_t>(-point), '0');
    out += digits;
  } else if (point >= count) {
    out += digits;
    out.append(static_cast<std::size_t>(point - count), '0');
  } else {
    out.append(digits, 0, static_cast<std::size_t>(point));
    out += '.';
    out.append(digits, static_cast<std::size_t>(point), std::string::npos);
  }
}

void dump_string(std::string_view text, std::string& out) {
  constexpr std::string_view hex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default: {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7F) {
          out += "\\u00";
          out += hex[byte >> 4U];
          out += hex[byte & 0xFU];
        } else {
          out += c;
        }
      }
    }
  }
  out += '"';
}

void dump_into(const json::value& value, std::string& out) {
  switch (value.kind()) {
    case json::kind::null: out += "null"; break;
    case json::kind::bool_: out += value.get_bool() ? "true" : "false"; break;
    case json::kind::string: dump_string(view(value.get_string()), out); break;
    case json::kind::array: {
      out += '[';
      bool first = true;
      for (const auto& item : value.get_array()) {
        if (!std::exchange(first, false)) out += ',';
        dump_into(item, out);
      }
      out += ']';
      break;
    }
    case json::kind::object: {
      out += '{';
      bool first = true;
      for (const auto& [key, item] : value.get_object()) {
        if (!std::exchange(first, false)) out += ',';
        dump_string({key.data(), key.size()}, out);
        out += ':';
        dump_into(item, out);
      }
      out += '}';
      break;
    }
    default: dump_number(number(value), out); break;
  }
}

[[noreturn]] void fail_binary(const json::value& left, const json::value& right, std::string_view verb) {
  throw failed{std::string{kind(left)} + " (" + excerpt(left) + ") and " + std::string{kind(right)} + " (" + excerpt(right) +
               ") cannot be " + std::string{verb}};
}

const json::value null_value;

/// Byte offset of the code point number `index`, at most the end.
std::size_t offset_of(std::string_view text, std::size_t index) {
  std::size_t at = 0;
  while (at < text.size() && index > 0) {
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U) ++at;
    --index;
  }
  return at;
}

json::value split(std::string_view text, std::string_view separator) {
  json::array out;
  if (separator.empty()) {
    for (std::size_t at = 0; at < text.size();) {
      const auto size = offset_of(text.substr(at), 1);
      out.emplace_back(text.substr(at, size));
      at += size;
    }
    return out;
  }
  if (text.empty()) return out;
  for (std::size_t at = 0;;) {
    const auto end = text.find(separator, at);
    out.emplace_back(text.substr(at, end == std::string_view::npos ? end : end - at));
    if (end == std::string_view::npos) return out;
    at = end + separator.size();
  }
}

void merge(json::object& into, const json::object& from) {
  for (const auto& [key, value] : from) {
    auto* mine = into.if_contains(key);
    if (mine != nullptr && mine->is_object() && value.is_object()) {
      merge(mine->get_object(), value.get_object());
    } else {
      into.insert_or_assign(key, value);
    }
  }
}

/// As the processor converts: out of range and NaN give the least integer.
std::int64_t to_integer(double value) {
  return value >= -9.2233720368547758e18 && value < 9.2233720368547758e18 ? static_cast<std::int64_t>(value)
                                                                          : std::numeric_limits<std::int64_t>::min();
}

}  // namespace

bool is_true(const json::value& value) noexcept { return !value.is_null() && !(value.is_bool() && !value.get_bool()); }

std::string_view kind(const json::value& value) noexcept {
  switch (value.kind()) {
    case json::kind::null: return "null";
    case json::kind::bool_: return "boolean";
    case json::kind::string: return "string";
    case json::kind::array: return "array";
    case json::kind::object: return "object";
    default: return "number";
  }
}

double number(const json::value& value) noexcept {
  if (const auto* small = value.if_int64()) return static_cast<double>(*small);
  if (const auto* big = value.if_uint64()) return static_cast<double>(*big);
  const auto* real = value.if_double();
  return real != nullptr ? *real : 0;
}

std::size_t length(std::string_view text) noexcept {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

int compare(const json::value& left, const json::value& right) {
  const auto ranks = rank(left) - rank(right);
  if (ranks != 0) return ranks < 0 ? -1 : 1;
  switch (left.kind()) {
    case json::kind::null:
    case json::kind::bool_: return 0;
    case json::kind::string: return sign(view(left.get_string()), view(right.get_string()));
    case json::kind::array: {
      const auto& a = left.get_array();
      const auto& b = right.get_array();
      for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
        if (const auto order = compare(a[i], b[i]); order != 0) return order;
      }
      return a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
    }
    case json::kind::object: {
      const auto& a = left.get_object();
      const auto& b = right.get_object();
      const auto keys_a = sorted_keys(a);
      const auto keys_b = sorted_keys(b);
      for (std::size_t i = 0; i < std::min(keys_a.size(), keys_b.size()); ++i) {
        if (const auto order = sign(keys_a[i], keys_b[i]); order != 0) return order;
      }
      if (keys_a.size() != keys_b.size()) return keys_a.size() < keys_b.size() ? -1 : 1;
      for (const auto key : keys_a) {
        if (const auto order = compare(a.at(key), b.at(key)); order != 0) return order;
      }
      return 0;
    }
    default: {
      const auto a = number(left);
      const auto b = number(right);
      if (std::isnan(a)) return -1;  // NaN is below every number, itself included
      return a < b ? -1 : a == b ? 0 : 1;
    }
  }
}

bool equal(const json::value& left, const json::value& right) { return compare(left, right) == 0; }

std::string dump(const json::value& value) {
  std::string out;
  dump_into(value, out);
  return out;
}

std::string text(const json::value& value) { return value.is_string() ? std::string{view(value.get_string())} : dump(value); }

std::string excerpt(const json::value& value) {
  auto out = dump(value);
  if (out.size() > 40) {
    out.resize(37);
    while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xC0U) == 0x80U) out.pop_back();
    if (!out.empty() && static_cast<unsigned char>(out.back()) >= 0xC0U) out.pop_back();
    out += "...";
  }
  return out;
}

std::size_t weight(const json::value& value) noexcept {
  constexpr std::size_t cell = sizeof(json::value);
  switch (value.kind()) {
    case json::kind::string: return cell + value.get_string().size();
    case json::kind::array: {
      std::size_t out = cell;
      for (const auto& item : value.get_array()) out += weight(item);
      return out;
    }
    case json::kind::object: {
      std::size_t out = cell;
      for (const auto& [key, item] : value.get_object()) out += key.size() + cell + weight(item);
      return out;
    }
    default: return cell;
  }
}

json::value to_number(const json::value& value) {
  if (value.is_number()) return value;
  if (!value.is_string()) {
    throw failed{std::string{kind(value)} + " (" + excerpt(value) + ") cannot be parsed as a number"};
  }
  auto text = view(value.get_string());
  const auto space = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && space(text.front())) text.remove_prefix(1);
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  if (text == "nan" || text == "-nan") return std::numeric_limits<double>::quiet_NaN();
  const bool plus = text.starts_with('+');
  if (plus) text.remove_prefix(1);
  double out = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), out);
  const bool whole = !text.empty() && end.ptr == text.data() + text.size() && end.ec != std::errc::invalid_argument;
  if (!whole || text.find_first_not_of("0123456789.eE+-") != std::string_view::npos || (plus && text[0] == '-')) {
    throw failed{"string (" + excerpt(value) + ") cannot be parsed as a number"};
  }
  if (end.ec == std::errc::result_out_of_range) {
    const bool tiny = text.find("e-") != std::string_view::npos || text.find("E-") != std::string_view::npos;
    out = tiny ? 0 : std::numeric_limits<double>::infinity();
    if (text[0] == '-') out = -out;
  }
  return out;
}

const json::value* at(const json::value& of, const json::value& key) {
  if (of.is_object() && key.is_string()) {
    const auto* found = of.get_object().if_contains(key.get_string());
    return found != nullptr ? found : &null_value;
  }
  if (of.is_array() && key.is_number()) {
    const auto index = number(key);
    double whole = 0;
    if (!(std::fabs(std::modf(index, &whole)) < std::numeric_limits<double>::epsilon())) return &null_value;
    const auto size = static_cast<double>(of.get_array().size());
    const auto position = whole < 0 ? whole + size : whole;
    return position >= 0 && position < size ? &of.get_array()[static_cast<std::size_t>(position)] : &null_value;
  }
  if (of.is_null() && (key.is_string() || key.is_number() || key.is_object())) return &null_value;
  return nullptr;
}

json::value at_new(const json::value& of, const json::value& key) {
  if (key.is_object() && (of.is_array() || of.is_string())) {
    const auto& range = key.get_object();
    const auto* from = range.if_contains("start");
    const auto* to = range.if_contains("end");
    if (from == nullptr || to == nullptr) throw failed{"Start and end indices of an array slice must be numbers"};
    return slice(of, *from, *to);
  }
  if (of.is_array() && key.is_array()) {
    const auto& items = of.get_array();
    const auto& wanted = key.get_array();
    json::array out;
    for (std::size_t i = 0; i + wanted.size() <= items.size() && !wanted.empty(); ++i) {
      if (std::equal(wanted.begin(), wanted.end(), items.begin() + static_cast<std::ptrdiff_t>(i), equal))
        out.emplace_back(static_cast<std::int64_t>(i));
    }
    return out;
  }
  if (key.is_string() && !of.is_array()) {
    throw failed{"Cannot index " + std::string{kind(of)} + " with \"" + std::string{view(key.get_string())} + "\""};
  }
  throw failed{"Cannot index " + std::string{kind(of)} + " with " + std::string{kind(key)}};
}

json::value slice(const json::value& of, const json::value& from, const json::value& to) {
  if (of.is_null()) return nullptr;
  if (!of.is_array() && !of.is_string()) throw failed{"Cannot index " + std::string{kind(of)} + " with object"};
  const auto size = of.is_array() ? of.get_array().size() : length(view(of.get_string()));
  if ((!from.is_null() && !from.is_number()) || (!to.is_null() && !to.is_number())) {
    throw failed{"Start and end indices of an array slice must be numbers"};
  }
  const auto count = static_cast<double>(size);
  auto begin = from.is_null() ? 0 : number(from);
  auto end = to.is_null() ? count : number(to);
  if (begin < 0) begin += count;
  if (end < 0) end += count;
  if (!(begin >= 0)) begin = 0;
  if (begin > count) begin = count;
  if (end > count) end = count;
  if (!(end >= begin)) end = begin;
  const auto first = static_cast<std::size_t>(begin);
  const auto last = std::min(static_cast<std::size_t>(std::ceil(end)), size);
  if (of.is_array()) {
    const auto& items = of.get_array();
    return json::array(items.begin() + static_cast<std::ptrdiff_t>(first),
                       items.begin() + static_cast<std::ptrdiff_t>(std::max(first, last)));
  }
  const auto text = view(of.get_string());
  const auto begin_at = offset_of(text, first);
  return json::value(text.substr(begin_at, offset_of(text, std::max(first, last)) - begin_at));
}

bool has(const json::value& of, const json::value& key) {
  if (of.is_object() && key.is_string()) return of.get_object().contains(key.get_string());
  if (of.is_array() && key.is_number()) {
    const auto index = number(key);
    return index >= 0 && std::trunc(index) < static_cast<double>(of.get_array().size());
  }
  if (of.is_null()) return false;
  throw failed{"Cannot check whether " + std::string{kind(of)} + " has a " + std::string{kind(key)} + " key"};
}

json::value keys(const json::value& of, bool sorted) {
  json::array out;
  if (of.is_object()) {
    if (sorted) {
      for (const auto key : sorted_keys(of.get_object())) out.emplace_back(key);
    } else {
      for (const auto& [key, value] : of.get_object()) out.emplace_back(std::string_view{key.data(), key.size()});
    }
    return out;
  }
  if (!of.is_array()) throw failed{std::string{kind(of)} + " (" + excerpt(of) + ") has no keys"};
  for (std::size_t i = 0; i < of.get_array().size(); ++i) out.emplace_back(static_cast<std::int64_t>(i));
  return out;
}

json::value length_of(const json::value& of) {
  switch (of.kind()) {
    case json::kind::null: return 0;
    case json::kind::bool_: throw failed{"boolean (" + excerpt(of) + ") has no length"};
    case json::kind::string: return static_cast<std::int64_t>(length(view(of.get_string())));
    case json::kind::array: return static_cast<std::int64_t>(of.get_array().size());
    case json::kind::object: return static_cast<std::int64_t>(of.get_object().size());
    default: return std::fabs(number(of));
  }
}

void append(json::value& left, const json::value& right, budget& memory) {
  memory.charge(weight(right));
  if (right.is_null()) return;
  if (left.is_null()) {
    left = right;
  } else if (left.is_number() && right.is_number()) {
    left = number(left) + number(right);
  } else if (left.is_string() && right.is_string()) {
    left.get_string().append(right.get_string());
  } else if (left.is_array() && right.is_array()) {
    left.get_array().insert(left.get_array().end(), right.get_array().begin(), right.get_array().end());
  } else if (left.is_object() && right.is_object()) {
    for (const auto& [key, value] : right.get_object()) left.get_object().insert_or_assign(key, value);
  } else {
    fail_binary(left, right, "added");
  }
}

json::value add(const json::value& left, const json::value& right, budget& memory) {
  memory.charge(weight(left));
  auto out = left;
  append(out, right, memory);
  return out;
}

json::value subtract(const json::value& left, const json::value& right) {
  if (left.is_number() && right.is_number()) return number(left) - number(right);
  if (!left.is_array() || !right.is_array()) fail_binary(left, right, "subtracted");
  json::array out;
  const auto& without = right.get_array();
  for (const auto& item : left.get_array()) {
    if (std::none_of(without.begin(), without.end(), [&](const auto& each) { return equal(item, each); })) out.push_back(item);
  }
  return out;
}

json::value multiply(const json::value& left, const json::value& right, budget& memory) {
  if (left.is_number() && right.is_number()) return number(left) * number(right);
  if (left.is_object() && right.is_object()) {
    memory.charge(weight(left) + weight(right));
    auto out = left;
    merge(out.get_object(), right.get_object());
    return out;
  }
  const bool text_first = left.is_string() && right.is_number();
  if (!text_first && !(left.is_number() && right.is_string())) fail_binary(left, right, "multiplied");
  const auto part = view((text_first ? left : right).get_string());
  const auto times = number(text_first ? right : left);
  if (!(times > 0)) return nullptr;
  const auto copies = 1 + std::trunc(std::max(0.0, times - 1));  // "a" * 0.5 is "a"
  if (copies * static_cast<double>(part.size() + 1) > 1e9) throw failed{"the expression's values take too much memory"};
  memory.charge(static_cast<std::size_t>(copies) * part.size());
  json::string out;
  for (std::size_t i = 0; i < static_cast<std::size_t>(copies); ++i) out.append(part);
  return out;
}

json::value divide(const json::value& left, const json::value& right) {
  if (left.is_number() && right.is_number()) {
    if (number(right) == 0) fail_binary(left, right, "divided because the divisor is zero");
    return number(left) / number(right);
  }
  if (left.is_string() && right.is_string()) return split(view(left.get_string()), view(right.get_string()));
  fail_binary(left, right, "divided");
}

json::value modulo(const json::value& left, const json::value& right) {
  if (!left.is_number() || !right.is_number()) fail_binary(left, right, "divided");
  const auto dividend = to_integer(number(left));
  const auto divisor = to_integer(number(right));
  if (divisor == 0) fail_binary(left, right, "divided (remainder) because the divisor is zero");
  if (divisor == -1) return 0;
  return static_cast<double>(dividend % divisor);
}

json::value settle(const json::value& value) {
  switch (value.kind()) {
    case json::kind::array: {
      json::array out;
      out.reserve(value.get_array().size());
      for (const auto& item : value.get_array()) out.push_back(settle(item));
      return out;
    }
    case json::kind::object: {
      json::object out;
      out.reserve(value.get_object().size());
      for (const auto& [key, item] : value.get_object()) out.emplace(key, settle(item));
      return out;
    }
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_: {
      auto real = number(value);
      if (std::isnan(real)) return nullptr;
      real = std::clamp(real, -std::numeric_limits<double>::max(), std::numeric_limits<double>::max());
      if (real == std::trunc(real) && std::fabs(real) < 9.2e18) return static_cast<std::int64_t>(real);
      return real;
    }
    default: return value;
  }
}

}  // namespace perdure::dsl::jq
