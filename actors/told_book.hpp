// told_book: what the body of a step tells while it runs, gathered so that one record holds what came in a while.
//
// Operation: `add` says what its caller has to do: nothing, since others will, or `take` what there is, now or after `pause`.
// Concurrency: any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "actors/capabilities/capability.hpp"

namespace perdure::actors {

class told_book {
 public:
  /// A record of one body at most so often, unless so many bytes wait.
  static constexpr std::chrono::milliseconds pause{250};
  static constexpr std::size_t full_bytes = 16U << 10;

  enum class next : std::uint8_t { nothing, take_later, take_now };
  [[nodiscard]] next add(told_text what) {
    const std::lock_guard lock{mutex_};
    bytes_ += what.text.size();
    if (!what.note && !all_.empty() && !all_.back().note) {
      all_.back().text += what.text;
    } else {
      all_.push_back(std::move(what));
    }
    if (bytes_ >= full_bytes) return next::take_now;
    return std::exchange(planned_, true) ? next::nothing : next::take_later;
  }
  /// In the order in which it was told.
  [[nodiscard]] std::vector<told_text> take() {
    const std::lock_guard lock{mutex_};
    planned_ = false;
    bytes_ = 0;
    return std::exchange(all_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<told_text> all_;
  std::size_t bytes_ = 0;
  bool planned_ = false;
};

}  // namespace perdure::actors
