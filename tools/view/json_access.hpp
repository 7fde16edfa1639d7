// Reading members of JSON objects that may be absent: absent reads as empty, zero, null.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "perdure/payload.hpp"

namespace perdure::tools {

[[nodiscard]] inline std::string text_of(const json::object& in, std::string_view name) {
  const auto* found = in.if_contains(name);
  return found != nullptr && found->is_string() ? std::string{found->get_string()} : std::string{};
}

[[nodiscard]] inline std::uint64_t number_of(const json::object& in, std::string_view name) {
  const auto* found = in.if_contains(name);
  if (found == nullptr || !found->is_number()) return 0;
  boost::system::error_code bad;
  const auto number = found->to_number<std::uint64_t>(bad);
  return bad ? 0 : number;
}

[[nodiscard]] inline bool flag_of(const json::object& in, std::string_view name) {
  const auto* found = in.if_contains(name);
  return found != nullptr && found->is_bool() && found->get_bool();
}

[[nodiscard]] inline const json::value& value_of(const json::object& in, std::string_view name) {
  static const json::value nothing;
  const auto* found = in.if_contains(name);
  return found != nullptr ? *found : nothing;
}

[[nodiscard]] inline const json::array& list_of(const json::object& in, std::string_view name) {
  static const json::array nothing;
  const auto* found = in.if_contains(name);
  return found != nullptr && found->is_array() ? found->get_array() : nothing;
}

}  // namespace perdure::tools
