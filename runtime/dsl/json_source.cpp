// JSON text (RFC 8259) to a syntax tree with positions.
#include <charconv>

#include "dsl/tree_builder.hpp"

namespace perdure::dsl {

namespace {

class json_reader {
 public:
  json_reader(std::string_view text, tree_builder& out) : text_(text), out_(out) {}

  void document() {
    value();
    skip_space();
    if (at_ < text_.size()) out_.abandon(here(), "not JSON: expected the end of the document, found " + found());
  }

 private:
  [[nodiscard]] mark here() const { return {line_, column_}; }
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  [[nodiscard]] bool done() const { return at_ >= text_.size(); }
  [[nodiscard]] std::string found() const {
    return done() ? "the end of the text" : "'" + std::string{text_.substr(at_, 1)} + "'";
  }
  char next() {
    const char c = text_[at_++];
    if (c == '\n') {
      ++line_;
      column_ = 1;
    } else if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80U) {
      ++column_;
    }
    return c;
  }
  void skip_space() {
    while (!done() && (peek() == ' ' || peek() == '\t' || peek() == '\r' || peek() == '\n')) next();
  }
  void expect(char wanted) {
    if (peek() != wanted || done()) {
      out_.abandon(here(), std::string{"not JSON: expected '"} + wanted + "', found " + found());
    }
    next();
  }

  void value() {
    skip_space();
    if (done()) out_.abandon(here(), "not JSON: expected a value, found the end of the text");
    switch (peek()) {
      case '{': object(); break;
      case '[': array(); break;
      case '"': string(); break;
      default: word(); break;
    }
  }
  // The builder's limit of levels bounds the recursion.
  void object() {
    out_.open(node_kind::object, here());
    next();
    skip_space();
    if (peek() == '}') {
      next();
      out_.close();
      return;
    }
    while (true) {
      skip_space();
      if (peek() != '"') out_.abandon(here(), "not JSON: expected a property's name in quotes, found " + found());
      string();
      skip_space();
      expect(':');
      value();
      skip_space();
      if (peek() != ',') break;
      next();
    }
    expect('}');
    out_.close();
  }
  void array() {
    out_.open(node_kind::array, here());
    next();
    skip_space();
    if (peek() == ']') {
      next();
      out_.close();
      return;
    }
    while (true) {
      value();
      skip_space();
      if (peek() != ',') break;
      next();
    }
    expect(']');
    out_.close();
  }

  unsigned hex4() {
    const auto digits = text_.substr(at_, 4);
    unsigned code = 0;
    const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
    if (digits.size() < 4 || end.ptr != digits.data() + 4) out_.abandon(here(), "not JSON: expected four hexadecimal digits");
    for (int i = 0; i < 4; ++i) next();
    return code;
  }
  static void append_utf8(std::string& out, unsigned code) {
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else if (code < 0x800) {
      out += static_cast<char>(0xC0U | code >> 6U);
      out += static_cast<char>(0x80U | (code & 0x3FU));
    } else if (code < 0x10000) {
      out += static_cast<char>(0xE0U | code >> 12U);
      out += static_cast<char>(0x80U | (code >> 6U & 0x3FU));
      out += static_cast<char>(0x80U | (code & 0x3FU));
    } else {
      out += static_cast<char>(0xF0U | code >> 18U);
      out += static_cast<char>(0x80U | (code >> 12U & 0x3FU));
      out += static_cast<char>(0x80U | (code >> 6U & 0x3FU));
      out += static_cast<char>(0x80U | (code & 0x3FU));
    }
  }
  void escape(std::string& out) {
    const auto at = here();
    const char kind = done() ? '\0' : next();
    switch (kind) {
      case '"':
      case '\\':
      case '/': out += kind; return;
      case 'b': out += '\b'; return;
      case 'f': out += '\f'; return;
      case 'n': out += '\n'; return;
      case 'r': out += '\r'; return;
      case 't': out += '\t'; return;
      case 'u': break;
      default: out_.abandon(at, "not JSON: an unknown escape in a string");
    }
    auto code = hex4();
    if (code >= 0xD800 && code <= 0xDBFF && text_.substr(at_, 2) == "\\u") {
      next();
      next();
      const auto low = hex4();
      if (low < 0xDC00 || low > 0xDFFF) out_.abandon(at, "not JSON: half of a surrogate pair");
      code = 0x10000U + ((code - 0xD800U) << 10U) + (low - 0xDC00U);
    } else if (code >= 0xD800 && code <= 0xDFFF) {
      out_.abandon(at, "not JSON: half of a surrogate pair");
    }
    append_utf8(out, code);
  }
  void string() {
    node leaf;
    leaf.at = here();
    leaf.kind = node_kind::string;
    std::string out;
    next();
    while (true) {
      if (done()) out_.abandon(leaf.at, "not JSON: a string without its end");
      if (static_cast<unsigned char>(peek()) < 0x20) out_.abandon(here(), "not JSON: a control character in a string");
      const char c = next();
      if (c == '"') break;
      if (c == '\\') {
        escape(out);
      } else {
        out += c;
      }
    }
    leaf.scalar = out;
    out_.scalar(std::move(leaf));
  }
  static bool is_number(std::string_view text) {
    std::size_t at = 0;
    const auto digits = [&] {
      const auto begin = at;
      while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
      return at - begin;
    };
    if (text.starts_with('-')) ++at;
    const auto first = at;
    const auto whole = digits();
    if (whole == 0 || (whole > 1 && text[first] == '0')) return false;
    if (at < text.size() && text[at] == '.') {
      ++at;
      if (digits() == 0) return false;
    }
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
      ++at;
      if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
      if (digits() == 0) return false;
    }
    return at == text.size();
  }
  void word() {
    const auto end = text_.find_first_of(" \t\r\n,]}:\"{[", at_);
    const auto text = text_.substr(at_, end == std::string_view::npos ? end : end - at_);
    node leaf;
    leaf.at = here();
    if (text != "true" && text != "false" && text != "null" && !is_number(text)) {
      out_.abandon(here(), "not JSON: expected a value, found " +
                               (text.empty() ? found() : "\"" + std::string{text.substr(0, 40)} + "\""));
    }
    if (!resolve_plain(text, leaf)) out_.abandon(leaf.at, "the number \"" + std::string{text} + "\" is too large");
    for (std::size_t i = 0; i < text.size(); ++i) next();
    out_.scalar(std::move(leaf));
  }

  std::string_view text_;
  tree_builder& out_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1, column_ = 1;
};

}  // namespace

node_ptr read_json(std::string_view text, const std::string& file, std::vector<problem>& problems) {
  tree_builder out{file, problems};
  try {
    json_reader{text, out}.document();
  } catch (const abandoned&) {
    return nullptr;
  }
  return out.take();
}

}  // namespace perdure::dsl
