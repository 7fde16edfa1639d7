#include "persistence/crc32c.hpp"

#include <boost/crc.hpp>

#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace perdure::persistence {

namespace detail {

std::uint32_t crc32c_portable(const void* bytes, std::size_t size, std::uint32_t before) {
  // Boost gives and takes the remainder before the last inversion; it reflects the initial remainder itself.
  static constexpr auto reflect = [](std::uint32_t value) {
    std::uint32_t mirrored = 0;
    for (int bit = 0; bit < 32; ++bit) mirrored |= ((value >> bit) & 1U) << (31 - bit);
    return mirrored;
  };
  boost::crc_optimal<32, 0x1EDC6F41, 0, 0xFFFFFFFF, true, true> crc{reflect(~before)};
  crc.process_bytes(bytes, size);
  return crc.checksum();
}

}  // namespace detail

#if defined(__x86_64__)
namespace {

__attribute__((target("sse4.2"))) std::uint32_t crc32c_sse42(const void* bytes, std::size_t size, std::uint32_t before) {
  const auto* at = static_cast<const unsigned char*>(bytes);
  std::uint64_t crc = ~before;
  for (; size >= 8; size -= 8, at += 8) {
    std::uint64_t word;
    std::memcpy(&word, at, sizeof word);
    crc = _mm_crc32_u64(crc, word);
  }
  auto narrow = static_cast<std::uint32_t>(crc);
  for (; size > 0; --size, ++at) narrow = _mm_crc32_u8(narrow, *at);
  return ~narrow;
}

}  // namespace

std::uint32_t crc32c(const void* bytes, std::size_t size, std::uint32_t before) {
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  return has_instruction ? crc32c_sse42(bytes, size, before) : detail::crc32c_portable(bytes, size, before);
}
#else
std::uint32_t crc32c(const void* bytes, std::size_t size, std::uint32_t before) {
  return detail::crc32c_portable(bytes, size, before);
}
#endif

}  // namespace perdure::persistence
