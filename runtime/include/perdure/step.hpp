// step<T>: one durable operation of a handler, issued when it is awaited.
#pragma once

#include <stdexcept>
#include <type_traits>
#include <utility>

#include "perdure/detail/frame.hpp"
#include "perdure/json.hpp"
#include "perdure/task.hpp"

namespace perdure {

namespace detail {

/// Throws the failure as the exception type that fits its code.
[[noreturn]] void throw_failure(failure why);

template <class T>
T unpack(const payload& value) {
  if constexpr (std::is_void_v<T>) {
    return;
  } else if constexpr (std::is_same_v<T, payload>) {
    return value;
  } else {
    auto read = from_json<T>(value.value());
    if (!read) {
      throw_failure({.code = std::string{failure_code::bad_message}, .message = "a step's result" + read.error().message});
    }
    return std::move(*read);
  }
}

}  // namespace detail

/// Made by the context, awaited at most once (directly, or through when_all / when_any). Awaiting gives the recorded
/// outcome: a T, or step_error (timeout_error, cancelled_error) when the step failed. Not awaited: nothing happens.
template <class T>
class [[nodiscard]] step {
 public:
  using value_type = T;

  step(detail::frame& frame, detail::step_request request) : frame_(&frame), request_(std::move(request)) {}
  step(step&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)), request_(std::move(other.request_)) {}
  step& operator=(step&&) = delete;
  ~step() {
    if (waiter_.ordinal) waiter_.host->abandon(waiter_);
  }

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> awaiting) {
    if (frame_ == nullptr) throw std::logic_error("a step is awaited once; this one was awaited or given to a join before");
    waiter_.handle = awaiting;
    waiter_.host = std::exchange(frame_, nullptr);
    return waiter_.host->issue(std::move(request_), waiter_);
  }
  T await_resume() {
    auto done = std::move(*waiter_.done);
    if (done.error) detail::throw_failure(std::move(*done.error));
    return detail::unpack<T>(done.value);
  }

 private:
  detail::frame* frame_;
  detail::step_request request_;
  detail::step_waiter waiter_;
};

namespace detail {
template <class T>
inline constexpr bool is_durable_awaitable<step<T>> = true;
}

}  // namespace perdure
