// Identifiers. Strong types, printable, ordered; a run's id is a UUIDv7 (RFC 9562), so ids sort by creation time.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace perdure {

/// Identifies one run. Printed canonically (8-4-4-4-12 hex digits, lower case). A default-made id is nil.
struct run_id {
  std::array<std::uint8_t, 16> bytes{};

  auto operator<=>(const run_id&) const = default;
  [[nodiscard]] bool is_nil() const noexcept { return *this == run_id{}; }
  [[nodiscard]] std::string str() const;
  /// Accepts the canonical form only, either case; anything else is empty.
  [[nodiscard]] static std::optional<run_id> parse(std::string_view text);
  /// A fresh UUIDv7 of the present time. Any thread. Ids made by one process increase strictly.
  [[nodiscard]] static run_id make();
};

/// Numbers the activations of one run, from 1 in the order they were scheduled.
using activation_id = std::uint32_t;
/// Numbers the steps of one activation, from 0 in the order the handler issued them.
using step_ordinal = std::uint32_t;
/// Position in one run's journal; the first event has seq 1.
using run_seq = std::uint64_t;
/// Position in the whole journal; the first record has LSN 1.
using lsn_t = std::uint64_t;

}  // namespace perdure

template <>
struct std::hash<perdure::run_id> {
  std::size_t operator()(const perdure::run_id& id) const noexcept {
    std::uint64_t word = 0;
    for (int i = 8; i < 16; ++i) word = word << 8 | id.bytes[static_cast<std::size_t>(i)];
    return static_cast<std::size_t>(word * 0x9E3779B97F4A7C15ULL);
  }
};
