// Runtime expressions: a compiled program, and JSON values with expressions in them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "dsl/expression_host.hpp"
#include "dsl/jq_evaluate.hpp"

namespace perdure::dsl {

enum class evaluate_mode : std::uint8_t { strict, loose };

/// A jq program that was accepted. Immutable; any thread.
class expression {
 public:
  /// `invalid_argument` when jq 1.6 would refuse it, `names` are the variables it may use.
  /// Whether jq accepts a program that is not native is for the host to check.
  [[nodiscard]] static result<std::shared_ptr<const expression>> compile(std::string source,
                                                                         const std::vector<std::string>& names);

  [[nodiscard]] const std::string& source() const noexcept { return source_; }
  [[nodiscard]] bool is_native() const noexcept { return program_.verdict == jq_verdict::native; }
  /// The variables it uses, of those it was allowed.
  [[nodiscard]] const std::vector<std::string>& variables() const noexcept { return variables_; }

  /// One value as it is, none as null, several as an array of them. `host` may be null for native programs.
  [[nodiscard]] result<json::value> evaluate(const json::value& input, const variable_lookup& lookup,
                                             expression_host* host) const;

 private:
  std::string source_;
  jq_program program_;
  std::vector<std::string> variables_;
};
using expression_ptr = std::shared_ptr<const expression>;

/// A value of a document whose strings may be expressions: "${ … }" as a whole gives the expression's value, inside
/// other text its value as text. Immutable; any thread.
class dynamic_value {
 public:
  dynamic_value() = default;
  explicit dynamic_value(json::value constant) : content_(std::move(constant)) {}
  explicit dynamic_value(expression_ptr program) : content_(std::move(program)) {}

  struct text {
    std::vector<std::variant<std::string, expression_ptr>> parts;
  };
  struct loose {
    expression_ptr program;
    std::string otherwise;  ///< the value when the program fails
  };
  using list = std::vector<dynamic_value>;
  using map = std::vector<std::pair<std::string, dynamic_value>>;
  explicit dynamic_value(text parts) : content_(std::move(parts)) {}
  explicit dynamic_value(loose maybe) : content_(std::move(maybe)) {}
  explicit dynamic_value(list items) : content_(std::move(items)) {}
  explicit dynamic_value(map members) : content_(std::move(members)) {}

  /// Null when expressions have to be evaluated.
  [[nodiscard]] const json::value* constant() const noexcept { return std::get_if<json::value>(&content_); }
  [[nodiscard]] bool is_native() const;
  void add_variables(std::vector<std::string>& names) const;
  /// Whether the source of some expression in it holds the text.
  [[nodiscard]] bool mentions(std::string_view text) const;
  [[nodiscard]] result<json::value> evaluate(const json::value& input, const variable_lookup& lookup,
                                             expression_host* host) const;

 private:
  std::variant<json::value, expression_ptr, text, loose, list, map> content_;
};

/// "${ … }": the program inside, when the whole text (white space around it aside) is one expression.
[[nodiscard]] std::optional<std::string_view> whole_expression(std::string_view text);

/// Text with expressions inside: pieces in order, `program` true for an expression. One piece when there is none.
/// An expression inside text begins with "${" and white space, '.', or '$' and a letter, so that "${HOME}" of a shell
/// stays what it is.
struct text_piece {
  std::string_view text;
  bool program = false;
};
[[nodiscard]] std::vector<text_piece> split_text(std::string_view text);

}  // namespace perdure::dsl
