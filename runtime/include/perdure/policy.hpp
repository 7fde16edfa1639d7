// Retry and timeout policies. All of them are trivially destructible, so they may stand inside co_await expressions
// (GCC before 13 destroys other temporaries there twice).
#pragma once

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string_view>

#include "perdure/time.hpp"

namespace perdure {

enum class backoff_kind : std::uint8_t { none, fixed, linear, exponential };
/// Jitter after "Exponential Backoff And Jitter" (AWS architecture blog): full = U(0, d), equal = d/2 + U(0, d/2),
/// decorrelated = U(base, 3 × previous). It is drawn from the run's own counter-based stream.
enum class jitter_kind : std::uint8_t { none, full, equal, decorrelated };

/// The delay before try n+1: fixed d; linear n·d; exponential d·factor^(n-1); never above `cap`.
struct backoff {
  backoff_kind kind = backoff_kind::none;
  duration initial{0};
  duration cap = std::chrono::hours{24 * 365};
  double factor = 2.0;
  jitter_kind jitter = jitter_kind::none;

  [[nodiscard]] constexpr backoff with_jitter(jitter_kind how) const {
    auto copy = *this;
    copy.jitter = how;
    return copy;
  }
  bool operator==(const backoff&) const = default;
};
[[nodiscard]] constexpr backoff fixed(duration delay) { return {backoff_kind::fixed, delay, delay}; }
[[nodiscard]] constexpr backoff linear(duration step, duration cap) { return {backoff_kind::linear, step, cap}; }
[[nodiscard]] constexpr backoff exponential(duration initial, duration cap, double factor = 2.0) {
  return {backoff_kind::exponential, initial, cap, factor};
}

/// A failure code inside a policy, at most 39 bytes; longer ones are cut.
struct code_name {
  std::array<char, 40> text{};
  constexpr code_name() = default;
  constexpr code_name(std::string_view code) {  // NOLINT: reads well in lists of codes
    for (std::size_t i = 0; i < code.size() && i + 1 < text.size(); ++i) text[i] = code[i];
  }
  constexpr code_name(const char* code) : code_name(std::string_view{code}) {}  // NOLINT
  [[nodiscard]] constexpr std::string_view view() const { return {text.data()}; }
  bool operator==(const code_name&) const = default;
};

/// When and how often something that failed is tried again. `max_attempts` counts the first try;
/// 1 = never again, 0 = no limit. Failures "cancelled" and "nondeterminism" are never tried again; "bad_message" and
/// "limit", which would come again for sure, only when `only` names them.
struct retry_policy {
  static constexpr std::size_t max_codes = 6;
  std::uint32_t max_attempts = 1;
  perdure::backoff backoff{};
  duration max_elapsed{0};                   ///< since the first try; 0 = no limit
  std::array<code_name, max_codes> only{};   ///< retryable codes; all empty = every code
  std::array<code_name, max_codes> never{};  ///< codes that are not tried again

  [[nodiscard]] constexpr retry_policy on(code_name code) const { return add(&retry_policy::only, code); }
  [[nodiscard]] constexpr retry_policy not_on(code_name code) const { return add(&retry_policy::never, code); }
  [[nodiscard]] constexpr retry_policy within(duration elapsed) const {
    auto copy = *this;
    copy.max_elapsed = elapsed;
    return copy;
  }
  bool operator==(const retry_policy&) const = default;

 private:
  [[nodiscard]] constexpr retry_policy add(std::array<code_name, max_codes> retry_policy::*list, code_name code) const {
    auto copy = *this;
    for (auto& slot : copy.*list) {
      if (slot.view().empty()) {
        slot = code;
        return copy;
      }
    }
    throw std::length_error("a retry policy names at most six codes in each list");
  }
};
[[nodiscard]] constexpr retry_policy retry(std::uint32_t max_attempts, backoff how = {}) { return {max_attempts, how}; }

/// Time limits of an executor; 0 = none. All are deadlines in the run's state and survive restarts.
struct timeouts {
  duration schedule_to_start{0};  ///< from scheduling to the start of the first attempt
  duration start_to_close{0};     ///< one attempt
  duration schedule_to_close{0};  ///< the activation with all its attempts
  duration heartbeat{0};          ///< longest silence of an attempt (steps, progress and heartbeats are life)
  bool operator==(const timeouts&) const = default;
  [[nodiscard]] constexpr bool any() const { return *this != timeouts{}; }
};

}  // namespace perdure
