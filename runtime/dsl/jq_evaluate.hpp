// Evaluates native jq programs with the semantics of jq 1.6: every expression is a generator of values.
//
// Operation: pure; the same program and input give the same values.
// Limitations: bounded by limits::expression_steps, expression_values and expression_result_bytes.
#pragma once

#include <functional>
#include <string_view>

#include "dsl/jq_parser.hpp"
#include "perdure/error.hpp"
#include "perdure/payload.hpp"

namespace perdure::dsl {

/// A variable's value, or null pointer when there is none of that name. The value outlives the evaluation.
using variable_lookup = std::function<const json::value*(std::string_view name)>;

/// All values the program gives, in order; `invalid_argument` with what jq would say.
[[nodiscard]] result<json::array> evaluate_jq(const jq_node& program, const json::value& input, const variable_lookup& variables);

}  // namespace perdure::dsl
