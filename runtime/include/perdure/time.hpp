// Time as Perdure stores it: microseconds since the Unix epoch, UTC.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace perdure {

using duration = std::chrono::microseconds;
using timestamp = std::chrono::sys_time<duration>;

/// "2026-11-22T10:00:00.123456Z" (RFC 3339, always UTC, microseconds). Times outside of the years 0 to 9999 are
/// written as the nearest one inside.
[[nodiscard]] std::string to_string(timestamp at);
/// Reads what `to_string` writes, and any RFC 3339 date-time with up to nine fraction digits and an offset.
[[nodiscard]] std::optional<timestamp> parse_timestamp(std::string_view text);
/// "1.5s", "2m 3s", "150ms": for people, never parsed again.
[[nodiscard]] std::string to_human(duration length);

}  // namespace perdure
