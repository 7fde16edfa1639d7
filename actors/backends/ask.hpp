// Waiting for the answer of a backend, where the thread is one that may wait.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>

#include "perdure/backend.hpp"
#include "perdure/time.hpp"

namespace perdure::actors {

/// `call` gets the bounds of a call and whom to answer. What comes after `patience` is not listened to; timeout then.
/// `stop_check` is asked now and then: true ends it with shutting_down.
template <class T, class F>
result<T> ask(std::chrono::milliseconds patience, F call, const std::function<bool()>& stop_check = {}) {
  constexpr std::chrono::milliseconds slice{50};
  struct state {
    std::mutex mutex;
    std::condition_variable came;
    std::optional<result<T>> what;
  };
  const auto box = std::make_shared<state>();
  const auto end = std::chrono::steady_clock::now() + patience;
  std::stop_source stop;
  call(backend_call{.stop = stop.get_token(), .deadline = end}, backend_answer<T>{[box](result<T> got) {
         const std::lock_guard lock{box->mutex};
         if (!box->what) box->what.emplace(std::move(got));
         box->came.notify_all();
       }});
  const auto answered = [&] { return box->what.has_value(); };
  std::unique_lock lock{box->mutex};
  while (std::chrono::steady_clock::now() < end) {
    const auto until = stop_check ? std::min(end, std::chrono::steady_clock::now() + slice) : end;
    if (box->came.wait_until(lock, until, answered)) return std::move(*box->what);
    if (!stop_check || !stop_check()) continue;
    lock.unlock();
    stop.request_stop();
    return error{errc::shutting_down, "the node is closing"};
  }
  lock.unlock();
  stop.request_stop();
  return error{errc::timeout, "the backend did not answer within " + to_human(patience)};
}

}  // namespace perdure::actors
