// CRC-32C (Castagnoli), the check of every stored record and row.
#pragma once

#include <cstddef>
#include <cstdint>

namespace perdure::persistence {

/// The check of `bytes`; give the check of what went before as `before` to go on from it.
[[nodiscard]] std::uint32_t crc32c(const void* bytes, std::size_t size, std::uint32_t before = 0);

namespace detail {
/// The way without special instructions; the same results.
[[nodiscard]] std::uint32_t crc32c_portable(const void* bytes, std::size_t size, std::uint32_t before);
}  // namespace detail

}  // namespace perdure::persistence
