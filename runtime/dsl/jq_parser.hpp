// The subset of jq 1.6 that is evaluated natively, as a tree; and a verdict on programs beyond it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/jq_lexer.hpp"
#include "perdure/payload.hpp"

namespace perdure::dsl {

enum class jq_op : std::uint8_t {
  identity,
  constant,  ///< value
  variable,  ///< name
  index,     ///< args: term, key
  slice,     ///< args: term, from or null, to or null
  iterate,   ///< args: term
  optional,  ///< args: term; its errors, and those of what comes after it, are dropped
  pipe,      ///< args: left, right; so are the operators down to `modulo`
  comma,
  alternative,  ///< "//"
  logical_or,
  logical_and,
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  add,
  subtract,
  multiply,
  divide,
  modulo,
  negate,       ///< args: term
  conditional,  ///< args: condition, then, else
  text,         ///< args: parts; every value as text, joined
  array,        ///< args: generator, or none
  object,       ///< args: key, value, key, value …
  call,         ///< name, args
};

struct jq_node {
  jq_op op = jq_op::identity;
  json::value value;
  std::string name;
  std::vector<std::unique_ptr<jq_node>> args;
  bool soft = false;  ///< index, slice, iterate: a failing access gives no value
  std::size_t depth = 1;
};

enum class jq_verdict : std::uint8_t {
  native,   ///< `root` can be evaluated here
  foreign,  ///< needs jq itself, which may still refuse it
  invalid,  ///< jq 1.6 would refuse it: `error`
};

struct jq_program {
  jq_verdict verdict = jq_verdict::invalid;
  std::unique_ptr<jq_node> root;
  std::optional<jq_error> error;
  std::vector<std::string> variables;  ///< names used, sorted; of a foreign program also those it binds itself
  bool binds = false;                  ///< foreign: it binds variables of its own
};

[[nodiscard]] jq_program parse_jq(std::string_view program);

/// True when jq 1.6 has such a function.
[[nodiscard]] bool is_jq_function(std::string_view name, std::size_t arity) noexcept;

}  // namespace perdure::dsl
