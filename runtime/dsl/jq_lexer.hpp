// jq 1.6 programs as tokens. Brackets and strings are matched here, so that what passes can be put into parentheses.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace perdure::dsl {

enum class jq_token_kind : std::uint8_t {
  identifier,  ///< name, also keywords and a::b
  field,       ///< .name; text is the name
  number,
  format,        ///< @base64
  string_begin,  ///< then string_text and interpolations, then string_end
  string_text,
  interpolation_begin,
  interpolation_end,
  string_end,
  symbol,  ///< operators and brackets
  end,
};

struct jq_token {
  jq_token_kind kind = jq_token_kind::end;
  std::string text;  ///< string_text: decoded
  double number = 0;
  std::size_t at = 0;  ///< offset in the program
  bool is(std::string_view symbol) const { return kind == jq_token_kind::symbol && text == symbol; }
  bool is_word(std::string_view word) const { return kind == jq_token_kind::identifier && text == word; }
};

struct jq_error {
  std::string message;
  std::size_t at = 0;
};

struct jq_tokens {
  std::vector<jq_token> list;     ///< ends with `end`
  std::optional<jq_error> error;  ///< then the list is incomplete
  std::size_t stopped = 0;        ///< offset after the last token
};

[[nodiscard]] jq_tokens lex_jq(std::string_view program);
/// As lex_jq from `from`, but a '}' without its '{' ends it: `stopped` is its offset; `error` when there is none.
[[nodiscard]] jq_tokens lex_jq_to_brace(std::string_view text, std::size_t from);

/// The first name in the program that runtime expressions may not use, since it reaches outside of its input (env,
/// input, import, debug, halt …).
[[nodiscard]] std::optional<jq_error> find_forbidden(const std::vector<jq_token>& tokens);

[[nodiscard]] bool is_jq_keyword(std::string_view word) noexcept;

}  // namespace perdure::dsl
