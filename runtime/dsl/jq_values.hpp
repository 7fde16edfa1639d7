// What jq 1.6 does with values: order, numbers as text, indexing, arithmetic. Numbers are doubles.
#pragma once

#include <compare>
#include <cstddef>
#include <string>
#include <string_view>

#include "perdure/error.hpp"
#include "perdure/payload.hpp"

namespace perdure::dsl::jq {

/// Thrown by the evaluator's parts for what jq reports as an error; never leaves evaluate().
struct failed {
  std::string message;
};

/// Memory of one evaluation's intermediate values.
class budget {
 public:
  explicit budget(std::size_t bytes) : left_(bytes) {}
  void charge(std::size_t bytes) {
    if (bytes > left_) throw failed{"the expression's values take too much memory"};
    left_ -= bytes;
  }

 private:
  std::size_t left_;
};

[[nodiscard]] bool is_true(const json::value& value) noexcept;  ///< all but null and false
[[nodiscard]] std::string_view kind(const json::value& value) noexcept;
[[nodiscard]] double number(const json::value& value) noexcept;    ///< of a number
[[nodiscard]] std::size_t length(std::string_view text) noexcept;  ///< in code points

/// null < false < true < numbers < strings < arrays < objects.
[[nodiscard]] int compare(const json::value& left, const json::value& right);
[[nodiscard]] bool equal(const json::value& left, const json::value& right);

/// The value as jq prints it, compact.
[[nodiscard]] std::string dump(const json::value& value);
/// A string as it is, anything else as `dump`.
[[nodiscard]] std::string text(const json::value& value);
/// As jq's tonumber reads it; throws `failed`.
[[nodiscard]] json::value to_number(const json::value& value);

/// The element as a reference into `of`, or to a shared null; null when it needs a value of its own (`at_new`).
[[nodiscard]] const json::value* at(const json::value& of, const json::value& key);
[[nodiscard]] json::value at_new(const json::value& of, const json::value& key);
[[nodiscard]] json::value slice(const json::value& of, const json::value& from, const json::value& to);
[[nodiscard]] bool has(const json::value& of, const json::value& key);
[[nodiscard]] json::value keys(const json::value& of, bool sorted);
[[nodiscard]] json::value length_of(const json::value& of);

/// left = left + right, without copying left.
void append(json::value& left, const json::value& right, budget& memory);
[[nodiscard]] json::value add(const json::value& left, const json::value& right, budget& memory);
[[nodiscard]] json::value subtract(const json::value& left, const json::value& right);
[[nodiscard]] json::value multiply(const json::value& left, const json::value& right, budget& memory);
[[nodiscard]] json::value divide(const json::value& left, const json::value& right);
[[nodiscard]] json::value modulo(const json::value& left, const json::value& right);

/// Numbers as jq would print and read them again: whole ones as integers, NaN as null, infinities as the largest.
[[nodiscard]] json::value settle(const json::value& value);

/// Cut for messages.
[[nodiscard]] std::string excerpt(const json::value& value);
[[nodiscard]] std::size_t weight(const json::value& value) noexcept;  ///< rough bytes of a value

}  // namespace perdure::dsl::jq
