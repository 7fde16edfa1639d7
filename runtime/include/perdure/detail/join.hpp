// The machinery of when_all and when_any: each awaitable runs in a strand of its own.
#pragma once

#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <variant>
#include <vector>

#include "perdure/detail/frame.hpp"
#include "perdure/task.hpp"

namespace perdure::detail {

/// A child coroutine that owns one awaitable, awaits it and reports to a join. Owned by the join until it is done or
/// retired: then its frame, and with it the awaitable's, lives until none of its bodies runs any more.
struct strand {
  struct promise_type : task_promise_base {
    strand get_return_object() noexcept { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    void return_void() const noexcept {}
  };
  std::coroutine_handle<promise_type> handle;
};

/// Counts children; the parent goes on when `wanted` of them have ended, or one has failed.
struct join_state {
  frame* host = nullptr;
  std::size_t wanted = 0;  ///< ends needed: all, or one
  std::coroutine_handle<> parent;
  strand_id parent_strand = 0;
  std::size_t ended = 0;
  std::optional<std::size_t> first_failed;
  std::optional<std::size_t> first_ended;
  std::exception_ptr error;
  bool released = false;
  bool started = false;  ///< every child had its first turn

  [[nodiscard]] bool complete() const { return ended >= wanted || first_failed.has_value(); }
};

/// Last thing a child does: hands control to the parent when it completed the join.
struct arrive {
  join_state& join;
  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<>) const noexcept {
    if (!join.complete() || !join.started || join.released) return std::noop_coroutine();
    join.released = true;
    join.host->enter_strand(join.parent_strand);
    return join.parent;
  }
  void await_resume() const noexcept {}
};
template <>
inline constexpr bool is_durable_awaitable<arrive> = true;

template <class T>
using slot = std::optional<std::conditional_t<std::is_void_v<T>, std::monostate, T>>;

template <class A>
strand run_strand(A& awaitable, slot<typename A::value_type>& out, join_state& join, std::size_t index) {
  try {
    A mine = std::move(awaitable);
    if constexpr (std::is_void_v<typename A::value_type>) {
      co_await mine;
      out.emplace();
    } else {
      out.emplace(co_await mine);
    }
  } catch (...) {
    if (!join.first_failed) {
      join.first_failed = index;
      join.error = std::current_exception();
    }
  }
  ++join.ended;
  if (!join.first_ended) join.first_ended = index;
  arrive done{join};
  co_await done;
}

/// Starts the children in order, waits for the join, retires those that did not end.
class join_base {
 public:
  explicit join_base(frame& host, std::size_t wanted) {
    join_.host = &host;
    join_.wanted = wanted;
  }
  /// Only before it is awaited.
  join_base(join_base&&) noexcept = default;
  join_base& operator=(join_base&&) = delete;
  ~join_base() { retire(); }

  bool await_ready() const noexcept { return false; }

 protected:
  /// True: the parent waits. The children were made by the derived class just before.
  bool begin(std::coroutine_handle<> parent) {
    if (children_.empty() && join_.wanted > 0) throw std::invalid_argument("when_any needs at least one operation");
    join_.parent = parent;
    join_.parent_strand = join_.host->current_strand();
    for (auto& child : children_) {
      if (join_.complete()) break;
      join_.host->enter_strand(join_.parent_strand);
      child.id = join_.host->open_strand();
      child.started = true;
      join_.host->enter_strand(child.id);
      child.handle.resume();
    }
    join_.host->enter_strand(join_.parent_strand);
    join_.started = true;
    if (join_.complete()) join_.released = true;
    return !join_.released;
  }

  struct child {
    std::coroutine_handle<strand::promise_type> handle;
    strand_id id = 0;
    bool started = false;
  };
  void finish() {
    retire();
    if (join_.first_failed) std::rethrow_exception(join_.error);
  }

  join_state join_;
  std::vector<child> children_;

 private:
  void retire() noexcept {
    for (auto& child : std::exchange(children_, {})) {
      if (child.started) {
        join_.host->retire_strand(child.id, child.handle);
      } else {
        child.handle.destroy();
      }
    }
  }
};

}  // namespace perdure::detail
