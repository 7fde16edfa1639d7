// Conversion between described C++ values and JSON.
//
// Boost.JSON's own conversion of described structs refuses an absent optional member and knows no chrono types; this
// one does what stored messages need: absent members keep their default when they are optional or have a default in
// the struct, unknown members are ignored (a newer sender may have more), NaN and infinities are refused.
//   bool, integers, floating point, std::string, enums described with BOOST_DESCRIBE_ENUM (as names)
//   std::optional (null or absent), std::vector, std::map<std::string, T>, json::value, payload
//   std::chrono durations (integer count of the duration's own unit), timestamp (RFC 3339 text)
//   described structs, with described public bases
#pragma once

#include <boost/describe.hpp>
#include <boost/json.hpp>
#include <boost/mp11.hpp>

#include <chrono>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "perdure/detail/rare.hpp"
#include "perdure/error.hpp"
#include "perdure/payload.hpp"
#include "perdure/time.hpp"

namespace perdure {

/// The value as JSON. Throws step_error(bad_message) for NaN, infinities and enumerators without a name.
template <class T>
[[nodiscard]] json::value to_json(const T& value);

/// The JSON as a T; `invalid_argument` names the member that does not fit. Any thread.
template <class T>
[[nodiscard]] result<T> from_json(const json::value& value);

namespace detail {

template <class T>
concept described = boost::describe::has_describe_members<T>::value && !std::is_union_v<T>;
template <class T>
concept described_enum = std::is_enum_v<T> && boost::describe::has_describe_enumerators<T>::value;

template <class T, template <class...> class Template>
inline constexpr bool is_specialization = false;
template <template <class...> class Template, class... Args>
inline constexpr bool is_specialization<Template<Args...>, Template> = true;

template <class T>
concept optional_like = is_specialization<T, std::optional> || is_specialization<T, rare>;

[[noreturn]] void throw_not_finite();
[[noreturn]] void throw_no_name(std::int64_t value);
[[nodiscard]] std::string kind_name(const json::value& value);

template <class T>
using members_of = boost::describe::describe_members<T, boost::describe::mod_public | boost::describe::mod_inherited>;

/// Whether a new T holds a value in this optional member.
template <class T, class Member>
bool has_default(Member member) {
  if constexpr (std::is_default_constructible_v<T>) {
    static const bool out = (T{}.*member.pointer).has_value();
    return out;
  } else {
    return false;
  }
}

template <class T>
json::value write_json(const T& value) {
  if constexpr (std::is_same_v<T, json::value>) {
    return value;
  } else if constexpr (std::is_same_v<T, payload>) {
    return value.value();
  } else if constexpr (std::is_same_v<T, timestamp>) {
    return json::value(to_string(value));
  } else if constexpr (std::is_same_v<T, bool> || std::is_integral_v<T>) {
    return json::value(value);
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) throw_not_finite();
    return json::value(static_cast<double>(value));
  } else if constexpr (described_enum<T>) {
    const auto* name = boost::describe::enum_to_string(value, nullptr);
    if (name == nullptr) throw_no_name(static_cast<std::int64_t>(value));
    return json::value(name);
  } else if constexpr (std::is_enum_v<T>) {
    return json::value(static_cast<std::underlying_type_t<T>>(value));
  } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    return json::value(std::string_view{value});
  } else if constexpr (is_specialization<T, std::chrono::duration>) {
    return json::value(value.count());
  } else if constexpr (optional_like<T>) {
    return value ? write_json(*value) : json::value(nullptr);
  } else if constexpr (is_specialization<T, std::vector>) {
    json::array out;
    out.reserve(value.size());
    for (const auto& item : value) out.push_back(write_json(static_cast<const typename T::value_type&>(item)));
    return out;
  } else if constexpr (is_specialization<T, std::map>) {
    json::object out;
    for (const auto& [key, item] : value) out.emplace(key, write_json(item));
    return out;
  } else {
    static_assert(described<T>, "describe this type with PERDURE_MESSAGE or BOOST_DESCRIBE_STRUCT");
    json::object out;
    boost::mp11::mp_for_each<members_of<T>>([&](auto member) {
      const auto& field = value.*member.pointer;
      using field_type = std::remove_cvref_t<decltype(field)>;
      if constexpr (optional_like<field_type>) {
        // An absent member keeps its default when it is read: empty is written out where the default is not empty.
        if (!field && !has_default<T>(member)) return;
      }
      out.emplace(member.name, write_json(field));
    });
    return out;
  }
}

/// Empty on success, else what did not fit, with the path to it.
template <class T>
std::optional<std::string> read_json(const json::value& in, T& out) {
  const auto wanted = [&](std::string_view what) -> std::optional<std::string> {
    return ": expected " + std::string{what} + ", found " + kind_name(in);
  };
  if constexpr (std::is_same_v<T, json::value>) {
    out = in;
  } else if constexpr (std::is_same_v<T, payload>) {
    out = payload{in};
  } else if constexpr (std::is_same_v<T, timestamp>) {
    const auto at = in.is_string() ? parse_timestamp(in.get_string()) : std::nullopt;
    if (!at) return wanted("an RFC 3339 time");
    out = *at;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!in.is_bool()) return wanted("a bool");
    out = in.get_bool();
  } else if constexpr (std::is_integral_v<T>) {
    boost::system::error_code bad;
    const auto number = in.is_number() ? in.to_number<T>(bad) : T{};
    if (!in.is_number() || bad) return wanted("an integer in range");
    out = number;
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!in.is_number()) return wanted("a number");
    out = in.to_number<T>();
  } else if constexpr (described_enum<T>) {
    if (!in.is_string() || !boost::describe::enum_from_string(std::string{in.get_string()}.c_str(), out)) {
      return wanted("one of the enumeration's names");
    }
  } else if constexpr (std::is_enum_v<T>) {
    std::underlying_type_t<T> number{};
    if (auto bad = read_json(in, number)) return bad;
    out = static_cast<T>(number);
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!in.is_string()) return wanted("a string");
    out.assign(in.get_string().data(), in.get_string().size());
  } else if constexpr (is_specialization<T, std::chrono::duration>) {
    typename T::rep count{};
    if (auto bad = read_json(in, count)) return bad;
    out = T{count};
  } else if constexpr (optional_like<T>) {
    if (in.is_null()) {
      out.reset();
    } else {
      return read_json(in, out.emplace());
    }
  } else if constexpr (is_specialization<T, std::vector>) {
    if (!in.is_array()) return wanted("an array");
    out.clear();
    for (const auto& item : in.get_array()) {
      typename T::value_type element{};
      if (auto bad = read_json(item, element)) return "/" + std::to_string(out.size()) + *bad;
      out.push_back(std::move(element));
    }
  } else if constexpr (is_specialization<T, std::map>) {
    if (!in.is_object()) return wanted("an object");
    out.clear();
    for (const auto& [key, item] : in.get_object()) {
      if (auto bad = read_json(item, out[std::string{key}])) return "/" + std::string{key} + *bad;
    }
  } else {
    static_assert(described<T>, "describe this type with PERDURE_MESSAGE or BOOST_DESCRIBE_STRUCT");
    if (!in.is_object()) return wanted("an object");
    std::optional<std::string> problem;
    boost::mp11::mp_for_each<members_of<T>>([&](auto member) {
      const auto* found = in.get_object().if_contains(member.name);
      if (problem || found == nullptr) return;  // absent: the member keeps its default
      if (auto bad = read_json(*found, out.*member.pointer)) problem = "/" + std::string{member.name} + *bad;
    });
    return problem;
  }
  return std::nullopt;
}

}  // namespace detail

template <class T>
json::value to_json(const T& value) {
  return detail::write_json(value);
}

template <class T>
result<T> from_json(const json::value& value) {
  T out{};
  if (auto problem = detail::read_json(value, out)) return error{errc::invalid_argument, std::move(*problem)};
  return out;
}

}  // namespace perdure
