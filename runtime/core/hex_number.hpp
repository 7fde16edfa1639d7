// Whole numbers as hexadecimal digits, in lower case.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace perdure::core {

/// With zeros in front when it has fewer digits.
[[nodiscard]] std::string hex_number(std::uint64_t value, std::size_t least_digits = 1);
/// Nothing when the text is not such a number, all of it.
[[nodiscard]] std::optional<std::uint64_t> read_hex_number(std::string_view text);

}  // namespace perdure::core
