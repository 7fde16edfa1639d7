#include "core/hex_number.hpp"

#include <array>
#include <charconv>

namespace perdure::core {

std::string hex_number(std::uint64_t value, std::size_t least_digits) {
  std::array<char, 16> digits{};
  const auto* end = std::to_chars(digits.data(), digits.data() + digits.size(), value, 16).ptr;
  const std::string_view text{digits.data(), static_cast<std::size_t>(end - digits.data())};
  return std::string(least_digits > text.size() ? least_digits - text.size() : 0, '0').append(text);
}

std::optional<std::uint64_t> read_hex_number(std::string_view text) {
  std::uint64_t out = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), out, 16);
  if (text.empty() || read.ec != std::errc{} || read.ptr != text.data() + text.size()) return std::nullopt;
  return out;
}

}  // namespace perdure::core
