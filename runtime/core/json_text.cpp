// Writer and reader of JSON text. Both keep to limits::json_depth by the same count: "[]" is one level.
#include "core/json_text.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value_stack.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include "perdure/json.hpp"
#include "perdure/limits.hpp"

namespace perdure::core {

namespace {

/// Length of the UTF-8 sequence at `at`, 0 when it is none (RFC 3629: no overlong forms, no surrogates).
std::size_t sequence_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto lead = byte(at);
  const auto second = byte(at + 1);
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  if (lead < 0x80U) return 1;
  if (lead >= 0xC2U && lead <= 0xDFU) return follows(at + 1) ? 2 : 0;
  if (lead >= 0xE0U && lead <= 0xEFU) {
    if (lead == 0xE0U && second < 0xA0U) return 0;
    if (lead == 0xEDU && second > 0x9FU) return 0;
    return follows(at + 1) && follows(at + 2) ? 3 : 0;
  }
  if (lead >= 0xF0U && lead <= 0xF4U) {
    if (lead == 0xF0U && second < 0x90U) return 0;
    if (lead == 0xF4U && second > 0x8FU) return 0;
    return follows(at + 1) && follows(at + 2) && follows(at + 3) ? 4 : 0;
  }
  return 0;
}

/// Bytes that go into a string as they are.
constexpr auto plain = [] {
  std::array<bool, 256> out{};
  for (std::size_t i = 0x20; i < 0x80; ++i) out[i] = i != '"' && i != '\\';
  return out;
}();

class writer {
 public:
  writer(std::string& out, std::size_t max_depth) : out_(out), max_depth_(max_depth) {}

  void value(const json::value& what, std::size_t depth) {
    switch (what.kind()) {
      case json::kind::null: out_ += "null"; break;
      case json::kind::bool_: out_ += what.get_bool() ? "true" : "false"; break;
      case json::kind::int64: number(what.get_int64()); break;
      case json::kind::uint64: number(what.get_uint64()); break;
      case json::kind::double_: real(what.get_double()); break;
      case json::kind::string: text(what.get_string()); break;
      case json::kind::array: list(what.get_array(), depth + 1); break;
      case json::kind::object: members(what.get_object(), depth + 1); break;
    }
  }

 private:
  void check(std::size_t depth) const {
    if (depth > max_depth_) {
      throw step_error(std::string{failure_code::limit},
                       "JSON nested deeper than json_depth = " + std::to_string(max_depth_) + " levels");
    }
  }
  void list(const json::array& items, std::size_t depth) {
    check(depth);
    out_ += '[';
    bool first = true;
    for (const auto& item : items) {
      if (!std::exchange(first, false)) out_ += ',';
      value(item, depth);
    }
    out_ += ']';
  }
  void members(const json::object& object, std::size_t depth) {
    check(depth);
    out_ += '{';
    bool first = true;
    for (const auto& [key, item] : object) {
      if (!std::exchange(first, false)) out_ += ',';
      text(key);
      out_ += ':';
      value(item, depth);
    }
    out_ += '}';
  }
  template <class T>
  void number(T what) {
    std::array<char, 32> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), what).ptr;
    out_.append(digits.data(), end);
  }
  void real(double what) {
    if (!std::isfinite(what)) perdure::detail::throw_not_finite();
    std::array<char, 32> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), what).ptr;
    const std::string_view written{digits.data(), static_cast<std::size_t>(end - digits.data())};
    out_ += written;
    // Keeps it a double when it is read again.
    if (written.find_first_of(".e") == std::string_view::npos) out_ += ".0";
  }
  void text(std::string_view what) {
    out_ += '"';
    std::size_t from = 0;
    for (std::size_t at = 0; at < what.size();) {
      const auto byte = static_cast<unsigned char>(what[at]);
      if (plain[byte]) {
        ++at;
      } else if (byte >= 0x80U) {
        const auto length = sequence_length(what, at);
        if (length == 0) {
          throw step_error(std::string{failure_code::bad_message},
                           "text that is not UTF-8 cannot be stored as JSON (byte " + std::to_string(at) + ")");
        }
        at += length;
      } else {
        out_.append(what, from, at - from);
        escape(byte);
        from = ++at;
      }
    }
    out_.append(what, from, what.size() - from);
    out_ += '"';
  }
  void escape(unsigned char byte) {
    constexpr std::string_view hex = "0123456789abcdef";
    switch (byte) {
      case '"': out_ += "\\\""; break;
      case '\\': out_ += "\\\\"; break;
      case '\n': out_ += "\\n"; break;
      case '\r': out_ += "\\r"; break;
      case '\t': out_ += "\\t"; break;
      case '\b': out_ += "\\b"; break;
      case '\f': out_ += "\\f"; break;
      case 0x7f: out_ += '\x7f'; break;
      default:
        out_ += "\\u00";
        out_ += hex[byte >> 4U];
        out_ += hex[byte & 15U];
    }
  }

  std::string& out_;
  std::size_t max_depth_;
};

/// Builds a value from the parser's calls; as Boost.JSON's own handler, but for doubles.
struct builder {
  static constexpr std::size_t max_object_size = json::object::max_size();
  static constexpr std::size_t max_array_size = json::array::max_size();
  static constexpr std::size_t max_key_size = json::string::max_size();
  static constexpr std::size_t max_string_size = json::string::max_size();

  std::array<unsigned char, 2048> scratch;
  json::value_stack stack{json::storage_ptr{}, scratch.data(), scratch.size()};
  std::string number;  ///< parts of a number so far
  bool out_of_range = false;

  using error_code = boost::system::error_code;
  using view = json::string_view;

  bool on_document_begin(error_code&) {
    stack.reset();
    return true;
  }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) { return true; }
  bool on_object_end(std::size_t size, error_code&) {
    stack.push_object(size);
    return true;
  }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t size, error_code&) {
    stack.push_array(size);
    return true;
  }
  bool on_key_part(view part, std::size_t, error_code&) {
    stack.push_chars(part);
    return true;
  }
  bool on_key(view part, std::size_t, error_code&) {
    stack.push_key(part);
    return true;
  }
  bool on_string_part(view part, std::size_t, error_code&) {
    stack.push_chars(part);
    return true;
  }
  bool on_string(view part, std::size_t, error_code&) {
    stack.push_string(part);
    return true;
  }
  bool on_number_part(view part, error_code&) {
    number.append(part.data(), part.size());
    return true;
  }
  bool on_int64(std::int64_t value, view, error_code&) {
    number.clear();
    stack.push_int64(value);
    return true;
  }
  bool on_uint64(std::uint64_t value, view, error_code&) {
    number.clear();
    stack.push_uint64(value);
    return true;
  }
  bool on_double(double value, view part, error_code& bad) {
    if (!number.empty()) {
      number.append(part.data(), part.size());
      part = number;
    }
    double exact = value;
    const auto read = std::from_chars(part.data(), part.data() + part.size(), exact);
    if (read.ec == std::errc::result_out_of_range) {
      exact = std::signbit(value) ? -0.0 : 0.0;
      if (std::abs(value) > 1.0) {
        out_of_range = true;
        bad = json::error::exponent_overflow;
        return false;
      }
    }
    number.clear();
    stack.push_double(exact);
    return true;
  }
  bool on_bool(bool value, error_code&) {
    stack.push_bool(value);
    return true;
  }
  bool on_null(error_code&) {
    stack.push_null();
    return true;
  }
  bool on_comment_part(view, error_code&) { return true; }
  bool on_comment(view, error_code&) { return true; }
};

/// Most results of steps are small integers: no need to set the parser up for them.
std::optional<std::int64_t> small_integer(std::string_view text) {
  constexpr std::size_t safe_digits = 18;
  const auto digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || digits.size() > safe_digits || (digits[0] == '0' && text.size() > 1)) return std::nullopt;
  std::int64_t out = 0;
  for (const auto each : digits) {
    if (each < '0' || each > '9') return std::nullopt;
    out = out * 10 + (each - '0');
  }
  return text[0] == '-' ? -out : out;
}

std::string describe(const boost::system::error_code& bad, bool out_of_range, std::size_t max_depth) {
  if (out_of_range || bad == json::error::exponent_overflow) return "a number out of range";
  if (bad == json::error::too_deep) return "nested deeper than json_depth = " + std::to_string(max_depth) + " levels";
  if (bad == json::error::incomplete) return "the text ends too early";
  if (bad == json::error::extra_data) return "more text after the value";
  return bad.message();
}

}  // namespace

text_position position_of(std::string_view text, std::size_t offset) {
  const auto before = text.substr(0, offset);
  const auto line_start = before.rfind('\n');
  const auto in_line = line_start == std::string_view::npos ? before : before.substr(line_start + 1);
  const auto starts_character = [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U; };
  return {1 + static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')),
          1 + static_cast<std::size_t>(std::count_if(in_line.begin(), in_line.end(), starts_character))};
}

void write_json_text(std::string& out, const json::value& value, std::size_t max_depth) {
  writer{out, max_depth}.value(value, 0);
}

result<json::value> read_json_text(std::string_view text, std::size_t max_depth) {
  if (const auto number = small_integer(text)) return json::value(*number);
  json::parse_options options;
  options.max_depth = max_depth;
  json::basic_parser<builder> parser{options};
  boost::system::error_code bad;
  const auto read = parser.write_some(false, text.data(), text.size(), bad);
  if (!bad && read < text.size()) bad = json::error::extra_data;
  if (bad) {
    const auto at = position_of(text, read);
    const auto what = describe(bad, parser.handler().out_of_range, max_depth);
    return error{errc::invalid_argument,
                 "malformed JSON at line " + std::to_string(at.line) + ", column " + std::to_string(at.column) + ": " + what};
  }
  return parser.handler().stack.release();
}

std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const auto length = sequence_length(text, at);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      ++at;
    } else {
      out.append(text, at, length);
      at += length;
    }
  }
  return out;
}

}  // namespace perdure::core
