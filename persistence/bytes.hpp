// Reading and writing fixed-size integers, digests and strings in stored bytes. Little-endian, except in keys, where the
// order of bytes has to be the order of numbers.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "core/record.hpp"

namespace perdure::persistence {

static_assert(std::endian::native == std::endian::little, "stored integers are copied as they lie in memory");

/// Stored in place of an absent time.
inline constexpr std::int64_t no_time = std::numeric_limits<std::int64_t>::min();

[[nodiscard]] inline std::int64_t stored_time(const std::optional<timestamp>& at) {
  return at ? at->time_since_epoch().count() : no_time;
}
[[nodiscard]] inline std::optional<timestamp> time_of(std::int64_t stored) {
  if (stored == no_time) return std::nullopt;
  return timestamp{duration{stored}};
}

/// Writes into room that the caller has measured.
class byte_writer {
 public:
  explicit byte_writer(char* to) : at_(to) {}
  template <class T>
  requires std::is_integral_v<T>
  void number(T value) {
    std::memcpy(at_, &value, sizeof value);
    at_ += sizeof value;
  }
  void raw(const void* bytes, std::size_t size) {
    if (size != 0) std::memcpy(at_, bytes, size);
    at_ += size;
  }
  [[nodiscard]] char* at() const { return at_; }

 private:
  char* at_;
};

/// Appends to a string.
class byte_appender {
 public:
  explicit byte_appender(std::string& to) : to_(to) {}
  template <class T>
  requires std::is_integral_v<T>
  void number(T value) { to_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void raw(const void* bytes, std::size_t size) { to_.append(static_cast<const char*>(bytes), size); }
  void text(std::string_view value) {
    number(static_cast<std::uint32_t>(value.size()));
    to_.append(value);
  }

 private:
  std::string& to_;
};

/// Never reads outside; after the first attempt to do so `ok` is false and all that is read is zero or empty.
class byte_reader {
 public:
  explicit byte_reader(std::string_view bytes) : left_(bytes) {}
  template <class T>
  requires std::is_integral_v<T>
  [[nodiscard]] T number() {
    T value{};
    raw(&value, sizeof value);
    return value;
  }
  void raw(void* to, std::size_t size) {
    if (const auto from = take(size); from.size() == size && size != 0) std::memcpy(to, from.data(), size);
  }
  [[nodiscard]] std::string text() { return std::string{take(number<std::uint32_t>())}; }
  [[nodiscard]] std::string_view rest() { return take(left_.size()); }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return left_.empty(); }

 private:
  std::string_view take(std::size_t size) {
    if (!ok_ || size > left_.size()) {
      ok_ = false;
      return {};
    }
    const auto taken = left_.substr(0, size);
    left_.remove_prefix(size);
    return taken;
  }

  std::string_view left_;
  bool ok_ = true;
};

}  // namespace perdure::persistence
