// The conformance suite of backends: what every backend has to do, as checks that anybody can run on their own.
//
//   auto problems = perdure::testing::check_backend(mine, {.succeeds = …, .fails = …, .hangs = …});
//   REQUIRE(problems.empty());
//
// It submits a few jobs in real time and leaves none that runs. Link `perdure_testing`.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "perdure/backend.hpp"

namespace perdure::testing {

/// Specs in the backend's own form, for what the checks need. Checks without theirs are left out, and said so.
struct backend_check_options {
  std::optional<json::value> succeeds;         ///< ends well, soon
  std::optional<json::value> fails;            ///< ends badly, soon
  std::optional<json::value> hangs;            ///< goes on until it is cancelled
  std::optional<json::value> writes;           ///< writes the lines "one", "two", "three" to one stream, and ends well
  std::optional<json::value> leaves;           ///< leaves one artifact "result.txt" with the content "done"
  std::optional<json::value> refused;          ///< can never be accepted
  std::chrono::milliseconds patience{10'000};  ///< for one answer, and for one job to end
  std::string prefix = "check";  ///< submit keys begin with it; a backend that remembers wants another one each time
  std::function<void(const std::string&)> note;  ///< told of each check as it begins, and of those that are left out
};

/// What is wrong, one sentence each; empty when the backend conforms.
[[nodiscard]] std::vector<std::string> check_backend(backend& which, const backend_check_options& options);

}  // namespace perdure::testing
