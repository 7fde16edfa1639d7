// rare<T>: an optional that is as small as a pointer while it is empty, for members that seldom hold anything.
#pragma once

#include <memory>
#include <optional>
#include <utility>

namespace perdure::detail {

/// Copies its value, as std::optional does; converts from and to one.
template <class T>
class rare {
 public:
  using value_type = T;

  rare() noexcept = default;
  rare(std::nullopt_t) noexcept {}
  rare(T value) : value_(std::make_unique<T>(std::move(value))) {}
  rare(std::optional<T> value) : value_(value ? std::make_unique<T>(std::move(*value)) : nullptr) {}
  rare(const rare& other) : value_(other ? std::make_unique<T>(*other) : nullptr) {}
  rare(rare&&) noexcept = default;
  rare& operator=(const rare& other) { return *this = rare{other}; }
  rare& operator=(rare&&) noexcept = default;
  ~rare() = default;

  [[nodiscard]] bool has_value() const noexcept { return value_ != nullptr; }
  explicit operator bool() const noexcept { return has_value(); }
  /// Only when there is a value.
  T& operator*() noexcept { return *value_; }
  const T& operator*() const noexcept { return *value_; }
  T* operator->() noexcept { return value_.get(); }
  const T* operator->() const noexcept { return value_.get(); }
  T& emplace() {
    value_ = std::make_unique<T>();
    return *value_;
  }
  void reset() noexcept { value_.reset(); }

  operator std::optional<T>() const { return value_ ? std::optional<T>{*value_} : std::nullopt; }
  bool operator==(const rare& other) const {
    return has_value() == other.has_value() && (!has_value() || *value_ == *other.value_);
  }

 private:
  std::unique_ptr<T> value_;
};

}  // namespace perdure::detail
