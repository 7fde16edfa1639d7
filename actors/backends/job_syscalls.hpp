// Small things for processes that were forked from one with threads: system calls only, no allocation, no lock.
#pragma once

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "actors/backends/job_files.hpp"

namespace perdure::actors {

inline std::int64_t now_us(clockid_t which) {
  timespec at{};
  clock_gettime(which, &at);
  return static_cast<std::int64_t>(at.tv_sec) * 1'000'000 + at.tv_nsec / 1'000;
}

inline bool write_all(int file, const void* bytes, std::size_t size) {
  const auto* at = static_cast<const char*>(bytes);
  while (size > 0) {
    const auto wrote = write(file, at, size);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    at += wrote;
    size -= static_cast<std::size_t>(wrote);
  }
  return true;
}

inline std::size_t read_file(const char* name, char* into, std::size_t size) {
  const int file = open(name, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  std::size_t out = 0;
  while (out < size) {
    const auto got = read(file, into + out, size - out);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    out += static_cast<std::size_t>(got);
  }
  close(file);
  return out;
}

inline void put_hex(char* to, std::uint64_t value) {
  static constexpr char digits[] = "0123456789abcdef";
  for (std::size_t i = log_name_digits; i-- > 0; value >>= 4U) to[i] = digits[value & 15U];
}

}  // namespace perdure::actors
