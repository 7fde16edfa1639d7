// Binary codec of described structs: how events and states are stored. docs/journal-format.md gives the grammar:
//   bool, enum, unsigned  LEB128          signed, duration, timestamp  zigzag LEB128
//   string                length, bytes   double                       8 bytes, little-endian
//   optional              0 | 1 value     vector, deque, set, map      count, items
//   run_id, hash          raw bytes       struct                       its described members in order
//   payload               0 (null) | 1 string (JSON text) | 2 hash length (in the blob store)
#pragma once

#include <boost/describe.hpp>
#include <boost/mp11.hpp>

#include <array>
#include <bit>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/events.hpp"
#include "perdure/json.hpp"

namespace perdure::core {

class writer {
 public:
  explicit writer(blob_port* blobs) : blobs_(blobs) { out_.reserve(128); }

  template <class T>
  void put(const T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      out_.push_back(value ? 1 : 0);
    } else if constexpr (std::is_enum_v<T>) {
      number(static_cast<std::uint64_t>(value));
    } else if constexpr (std::is_unsigned_v<T>) {
      number(value);
    } else if constexpr (std::is_integral_v<T>) {
      signed_number(value);
    } else if constexpr (std::is_floating_point_v<T>) {
      const auto bits = std::bit_cast<std::uint64_t>(static_cast<double>(value));
      for (int i = 0; i < 8; ++i) out_.push_back(static_cast<char>(bits >> (8 * i)));
    } else if constexpr (std::is_same_v<T, std::string>) {
      text(value);
    } else if constexpr (std::is_same_v<T, payload>) {
      put_payload(value);
    } else if constexpr (std::is_same_v<T, timestamp>) {
      signed_number(value.time_since_epoch().count());
    } else if constexpr (std::is_same_v<T, duration>) {
      signed_number(value.count());
    } else if constexpr (std::is_same_v<T, run_id>) {
      out_.append(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
    } else if constexpr (detail::optional_like<T>) {
      out_.push_back(value ? 1 : 0);
      if (value) put(*value);
    } else if constexpr (detail::is_specialization<T, std::vector> || detail::is_specialization<T, std::deque>) {
      number(value.size());
      for (const auto& item : value) put(item);
    } else if constexpr (detail::is_specialization<T, std::map>) {
      number(value.size());
      for (const auto& [key, item] : value) {
        put(key);
        put(item);
      }
    } else {
      boost::mp11::mp_for_each<detail::members_of<T>>([&](auto member) { put(value.*member.pointer); });
    }
  }

  [[nodiscard]] const std::optional<error>& failed() const { return error_; }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  void number(std::uint64_t value) {
    while (value >= 0x80) {
      out_.push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    out_.push_back(static_cast<char>(value));
  }
  void signed_number(std::int64_t value) {
    number(static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63));
  }
  void text(std::string_view value) {
    number(value.size());
    out_.append(value);
  }
  void put_payload(const payload& value);

  std::string out_;
  blob_port* blobs_;
  std::optional<error> error_;
};

/// Never reads outside its bytes; after the first problem everything read is default-made and `ok` is false.
class reader {
 public:
  reader(std::string_view bytes, blob_port* blobs) : at_(bytes.data()), end_(at_ + bytes.size()), blobs_(blobs) {}

  template <class T>
  void get(T& value) {
    if (!ok_) return;
    if constexpr (std::is_same_v<T, bool>) {
      const auto flag = byte();
      if (flag > 1) return fail();
      value = flag == 1;
    } else if constexpr (std::is_enum_v<T>) {
      get_enum(value);
    } else if constexpr (std::is_unsigned_v<T>) {
      const auto wide = number();
      value = static_cast<T>(wide);
      if (value != wide) fail();
    } else if constexpr (std::is_integral_v<T>) {
      const auto wide = signed_number();
      value = static_cast<T>(wide);
      if (value != wide) fail();
    } else if constexpr (std::is_floating_point_v<T>) {
      std::uint64_t bits = 0;
      for (int i = 0; i < 8; ++i) bits |= static_cast<std::uint64_t>(byte()) << (8 * i);
      value = std::bit_cast<double>(bits);
    } else if constexpr (std::is_same_v<T, std::string>) {
      value = text();
    } else if constexpr (std::is_same_v<T, payload>) {
      value = get_payload();
    } else if constexpr (std::is_same_v<T, timestamp>) {
      value = timestamp{duration{signed_number()}};
    } else if constexpr (std::is_same_v<T, duration>) {
      value = duration{signed_number()};
    } else if constexpr (std::is_same_v<T, run_id>) {
      const auto raw = take(value.bytes.size());
      if (ok_) std::memcpy(value.bytes.data(), raw.data(), raw.size());
    } else if constexpr (detail::optional_like<T>) {
      const auto flag = byte();
      if (flag > 1) return fail();
      if (flag == 1) get(value.emplace());
    } else if constexpr (detail::is_specialization<T, std::vector> || detail::is_specialization<T, std::deque>) {
      const nesting deeper{*this};
      for (auto left = count(); left > 0 && ok_; --left) get(value.emplace_back());
    } else if constexpr (detail::is_specialization<T, std::map>) {
      for (auto left = count(); left > 0 && ok_; --left) {
        typename T::key_type key{};
        get(key);
        get(value[std::move(key)]);
      }
    } else {
      boost::mp11::mp_for_each<detail::members_of<T>>([&](auto member) { get(value.*member.pointer); });
    }
  }

  /// The first so many members of a struct: how an older version wrote it. The others keep their defaults.
  template <class T>
  void get_first(T& value, std::size_t members) {
    boost::mp11::mp_for_each<detail::members_of<T>>([&](auto member) {
      if (members > 0) {
        --members;
        get(value.*member.pointer);
      }
    });
  }

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return at_ == end_; }
  [[nodiscard]] const std::optional<error>& blob_error() const { return blob_error_; }

 private:
  static constexpr int max_nesting = 64;
  struct nesting {
    explicit nesting(reader& in) : in_(in) {
      if (++in_.depth_ > max_nesting) in_.fail();
    }
    ~nesting() { --in_.depth_; }
    reader& in_;
  };

  void fail() { ok_ = false; }
  std::uint8_t byte() {
    if (at_ == end_) {
      fail();
      return 0;
    }
    return static_cast<std::uint8_t>(*at_++);
  }
  std::uint64_t number() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto next = byte();
      value |= static_cast<std::uint64_t>(next & 0x7f) << shift;
      if ((next & 0x80) == 0) return value;
    }
    fail();
    return 0;
  }
  std::int64_t signed_number() {
    const auto wide = number();
    return static_cast<std::int64_t>(wide >> 1 ^ (~(wide & 1) + 1));
  }
  /// Every item takes at least one byte, so a count beyond what is left is damage.
  std::uint64_t count() {
    const auto items = number();
    if (items > static_cast<std::uint64_t>(end_ - at_)) fail();
    return ok_ ? items : 0;
  }
  std::string_view take(std::uint64_t size) {
    if (size > static_cast<std::uint64_t>(end_ - at_)) {
      fail();
      return {};
    }
    const std::string_view bytes{at_, static_cast<std::size_t>(size)};
    at_ += size;
    return bytes;
  }
  std::string text() { return std::string{take(number())}; }
  template <class E>
  void get_enum(E& value) {
    const auto wide = number();
    bool known = false;
    if constexpr (detail::described_enum<E>) {
      boost::mp11::mp_for_each<boost::describe::describe_enumerators<E>>(
          [&](auto each) { known = known || static_cast<std::uint64_t>(each.value) == wide; });
    } else {
      known = wide <= 255;
    }
    if (known) {
      value = static_cast<E>(wide);
    } else {
      fail();
    }
  }
  payload get_payload();

  const char* at_;
  const char* end_;
  blob_port* blobs_;
  bool ok_ = true;
  int depth_ = 0;
  std::optional<error> blob_error_;
};

}  // namespace perdure::core
