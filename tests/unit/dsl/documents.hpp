// What the tests of documents share: reading a text, and saying what problems it has.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dsl/document.hpp"
#include "support/catch.hpp"

namespace perdure::test {

using dsl::document;
using dsl::problem;
using dsl::problem_kind;

inline const std::string header = R"(document:
  dsl: '1.0.3'
  namespace: test
  name: sample
  version: '0.1.0'
)";

inline std::vector<problem> problems_of(std::string_view text, const dsl::read_options& options = {},
                                        const std::string& file = "a.yaml") {
  auto read = dsl::read_document(text, file, options);
  auto* problems = std::get_if<std::vector<problem>>(&read);
  return problems != nullptr ? std::move(*problems) : std::vector<problem>{};
}

inline document read_valid(std::string_view text) {
  auto read = dsl::read_document(text, "a.yaml");
  if (const auto* problems = std::get_if<std::vector<problem>>(&read)) {
    for (const auto& each : *problems) UNSCOPED_INFO(each.str());
    FAIL("the document has problems");
  }
  return std::get<document>(std::move(read));
}

/// The problems as "line:column pointer: message".
inline std::vector<std::string> told(const std::vector<problem>& problems) {
  std::vector<std::string> out;
  for (const auto& each : problems) {
    out.push_back(std::to_string(each.at.line) + ":" + std::to_string(each.at.column) + " " + each.pointer + ": " + each.message);
  }
  return out;
}

/// Tasks after the header, which has five lines.
inline std::vector<std::string> told_of(std::string_view rest) { return told(problems_of(header + std::string{rest})); }

inline bool mentions(const std::vector<std::string>& lines, std::string_view part) {
  return std::any_of(lines.begin(), lines.end(), [&](const auto& line) { return line.find(part) != std::string::npos; });
}

}  // namespace perdure::test
