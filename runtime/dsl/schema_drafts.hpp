// JSON Schemas of the drafts after 7, written as draft 7 has it: what checks schemas knows no later one. Pure.
#pragma once

#include "perdure/error.hpp"
#include "perdure/payload.hpp"

namespace perdure::dsl {

/// `dependentRequired`, `dependentSchemas`, `prefixItems`, what stands beside `$ref`, and `unevaluatedProperties` where nothing
/// but the schema itself can evaluate one. unsupported: a keyword that draft 7 has no words for, with its JSON pointer; a schema
/// must not check less than its author wrote. One whose `$schema` names draft 7 or an earlier one stays as it is.
[[nodiscard]] result<json::value> as_draft_7(json::value schema);

}  // namespace perdure::dsl
