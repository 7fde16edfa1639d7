// Small things for processes that were forked from one with threads: system calls only, no allocation, no lock.
#pragma once

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "actors/backends/job_records.hpp"

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

inline std::size_t read_all(int file, char* into, std::size_t size) {
  std::size_t out = 0;
  while (out < size) {
    const auto got = read(file, into + out, size - out);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    out += static_cast<std::size_t>(got);
  }
  return out;
}

inline std::size_t read_file(const char* name, char* into, std::size_t size) {
  const int file = open(name, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  const auto out = read_all(file, into, size);
  close(file);
  return out;
}

inline void put_hex(char* to, std::uint64_t value) {
  static constexpr char digits[] = "0123456789abcdef";
  for (std::size_t i = log_name_digits; i-- > 0; value >>= 4U) to[i] = digits[value & 15U];
}

/// Into a file that is there, with one call.
inline bool write_text(int folder, const char* name, const char* text, std::size_t size) {
  const int file = openat(folder, name, O_WRONLY | O_CLOEXEC);
  if (file < 0) return false;
  const auto wrote = write(file, text, size);
  close(file);
  return wrote == static_cast<ssize_t>(size);
}

/// What /proc/<pid>/stat says. The second field is the program's name in parentheses, which may hold anything: what follows the
/// last one counts.
inline bool read_facts(const char* text, std::size_t size, process_facts& out) {
  std::size_t at = size;
  while (at > 0 && text[at - 1] != ')') --at;
  if (at == 0 || at + 2 > size) return false;
  const char* state = text + at + 1;
  if (at + 1 >= size) return false;
  out.ended = *state == 'Z' || *state == 'X' || *state == 'x';
  // The state is field 3; the start is field 22.
  std::size_t field = 3;
  for (at = at + 1; at < size && field < 22; ++at) {
    if (text[at] == ' ') ++field;
  }
  if (field != 22) return false;
  out.start = 0;
  bool any = false;
  for (; at < size && text[at] >= '0' && text[at] <= '9'; ++at, any = true)
    out.start = out.start * 10 + static_cast<std::uint64_t>(text[at] - '0');
  return any;
}

}  // namespace perdure::actors
