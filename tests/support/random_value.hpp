// Random values of described types, and member-wise equality of them: for round trips of everything that is stored.
#pragma once

#include <cstring>
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "core/codec.hpp"
#include "core/state.hpp"

namespace perdure::test {

class random_source {
 public:
  explicit random_source(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t bits() { return engine_(); }
  /// In [0, below).
  std::uint64_t below(std::uint64_t limit) { return engine_() % limit; }
  bool one_in(std::uint64_t many) { return below(many) == 0; }
  template <class Items>
  auto& pick(Items& items) {
    return items[below(items.size())];
  }

 private:
  std::mt19937_64 engine_;
};

/// Numbers of all sizes, so that every length of the variable encoding occurs, and the extremes.
template <class T>
T random_number(random_source& random) {
  switch (random.below(8)) {
    case 0: return std::numeric_limits<T>::min();
    case 1: return std::numeric_limits<T>::max();
    default: {
      const auto raw = random.bits() >> random.below(64);
      return static_cast<T>(random.one_in(2) ? raw : ~raw + 1);
    }
  }
}

template <class T>
void randomize(T& value, random_source& random, int depth = 0) {
  using perdure::detail::is_specialization;
  if constexpr (std::is_same_v<T, bool>) {
    value = random.one_in(2);
  } else if constexpr (std::is_enum_v<T>) {
    std::vector<T> all;
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>([&](auto each) { all.push_back(each.value); });
    value = random.pick(all);
  } else if constexpr (std::is_integral_v<T>) {
    value = random_number<T>(random);
  } else if constexpr (std::is_same_v<T, std::string>) {
    value.clear();
    const auto length = random.one_in(20) ? random.below(400) : random.below(6);
    for (std::uint64_t i = 0; i < length; ++i) value.push_back(static_cast<char>(random.below(256)));
  } else if constexpr (std::is_same_v<T, payload>) {
    static const std::vector<const char*> samples{"null", "true", "17", "\"text\"", "[1,2,3]", "{\"a\":{\"b\":[null]}}", "\"\""};
    value = random.one_in(4) ? payload{} : payload::trusted(random.pick(samples));
  } else if constexpr (std::is_same_v<T, timestamp>) {
    value = timestamp{duration{random_number<std::int64_t>(random)}};
  } else if constexpr (std::is_same_v<T, duration>) {
    value = duration{random_number<std::int64_t>(random)};
  } else if constexpr (std::is_same_v<T, run_id>) {
    for (auto& byte : value.bytes) byte = static_cast<std::uint8_t>(random.below(256));
  } else if constexpr (perdure::detail::optional_like<T>) {
    value.reset();
    if (random.one_in(2)) randomize(value.emplace(), random, depth + 1);
  } else if constexpr (is_specialization<T, std::vector> || is_specialization<T, std::deque>) {
    value.clear();
    for (auto left = depth > 6 ? 0 : random.below(4); left > 0; --left) randomize(value.emplace_back(), random, depth + 2);
  } else if constexpr (is_specialization<T, std::map>) {
    value.clear();
    for (auto left = depth > 6 ? 0 : random.below(4); left > 0; --left) {
      typename T::key_type key{};
      randomize(key, random, depth + 2);
      randomize(value[key], random, depth + 2);
    }
  } else {
    boost::mp11::mp_for_each<perdure::detail::members_of<T>>(
        [&](auto member) { randomize(value.*member.pointer, random, depth + 1); });
  }
}

template <std::size_t I = 0>
core::event random_event(std::size_t kind, random_source& random) {
  if constexpr (I < std::variant_size_v<core::event>) {
    if (kind != I) return random_event<I + 1>(kind, random);
    std::variant_alternative_t<I, core::event> out;
    randomize(out, random);
    return out;
  } else {
    return {};
  }
}

/// Equal in every described member.
template <class T>
bool same(const T& a, const T& b) {
  using perdure::detail::is_specialization;
  if constexpr (perdure::detail::optional_like<T>) {
    return a.has_value() == b.has_value() && (!a || same(*a, *b));
  } else if constexpr (is_specialization<T, std::vector> || is_specialization<T, std::deque>) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) { return same(x, y); });
  } else if constexpr (is_specialization<T, std::map>) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const auto& x, const auto& y) { return same(x.first, y.first) && same(x.second, y.second); });
  } else if constexpr (perdure::detail::described<T>) {
    bool out = true;
    boost::mp11::mp_for_each<perdure::detail::members_of<T>>(
        [&](auto member) { out = out && same(a.*member.pointer, b.*member.pointer); });
    return out;
  } else {
    return a == b;
  }
}

inline bool same(const core::event& a, const core::event& b) {
  return a.index() == b.index() &&
         std::visit([&](const auto& each) { return same(each, std::get<std::remove_cvref_t<decltype(each)>>(b)); }, a);
}

/// Equal in what is stored and in what is derived from it.
inline bool same_state(const core::run_state& a, const core::run_state& b) {
  return same(a, b) && a.deadlines == b.deadlines && a.signal_waiters == b.signal_waiters && a.state_readers == b.state_readers &&
         a.child_waiters == b.child_waiters && a.ready_waiters == b.ready_waiters && a.outbox_to == b.outbox_to &&
         a.awaited_children == b.awaited_children;
}

}  // namespace perdure::test
