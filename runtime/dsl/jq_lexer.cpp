#include "dsl/jq_lexer.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace perdure::dsl {

namespace {

constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Longest first.
constexpr std::array<std::string_view, 35> symbols{
    "?//", "//=", "|=", "+=", "-=", "*=", "/=", "%=", "==", "!=", "<=", ">=", "//", "..", "|", ",", "=", "+",
    "-",   "*",   "/",  "%",  "<",  ">",  "?",  ".",  ";",  ":",  "$",  "(",  ")",  "[",  "]", "{", "}"};

class lexer {
 public:
  lexer(std::string_view text, std::size_t from, bool to_brace) : text_(text), at_(from), to_brace_(to_brace) {}

  jq_tokens run() {
    while (!out_.error && step()) {
    }
    if (!out_.error && !ended_ && (to_brace_ || !open_.empty())) {
      fail(open_.empty() ? "a '}' is missing" : "the end of " + name_of(open_.back().symbol) + " is missing",
           open_.empty() ? at_ : open_.back().at);
    }
    push(jq_token_kind::end, {}, at_);
    out_.stopped = at_;
    return std::move(out_);
  }

 private:
  struct open_bracket {
    char symbol = '(';  ///< '(', '[', '{', '"', or '\\' for an interpolation
    std::size_t at = 0;
  };
  static std::string name_of(char symbol) {
    if (symbol == '"') return "a string";
    if (symbol == '\\') return "an interpolation";
    std::string out = "' '";
    out[1] = symbol;
    return out;
  }

  [[nodiscard]] char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  void push(jq_token_kind kind, std::string text, std::size_t at) { out_.list.push_back({kind, std::move(text), 0, at}); }
  void fail(std::string message, std::size_t at) { out_.error = jq_error{std::move(message), at}; }

  bool step() {
    if (!open_.empty() && open_.back().symbol == '"') return in_string();
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
    if (at_ >= text_.size()) return false;
    const auto at = at_;
    const char c = text_[at];
    if (c == '#') {
      while (at_ < text_.size() && text_[at_] != '\n') ++at_;
    } else if (c == '"') {
      ++at_;
      open_.push_back({'"', at});
      push(jq_token_kind::string_begin, {}, at);
    } else if (c == '@' && (is_letter(peek(1)) || is_digit(peek(1)))) {
      ++at_;
      push(jq_token_kind::format, std::string{"@"} + word(false), at);
    } else if (is_letter(c)) {
      push(jq_token_kind::identifier, word(true), at);
    } else if (c == '.' && is_letter(peek(1))) {
      ++at_;
      push(jq_token_kind::field, word(false), at);
    } else if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
      number();
    } else {
      return symbol();
    }
    return true;
  }

  std::string word(bool qualified) {
    const auto begin = at_;
    const auto part = [&] {
      while (is_letter(peek()) || is_digit(peek())) ++at_;
    };
    part();
    while (qualified && peek() == ':' && peek(1) == ':' && is_letter(peek(2))) {
      at_ += 2;
      part();
    }
    return std::string{text_.substr(begin, at_ - begin)};
  }

  void number() {
    const auto begin = at_;
    while (is_digit(peek())) ++at_;
    if (peek() == '.') ++at_;
    while (is_digit(peek())) ++at_;
    if (peek() == 'e' || peek() == 'E') {
      const auto sign = peek(1) == '+' || peek(1) == '-' ? std::size_t{1} : std::size_t{0};
      if (is_digit(peek(1 + sign))) {
        at_ += 1 + sign;
        while (is_digit(peek())) ++at_;
      }
    }
    const auto text = text_.substr(begin, at_ - begin);
    push(jq_token_kind::number, std::string{text}, begin);
    auto& value = out_.list.back().number;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
    if (end.ec == std::errc::result_out_of_range)
      value = text.find("e-") != text.npos || text.find("E-") != text.npos ? 0.0 : HUGE_VAL;
  }

  bool symbol() {
    const auto rest = text_.substr(at_);
    const auto* found = std::find_if(symbols.begin(), symbols.end(), [&](auto each) { return rest.starts_with(each); });
    if (found == symbols.end()) {
      fail("an unexpected character", at_);
      return false;
    }
    const auto at = at_;
    const char c = (*found)[0];
    const auto closes = c == ')' ? '(' : c == ']' ? '[' : c == '}' ? '{' : '\0';
    if (c == '}' && to_brace_ && open_.empty()) {
      ended_ = true;
      return false;
    }
    at_ += found->size();
    if (c == '(' || c == '[' || c == '{') {
      open_.push_back({c, at});
    } else if (closes != '\0') {
      if (c == ')' && !open_.empty() && open_.back().symbol == '\\') {
        open_.pop_back();
        push(jq_token_kind::interpolation_end, {}, at);
        return true;
      }
      if (open_.empty() || open_.back().symbol != closes) {
        fail(name_of(c) + " without its " + name_of(closes), at);
        return false;
      }
      open_.pop_back();
    }
    push(jq_token_kind::symbol, std::string{*found}, at);
    return true;
  }

  bool in_string() {
    const auto at = at_;
    std::string text;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"' || (c == '\\' && peek(1) == '(')) {
        if (!text.empty()) push(jq_token_kind::string_text, std::move(text), at);
        if (c == '"') {
          open_.pop_back();
          push(jq_token_kind::string_end, {}, at_++);
        } else {
          open_.push_back({'\\', at_});
          push(jq_token_kind::interpolation_begin, {}, at_);
          at_ += 2;
        }
        return true;
      }
      ++at_;
      if (c != '\\') {
        text += c;
      } else if (!escape(text)) {
        return false;
      }
    }
    return false;  // run() reports the string that is still open
  }

  bool escape(std::string& out) {
    const auto at = at_ - 1;
    switch (peek()) {
      case '"':
      case '\\':
      case '/': out += peek(); break;
      case 'b': out += '\b'; break;
      case 'f': out += '\f'; break;
      case 'n': out += '\n'; break;
      case 'r': out += '\r'; break;
      case 't': out += '\t'; break;
      case 'u': return unicode(out, at);
      default: fail("an unknown escape in a string", at); return false;
    }
    ++at_;
    return true;
  }
  bool unicode(std::string& out, std::size_t at) {
    auto code = hex4();
    if (code && *code >= 0xD800 && *code <= 0xDBFF) {
      const auto low = peek() == '\\' && peek(1) == 'u' ? (++at_, hex4()) : std::nullopt;
      if (!low || *low < 0xDC00 || *low > 0xDFFF) {
        fail("half of a surrogate pair in a string", at);
        return false;
      }
      code = 0x10000U + ((*code - 0xD800U) << 10U) + (*low - 0xDC00U);
    }
    if (!code || (*code >= 0xDC00 && *code <= 0xDFFF)) {
      fail("an unknown escape in a string", at);
      return false;
    }
    const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
    if (*code < 0x80) {
      put(*code);
    } else if (*code < 0x800) {
      put(0xC0U | *code >> 6U);
      put(0x80U | (*code & 0x3FU));
    } else if (*code < 0x10000) {
      put(0xE0U | *code >> 12U);
      put(0x80U | (*code >> 6U & 0x3FU));
      put(0x80U | (*code & 0x3FU));
    } else {
      put(0xF0U | *code >> 18U);
      put(0x80U | (*code >> 12U & 0x3FU));
      put(0x80U | (*code >> 6U & 0x3FU));
      put(0x80U | (*code & 0x3FU));
    }
    return true;
  }
  /// At 'u': reads it and four digits.
  std::optional<std::uint32_t> hex4() {
    const auto digits = text_.substr(std::min(at_ + 1, text_.size()), 4);
    std::uint32_t code = 0;
    const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
    if (digits.size() < 4 || end.ptr != digits.data() + 4) return std::nullopt;
    at_ += 5;
    return code;
  }

  std::string_view text_;
  std::size_t at_;
  bool to_brace_;
  bool ended_ = false;
  std::vector<open_bracket> open_;
  jq_tokens out_;
};

/// Everything of jq 1.6 that looks at the process, its input stream or files.
constexpr std::array<std::string_view, 16> forbidden{
    "env",        "input",           "inputs", "debug",   "stderr", "input_filename",    "halt",          "halt_error",
    "modulemeta", "get_search_list", "import", "include", "module", "input_line_number", "get_jq_origin", "get_prog_origin"};
constexpr std::array<std::string_view, 2> forbidden_variables{"ENV", "__prog_args"};

template <class List>
bool contains(const List& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

}  // namespace

jq_tokens lex_jq(std::string_view program) { return lexer{program, 0, false}.run(); }
jq_tokens lex_jq_to_brace(std::string_view text, std::size_t from) { return lexer{text, from, true}.run(); }

std::optional<jq_error> find_forbidden(const std::vector<jq_token>& tokens) {
  std::vector<char> open;  // innermost bracket last
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto& token = tokens[i];
    if (token.kind == jq_token_kind::interpolation_begin) open.push_back('(');
    if (token.is("(") || token.is("[") || token.is("{")) open.push_back(token.text[0]);
    if ((token.kind == jq_token_kind::interpolation_end || token.is(")") || token.is("]") || token.is("}")) && !open.empty())
      open.pop_back();
    if (token.kind != jq_token_kind::identifier) continue;
    const auto* before = i > 0 ? &tokens[i - 1] : nullptr;
    const bool variable = before != nullptr && before->is("$");
    if (!(variable ? contains(forbidden_variables, token.text) : contains(forbidden, token.text))) continue;
    // {env: 1} and {input} name a property.
    const bool key =
        !variable && !open.empty() && open.back() == '{' && before != nullptr && (before->is("{") || before->is(","));
    if (key) continue;
    return jq_error{"\"" + std::string{variable ? "$" : ""} + token.text + "\" is not available in runtime expressions",
                    token.at};
  }
  return std::nullopt;
}

bool is_jq_keyword(std::string_view word) noexcept {
  constexpr std::array<std::string_view, 19> words{"as",   "def",   "module", "import",  "include", "if",     "then",
                                                   "else", "elif",  "and",    "or",      "end",     "reduce", "foreach",
                                                   "try",  "catch", "label",  "__loc__", "break"};
  return contains(words, word);
}

}  // namespace perdure::dsl
