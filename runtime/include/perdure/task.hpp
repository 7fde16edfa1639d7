// task<T>: the coroutine type of handlers and of the helpers they call.
//
// Operation: lazy; starts when awaited, gives control back to the awaiting coroutine when it ends.
// Limitations: inside a task only operations of the context, other tasks, and when_all / when_any can be awaited;
// anything else does not compile, since it would not be repeated by a replay.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>

namespace perdure {

template <class T = void>
class task;

namespace detail {

template <class A>
inline constexpr bool is_durable_awaitable = false;
template <class T>
inline constexpr bool is_durable_awaitable<task<T>> = true;

/// Awaits an awaitable where it is: GCC 12 would move or copy the operand of co_await.
template <class A>
struct awaiting {
  A* awaitable;
  bool await_ready() const noexcept { return awaitable->await_ready(); }
  auto await_suspend(std::coroutine_handle<> parent) const { return awaitable->await_suspend(parent); }
  decltype(auto) await_resume() const { return awaitable->await_resume(); }
};

struct task_final {
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) const noexcept {
    auto next = self.promise().continuation;
    return next ? next : std::noop_coroutine();
  }
  void await_resume() const noexcept {}
};

struct task_promise_base {
  std::coroutine_handle<> continuation;
  std::exception_ptr error;

  std::suspend_always initial_suspend() const noexcept { return {}; }
  task_final final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { error = std::current_exception(); }

  template <class A>
  awaiting<std::remove_reference_t<A>> await_transform(A&& awaitable) const noexcept {
    static_assert(is_durable_awaitable<std::remove_cvref_t<A>>,
                  "a handler awaits only operations of its context (ctx.call, ctx.sleep_for, ...), other tasks, and "
                  "ctx.when_all / ctx.when_any: anything else would not be repeated by a replay");
    return {&awaitable};
  }
};

template <class T>
struct task_promise : task_promise_base {
  std::optional<T> value;
  task<T> get_return_object() noexcept;
  template <class U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  T take() {
    if (error) std::rethrow_exception(error);
    return std::move(*value);
  }
};

template <>
struct task_promise<void> : task_promise_base {
  task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const {
    if (error) std::rethrow_exception(error);
  }
};

}  // namespace detail

template <class T>
class [[nodiscard]] task {
 public:
  using promise_type = detail::task_promise<T>;
  using value_type = T;

  task() = default;
  explicit task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
  task(task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  task& operator=(task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  ~task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) {
    if (!handle_ || handle_.done())
      throw std::logic_error("a task is awaited once; this one was awaited or given to a join before");
    handle_.promise().continuation = awaiting;
    return handle_;
  }
  T await_resume() { return handle_.promise().take(); }

  /// For the driver: the coroutine, still owned by this task.
  [[nodiscard]] std::coroutine_handle<promise_type> handle() const noexcept { return handle_; }

 private:
  std::coroutine_handle<promise_type> handle_;
};

namespace detail {
template <class T>
task<T> task_promise<T>::get_return_object() noexcept {
  return task<T>{std::coroutine_handle<task_promise>::from_promise(*this)};
}
inline task<void> task_promise<void>::get_return_object() noexcept {
  return task<void>{std::coroutine_handle<task_promise>::from_promise(*this)};
}
}  // namespace detail

}  // namespace perdure
