// The port to isolated workers: a full jq for what the native evaluator does not know, and checks of values against
// schemas that could keep this process busy.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "perdure/error.hpp"
#include "perdure/payload.hpp"

namespace perdure::dsl {

struct expression_text {
  std::string program;
  std::vector<std::string> names;  ///< its variables
};

/// Implementations block until the answer is there, keep to limits::expression_time, and may be called from any thread.
class expression_host {
 public:
  virtual ~expression_host() = default;
  /// All values the program gives for the input, in order. `args` are its variables, named without '$'.
  /// invalid_argument: the program does not compile, or failed on this input; the message is jq's. limit_exceeded: it
  /// took too long or too much memory. unsupported: no jq here. io_error: the system refused.
  virtual result<json::array> evaluate(const std::string& program, const json::value& input, const json::object& args) = 0;
  /// Whether all of the programs compile; the same errors. One answer for all, since compiling is slow and most
  /// documents are fine.
  virtual result<void> check(const std::vector<expression_text>& programs) = 0;
  /// What of the value does not fit the JSON Schema (an array of texts); the same errors.
  virtual result<json::array> validate(const json::value& schema, const json::value& value) = 0;
  /// Whether it is a schema; the same errors.
  virtual result<void> check_schema(const json::value& schema) = 0;
};

}  // namespace perdure::dsl
