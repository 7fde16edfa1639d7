// What a running document passes around: values, variables, errors.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dsl/model.hpp"
#include "perdure/error.hpp"
#include "perdure/time.hpp"

namespace perdure::dsl {

/// A JSON value that several tasks share. The value never changes and may be read by any thread; `stored` is for the
/// coroutine alone.
class data {
 public:
  explicit data(json::value value) : value_(std::move(value)) {}
  explicit data(payload stored) : value_(stored.value()), stored_(std::move(stored)) {}
  [[nodiscard]] const json::value& value() const noexcept { return value_; }
  /// As text, made once. Throws step_error for what cannot be stored.
  [[nodiscard]] const payload& stored() const {
    if (!stored_) stored_.emplace(value_);
    return *stored_;
  }

 private:
  json::value value_;
  mutable std::optional<payload> stored_;
};
using data_ptr = std::shared_ptr<const data>;
[[nodiscard]] inline data_ptr make_data(json::value value) { return std::make_shared<const data>(std::move(value)); }

/// A variable of a loop or a catch, in front of those around it.
struct variable_scope {
  std::shared_ptr<const variable_scope> outer;
  std::string name;
  data_ptr value;
};
using variables_ptr = std::shared_ptr<const variable_scope>;

/// The variables that one evaluation uses.
using bindings = std::vector<std::pair<std::string, data_ptr>>;
[[nodiscard]] variable_lookup lookup_in(const bindings& names);  ///< refers to `names`

/// The specification's error types. `kind` is the last part of the type: "timeout", "expression", "runtime" …
[[nodiscard]] failure make_error(std::string_view kind, std::string detail, const std::string& reference);
/// The failure with the members that the DSL wants: type, status, title, instance, and the code that is the type's end.
[[nodiscard]] failure as_error(failure why, const std::string& reference, const std::string& task, std::uint32_t attempt);
/// False: the run itself is at its end, so no catch may hold it up.
[[nodiscard]] bool can_be_caught(const failure& why);
/// {type, status, title, detail, instance}
[[nodiscard]] json::value error_value(const failure& why);
/// The failure a raise task makes of its evaluated error.
[[nodiscard]] failure raised_error(const json::value& value, const std::string& reference);
/// Whether the error has every value the filter asks for.
[[nodiscard]] bool matches(const json::value& error, const json::object& filter);

/// A duration from an evaluated expression. Throws step_error of the type "expression".
[[nodiscard]] duration to_duration(const json::value& value, const std::string& reference);
/// What $authorization is of an evaluated policy: as much of it as is known before the server is asked.
[[nodiscard]] data_ptr describe_authorization(const json::value& policy);
/// {iso8601, epoch: {seconds, milliseconds}}
[[nodiscard]] json::value describe_time(timestamp at);

}  // namespace perdure::dsl
