// Backoff without overflow: everything is bounded by the cap before it becomes an integer.
#include "core/backoff.hpp"

#include <algorithm>
#include <cmath>

namespace perdure::core {

namespace {

/// Uniform in [low, high], without a modulo's bias worth speaking of.
duration uniform(duration low, duration high, std::uint64_t random) {
  if (high <= low) return low;
  const auto span = static_cast<unsigned __int128>(static_cast<std::uint64_t>((high - low).count())) + 1;
  return low + duration{static_cast<std::int64_t>(static_cast<std::uint64_t>(random * span >> 64U))};
}

duration bounded(double microseconds, duration cap) {
  if (!(microseconds > 0)) return duration{0};
  return microseconds < static_cast<double>(cap.count()) ? duration{static_cast<std::int64_t>(microseconds)} : cap;
}

duration without_jitter(const backoff& how, std::uint32_t next_try, duration initial, duration cap) {
  const double retry = next_try < 2 ? 1.0 : next_try - 1.0;
  const auto first = static_cast<double>(initial.count());
  switch (how.kind) {
    case backoff_kind::none: return duration{0};
    case backoff_kind::fixed: return std::min(initial, cap);
    case backoff_kind::linear: return bounded(first * retry, cap);
    case backoff_kind::exponential: {
      const auto factor = std::isfinite(how.factor) && how.factor > 0 ? how.factor : 1.0;
      // Zero times infinity is no number; zero stays zero.
      return first == 0 ? duration{0} : bounded(first * std::pow(factor, retry - 1.0), cap);
    }
  }
  return duration{0};
}

bool names(const std::array<code_name, retry_policy::max_codes>& list, std::string_view code) {
  const auto cut = code.substr(0, code_name{}.text.size() - 1);
  return std::any_of(list.begin(), list.end(), [&](const code_name& each) { return !each.view().empty() && each.view() == cut; });
}

}  // namespace

duration delay_before(const backoff& how, std::uint32_t next_try, duration previous, std::uint64_t random) {
  const auto cap = std::max(how.cap, duration{0});
  const auto initial = std::max(how.initial, duration{0});
  const auto plain = without_jitter(how, next_try, initial, cap);
  switch (how.jitter) {
    case jitter_kind::none: return plain;
    case jitter_kind::full: return uniform(duration{0}, plain, random);
    case jitter_kind::equal: return plain / 2 + uniform(duration{0}, plain - plain / 2, random);
    case jitter_kind::decorrelated: {
      if (how.kind == backoff_kind::none) return duration{0};
      auto last = std::max(previous, duration{0});
      if (last == duration{0}) last = next_try <= 2 ? initial : without_jitter(how, next_try - 1, initial, cap);
      const auto low = std::min(initial, cap);
      return uniform(low, bounded(3.0 * static_cast<double>(last.count()), cap), random);
    }
  }
  return plain;
}

bool may_retry(const retry_policy& policy, std::uint32_t tries_made, std::string_view code, duration elapsed) {
  if (policy.max_attempts != 0 && tries_made >= policy.max_attempts) return false;
  if (policy.max_elapsed > duration{0} && elapsed >= policy.max_elapsed) return false;
  if (code == failure_code::cancelled || code == failure_code::nondeterminism) return false;
  if (names(policy.never, code)) return false;
  const bool picky =
      std::any_of(policy.only.begin(), policy.only.end(), [](const code_name& each) { return !each.view().empty(); });
  if (picky) return names(policy.only, code);
  return code != failure_code::bad_message && code != failure_code::limit;
}

}  // namespace perdure::core
