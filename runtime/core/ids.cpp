// Run ids: UUIDv7 (RFC 9562), strictly increasing within the process.
#include "perdure/ids.hpp"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <mutex>

#include "core/assert.hpp"

namespace perdure {

namespace {

std::uint64_t system_random() {
  std::uint64_t out = 0;
  ssize_t got = 0;
  do {
    got = ::getrandom(&out, sizeof out, 0);
  } while (got < 0 && errno == EINTR);
  PERDURE_ASSERT(got == static_cast<ssize_t>(sizeof out));  // eight bytes never come in parts
  return out;
}

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

constexpr bool dash_before(std::size_t byte) { return byte == 4 || byte == 6 || byte == 8 || byte == 10; }

/// Milliseconds and 74 random bits (12 + 62). In a millisecond that is not later than the last one the bits count up
/// by a random amount (RFC 9562, 6.2 method 2), so ids stay ordered when the clock stands or goes back.
class id_source {
 public:
  run_id next() {
    using namespace std::chrono;
    const auto now = static_cast<std::uint64_t>(duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count());
    const auto random = system_random();
    const std::lock_guard lock{mutex_};
    if (now > millisecond_) {
      millisecond_ = now;
      // The top bit stays free: room to count up.
      high_ = system_random() & 0x7FFU;
      low_ = random & low_mask;
    } else {
      low_ += 1 + (random & 0xFFFFFFFFU);
      if (low_ > low_mask) {
        low_ &= low_mask;
        if (++high_ > 0xFFFU) {
          high_ = 0;
          ++millisecond_;
        }
      }
    }
    return compose();
  }

 private:
  static constexpr std::uint64_t low_mask = (std::uint64_t{1} << 62U) - 1;

  [[nodiscard]] run_id compose() const {
    run_id out;
    const auto first = millisecond_ << 16U | 0x7000U | high_;
    const auto second = std::uint64_t{2} << 62U | low_;
    for (std::size_t i = 0; i < 8; ++i) {
      out.bytes[i] = static_cast<std::uint8_t>(first >> (56U - 8 * i));
      out.bytes[8 + i] = static_cast<std::uint8_t>(second >> (56U - 8 * i));
    }
    return out;
  }

  std::mutex mutex_;
  std::uint64_t millisecond_ = 0;
  std::uint64_t high_ = 0;
  std::uint64_t low_ = 0;
};

}  // namespace

std::string run_id::str() const {
  constexpr std::string_view hex = "0123456789abcdef";
  std::string out;
  out.reserve(36);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (dash_before(i)) out += '-';
    out += hex[bytes[i] >> 4U];
    out += hex[bytes[i] & 15U];
  }
  return out;
}

std::optional<run_id> run_id::parse(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  run_id out;
  std::size_t at = 0;
  for (std::size_t i = 0; i < out.bytes.size(); ++i) {
    if (dash_before(i) && text[at++] != '-') return std::nullopt;
    const auto high = hex_value(text[at]);
    const auto low = hex_value(text[at + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
    at += 2;
  }
  return out;
}

run_id run_id::make() {
  static id_source source;
  return source.next();
}

}  // namespace perdure
