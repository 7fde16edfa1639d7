// A user's JSON Schema (draft 7): checks values against it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "perdure/error.hpp"
#include "perdure/payload.hpp"

namespace perdure::dsl {

/// Immutable; any thread.
class schema {
 public:
  /// `invalid_argument` with what is wrong with it; `unsupported`: a keyword that this version does not check.
  [[nodiscard]] static result<std::shared_ptr<const schema>> compile(json::value document);

  /// One that is not looked at here, for a worker process.
  [[nodiscard]] static result<std::shared_ptr<const schema>> keep(json::value document);

  /// False when some value could keep a check busy without end or take the process down: it has references, regular
  /// expressions, formats or uniqueItems. Such a schema is for a worker process (expression_host::validate).
  [[nodiscard]] static bool is_simple(const json::value& document);

  [[nodiscard]] const json::value& document() const noexcept;
  /// Whether `problems` may be asked here.
  [[nodiscard]] bool is_compiled() const noexcept;
  /// What of the value does not fit, at most limits::schema_problems; empty when all of it does.
  [[nodiscard]] std::vector<std::string> problems(const json::value& value) const;

 private:
  struct parts;
  std::shared_ptr<const parts> parts_;
};
using schema_ptr = std::shared_ptr<const schema>;

}  // namespace perdure::dsl
