// A JSON value in its stored form: immutable text, shared instead of copied.
#pragma once

#include <boost/json/value.hpp>

#include <memory>
#include <string>
#include <string_view>

#include "perdure/error.hpp"

namespace perdure {

namespace json = boost::json;

/// Compact JSON text that is known to be well-formed. Copying shares the text; any thread may read it.
/// The empty payload stands for `null`.
class payload {
 public:
  payload() = default;
  /// Writes the value as text. Throws step_error: bad_message for NaN, infinities and strings that are not UTF-8,
  /// limit for more than limits::json_depth levels. Doubles come back exactly.
  explicit payload(const json::value& value);
  /// Checks the text; `invalid_argument` with the position on malformed JSON, `payload_too_large` over the limit.
  [[nodiscard]] static result<payload> parse_text(std::string_view text);
  /// Takes text that the engine itself wrote before.
  [[nodiscard]] static payload trusted(std::string text);

  [[nodiscard]] std::string_view text() const noexcept { return text_ ? std::string_view{*text_} : "null"; }
  /// Throws step_error(corrupt) for trusted text that is no JSON.
  [[nodiscard]] json::value value() const;
  [[nodiscard]] std::size_t size() const noexcept { return text().size(); }
  [[nodiscard]] bool is_null() const noexcept { return !text_ || *text_ == "null"; }
  bool operator==(const payload& other) const noexcept { return text() == other.text(); }

 private:
  std::shared_ptr<const std::string> text_;
};

}  // namespace perdure
