// What is wrong with a document, and where.
#pragma once

#include <cstdint>
#include <string>

namespace perdure::dsl {

/// A place in a text. Both count from 1; columns are characters, not bytes.
struct mark {
  std::uint32_t line = 1;
  std::uint32_t column = 1;
  bool operator==(const mark&) const = default;
};

enum class problem_kind : std::uint8_t {
  syntax,       ///< not YAML, not JSON, or over a limit of documents
  invalid,      ///< against the rules of the DSL
  unsupported,  ///< a valid construct that this version does not run
  forbidden,    ///< one that the operator's policy does not allow
};

struct problem {
  problem_kind kind = problem_kind::invalid;
  std::string file;
  mark at;
  std::string pointer;  ///< JSON pointer (RFC 6901) of the place in the document; empty = the document itself
  std::string message;  ///< what was expected and what was found

  /// "file:3:7: message (at /do/0/greet)".
  [[nodiscard]] std::string str() const;
  bool operator==(const problem&) const = default;
};

}  // namespace perdure::dsl
