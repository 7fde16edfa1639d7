// executor<Messages...>: a node of a workflow. Derive from it and write one handle() per message type.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "perdure/context.hpp"

namespace perdure {

namespace detail {

/// Type-erased executor. One object serves one attempt of one activation.
class executor_base {
 public:
  virtual ~executor_base() = default;
  /// The coroutine for a stored message; `invalid_argument` when the name is unknown or the payload does not fit.
  /// The message lives as long as this object.
  virtual result<task<>> dispatch(std::string_view message_name, const payload& value, context& ctx) = 0;
};

/// What an executor type takes and, if it says so with `using sends = message_list<...>`, sends.
struct executor_type {
  std::vector<std::string> takes;
  std::vector<std::string> sends;
  bool sends_declared = false;
};

template <class Message>
class handler {
 public:
  virtual ~handler() = default;
  virtual task<> handle(const Message& message, context& ctx) = 0;
};

}  // namespace detail

template <class... T>
struct message_list {};

template <message... Messages>
class executor : public detail::executor_base, public detail::handler<Messages>... {
  static_assert(sizeof...(Messages) > 0, "an executor takes at least one message type");

 public:
  using takes = message_list<Messages...>;
  using detail::handler<Messages>::handle...;

  result<task<>> dispatch(std::string_view name, const payload& value, context& ctx) final {
    result<task<>> out = error{errc::invalid_argument, "takes no message \"" + std::string{name} + "\""};
    (void)((message_name<Messages> == name && (out = start<Messages>(value, ctx), true)) || ...);
    return out;
  }

 private:
  template <class Message>
  result<task<>> start(const payload& value, context& ctx) {
    auto read = from_json<Message>(value.value());
    if (!read) {
      return error{errc::invalid_argument, "message \"" + std::string{message_name<Message>} + "\"" + read.error().message};
    }
    auto kept = std::make_shared<const Message>(std::move(*read));
    message_ = kept;
    return static_cast<detail::handler<Message>&>(*this).handle(*kept, ctx);
  }
  std::shared_ptr<const void> message_;
};

namespace detail {

template <class... T>
void add_names(std::vector<std::string>& names, message_list<T...>) {
  (names.emplace_back(message_name<T>), ...);
}

template <class E>
executor_type describe_executor() {
  executor_type out;
  add_names(out.takes, typename E::takes{});
  if constexpr (requires { typename E::sends; }) {
    add_names(out.sends, typename E::sends{});
    out.sends_declared = true;
  }
  return out;
}

}  // namespace detail
}  // namespace perdure
