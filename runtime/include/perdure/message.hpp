// Messages: described structs with a stable name, sent between executors and stored in the journal as JSON.
#pragma once

#include <string>
#include <string_view>

#include "perdure/json.hpp"

namespace perdure {

/// Describes a struct and gives it the name under which it is stored. Write it right after the struct, in the same
/// namespace. Change the name ("train_request/v2") when old stored messages no longer fit.
#define PERDURE_MESSAGE(type, stored_name, ...)                                                 \
  BOOST_DESCRIBE_STRUCT(type, (), (__VA_ARGS__))                                                \
  [[maybe_unused]] constexpr std::string_view perdure_message_name(const type*) noexcept {      \
    static_assert(sizeof(stored_name) > 1, "a message needs a name, for example \"order/v1\""); \
    return stored_name;                                                                         \
  }

namespace detail {
constexpr std::string_view perdure_message_name(const json::value*) noexcept { return "json"; }
constexpr std::string_view perdure_message_name(const std::string*) noexcept { return "string"; }
constexpr std::string_view perdure_message_name(const bool*) noexcept { return "bool"; }
constexpr std::string_view perdure_message_name(const double*) noexcept { return "double"; }
constexpr std::string_view perdure_message_name(const int*) noexcept { return "int"; }
constexpr std::string_view perdure_message_name(const std::int64_t*) noexcept { return "int64"; }

template <class T>
constexpr std::string_view message_name_of() noexcept {
  return perdure_message_name(static_cast<const T*>(nullptr));
}
}  // namespace detail

template <class T>
concept message = requires {
  detail::message_name_of<T>();
};

/// The stored name of a message type.
template <message T>
inline constexpr std::string_view message_name = detail::message_name_of<T>();

/// The message that a fan-in edge delivers: what every source sent, in the order of the edge's sources.
/// An executor takes it as `executor<joined>`.
struct joined {
  std::vector<json::value> messages;  ///< one per message, flattened in edge order
  std::vector<std::string> from;      ///< the executor that sent it

  /// All messages as T; `invalid_argument` when one does not fit.
  template <class T>
  [[nodiscard]] result<std::vector<T>> as() const {
    std::vector<T> out;
    for (const auto& each : messages) {
      auto read = from_json<T>(each);
      if (!read) return read.error();
      out.push_back(std::move(*read));
    }
    return out;
  }
};
PERDURE_MESSAGE(joined, "perdure.joined/v1", messages, from)

}  // namespace perdure
