// Times for people: relative and absolute.
#pragma once

#include <optional>
#include <string>

#include "perdure/time.hpp"

namespace perdure::tools::cli {

[[nodiscard]] timestamp wall_clock();
/// "just now", "3m ago", "in 2h".
[[nodiscard]] std::string relative(timestamp at, timestamp now);
/// "2026-11-22 10:00:00Z (3m ago)".
[[nodiscard]] std::string absolute_and_relative(timestamp at, timestamp now);
/// The same from RFC 3339 text; "-" for empty text.
[[nodiscard]] std::string absolute_and_relative(const std::string& at, timestamp now);
/// "340ms", "12s", "3m 20s" between two RFC 3339 times; empty when one is missing.
[[nodiscard]] std::string between(const std::string& from, const std::string& to);

}  // namespace perdure::tools::cli
