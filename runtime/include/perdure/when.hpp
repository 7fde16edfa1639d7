// when_all and when_any: several durable operations of one handler at once.
//
// The awaitables (steps, tasks, other joins) are passed as named lvalues and are used up by it. Each starts in the
// order of the arguments. If one fails the others are cancelled and the failure is thrown.
//
// Limitations: a cancelled branch is not resumed, but a body that it started may still run (its stop token is set). The
// branch's own frame lives until then; the caller's may not. So a branch that can lose takes its arguments by value,
// and a body in it captures by value what is not the branch's own.
#pragma once

#include <tuple>

#include "perdure/detail/join.hpp"
#include "perdure/step.hpp"

namespace perdure {

namespace detail {
template <class T>
using value_or_unit = std::conditional_t<std::is_void_v<T>, std::monostate, T>;
}

/// Awaited: a tuple of the results in order (std::monostate for void).
template <class... A>
class [[nodiscard]] all_of : public detail::join_base {
 public:
  using value_type = std::tuple<detail::value_or_unit<typename A::value_type>...>;
  explicit all_of(detail::frame& host, A&... awaitables) : join_base(host, sizeof...(A)), awaitables_(&awaitables...) {}
  bool await_suspend(std::coroutine_handle<> parent) {
    make(std::index_sequence_for<A...>{});
    return begin(parent);
  }
  value_type await_resume() {
    finish();
    return std::apply([](auto&... slots) { return value_type{std::move(*slots)...}; }, slots_);
  }

 private:
  template <std::size_t... I>
  void make(std::index_sequence<I...>) {
    (children_.push_back({detail::run_strand(*std::get<I>(awaitables_), std::get<I>(slots_), join_, I).handle}), ...);
  }
  std::tuple<A*...> awaitables_;
  std::tuple<detail::slot<typename A::value_type>...> slots_;
};

/// Awaited: the index of the first that ended and its result.
template <class... A>
class [[nodiscard]] any_of : public detail::join_base {
 public:
  struct winner {
    std::size_t index = 0;
    std::tuple<detail::slot<typename A::value_type>...> values;  ///< only the winner's is filled
  };
  using value_type = winner;
  explicit any_of(detail::frame& host, A&... awaitables) : join_base(host, 1), awaitables_(&awaitables...) {}
  bool await_suspend(std::coroutine_handle<> parent) {
    make(std::index_sequence_for<A...>{});
    return begin(parent);
  }
  winner await_resume() {
    finish();
    return {*join_.first_ended, std::move(slots_)};
  }

 private:
  template <std::size_t... I>
  void make(std::index_sequence<I...>) {
    (children_.push_back({detail::run_strand(*std::get<I>(awaitables_), std::get<I>(slots_), join_, I).handle}), ...);
  }
  std::tuple<A*...> awaitables_;
  std::tuple<detail::slot<typename A::value_type>...> slots_;
};

/// when_all over a vector: the results in order.
template <class A>
class [[nodiscard]] all_of_range : public detail::join_base {
 public:
  using value_type = std::vector<detail::value_or_unit<typename A::value_type>>;
  all_of_range(detail::frame& host, std::vector<A>& awaitables) : join_base(host, awaitables.size()), awaitables_(&awaitables) {}
  bool await_suspend(std::coroutine_handle<> parent) {
    slots_.resize(awaitables_->size());
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      children_.push_back({detail::run_strand((*awaitables_)[i], slots_[i], join_, i).handle});
    }
    return begin(parent);
  }
  value_type await_resume() {
    finish();
    value_type out;
    out.reserve(slots_.size());
    for (auto& each : slots_) out.push_back(std::move(*each));
    return out;
  }

 private:
  std::vector<A>* awaitables_;
  std::vector<detail::slot<typename A::value_type>> slots_;
};

/// when_any over a vector (not empty): the index of the first that ended, and its result.
template <class A>
class [[nodiscard]] any_of_range : public detail::join_base {
 public:
  struct winner {
    std::size_t index = 0;
    detail::value_or_unit<typename A::value_type> value;
  };
  using value_type = winner;
  any_of_range(detail::frame& host, std::vector<A>& awaitables) : join_base(host, 1), awaitables_(&awaitables) {}
  bool await_suspend(std::coroutine_handle<> parent) {
    slots_.resize(awaitables_->size());
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      children_.push_back({detail::run_strand((*awaitables_)[i], slots_[i], join_, i).handle});
    }
    return begin(parent);
  }
  winner await_resume() {
    finish();
    return {*join_.first_ended, std::move(*slots_[*join_.first_ended])};
  }

 private:
  std::vector<A>* awaitables_;
  std::vector<detail::slot<typename A::value_type>> slots_;
};

namespace detail {
template <class... A>
inline constexpr bool is_durable_awaitable<all_of<A...>> = true;
template <class... A>
inline constexpr bool is_durable_awaitable<any_of<A...>> = true;
template <class A>
inline constexpr bool is_durable_awaitable<all_of_range<A>> = true;
template <class A>
inline constexpr bool is_durable_awaitable<any_of_range<A>> = true;
}  // namespace detail

}  // namespace perdure
