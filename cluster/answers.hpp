// The one answer to what was asked of an actor: for who waits for it, and for who is told.
#pragma once

#include <functional>
#include <future>
#include <utility>

#include "perdure/error.hpp"

namespace perdure::cluster {

inline error unheard() { return {errc::shutting_down, "the run's actor ended before it answered; ask again"}; }

/// One answer. A message that its receiver never saw answers too, by being destroyed.
template <class T>
class answer_slot {
 public:
  ~answer_slot() {
    if (!set_) promise_.set_value(unheard());
  }
  void set(result<T> what) {
    if (!std::exchange(set_, true)) promise_.set_value(std::move(what));
  }
  [[nodiscard]] std::future<result<T>> future() { return promise_.get_future(); }

 private:
  std::promise<result<T>> promise_;
  bool set_ = false;
};

/// The same for who does not wait.
template <class T>
class telling {
 public:
  explicit telling(std::function<void(result<T>)> told) : told_(std::move(told)) {}
  telling(const telling&) = delete;
  telling& operator=(const telling&) = delete;
  ~telling() { tell(unheard()); }
  void tell(result<T> what) {
    if (const auto call = std::exchange(told_, nullptr)) call(std::move(what));
  }

 private:
  std::function<void(result<T>)> told_;
};

}  // namespace perdure::cluster
