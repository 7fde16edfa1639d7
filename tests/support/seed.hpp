// The seed of this test session: from PERDURE_SEED, else fresh.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>

namespace perdure::test {

inline std::uint64_t session_seed() {
  static const std::uint64_t seed = [] {
    if (const char* chosen = std::getenv("PERDURE_SEED")) return std::stoull(chosen);
    std::random_device device;
    return (static_cast<std::uint64_t>(device()) << 32 | device()) & 0x7fffffffffffffffULL;
  }();
  return seed;
}

}  // namespace perdure::test
