// Retry policies: delays and codes.
#include "support/catch.hpp"

#include "core/backoff.hpp"
#include "core/counter_random.hpp"

using namespace perdure;
using namespace std::chrono_literals;
using core::delay_before;
using core::may_retry;

namespace {
constexpr std::uint64_t most = ~std::uint64_t{0};
constexpr std::uint64_t half = std::uint64_t{1} << 63U;
}  // namespace

TEST_CASE("without jitter the delays are those of the kind") {
  CHECK(delay_before({}, 2, 0s, most) == 0s);
  CHECK(delay_before(fixed(3s), 2, 0s, most) == 3s);
  CHECK(delay_before(fixed(3s), 9, 0s, most) == 3s);
  CHECK(delay_before(linear(2s, 5s), 2, 0s, 0) == 2s);
  CHECK(delay_before(linear(2s, 5s), 3, 0s, 0) == 4s);
  CHECK(delay_before(linear(2s, 5s), 4, 0s, 0) == 5s);
  CHECK(delay_before(exponential(1s, 60s), 2, 0s, 0) == 1s);
  CHECK(delay_before(exponential(1s, 60s), 3, 0s, 0) == 2s);
  CHECK(delay_before(exponential(1s, 60s), 7, 0s, 0) == 32s);
  CHECK(delay_before(exponential(1s, 60s), 8, 0s, 0) == 60s);
  CHECK(delay_before(exponential(1s, 60s, 1.5), 4, 0s, 0) == 2250ms);
}

TEST_CASE("no number of tries overflows") {
  for (const std::uint32_t next : {0U, 1U, 2U, 64U, 65U, 2'000U, ~0U}) {
    CHECK(delay_before(exponential(1s, 60s), next, 0s, most) <= 60s);
    CHECK(delay_before(exponential(1s, duration::max(), 1e300), next, 0s, most) >= 0s);
    CHECK(delay_before(linear(24h * 365, duration::max()), next, 0s, most) >= 0s);
    CHECK(delay_before(exponential(0s, 60s), next, 0s, most) == 0s);
    CHECK(delay_before(exponential(1s, -1s), next, 0s, most) == 0s);
    CHECK(delay_before(exponential(-1s, 60s), next, 0s, most) == 0s);
    for (const auto jitter : {jitter_kind::full, jitter_kind::equal, jitter_kind::decorrelated}) {
      const auto wait = delay_before(exponential(1s, duration::max()).with_jitter(jitter), next, duration::max(), most);
      CHECK(wait >= 0s);
    }
  }
  CHECK(delay_before(exponential(1s, 60s, std::numeric_limits<double>::quiet_NaN()), 9, 0s, 0) == 1s);
}

TEST_CASE("jitter stays in its bounds and uses all of them") {
  const auto base = exponential(4s, 60s);
  CHECK(delay_before(base.with_jitter(jitter_kind::full), 3, 0s, 0) == 0s);
  CHECK(delay_before(base.with_jitter(jitter_kind::full), 3, 0s, half) == 4s);
  CHECK(delay_before(base.with_jitter(jitter_kind::full), 3, 0s, most) == 8s);
  CHECK(delay_before(base.with_jitter(jitter_kind::equal), 3, 0s, 0) == 4s);
  CHECK(delay_before(base.with_jitter(jitter_kind::equal), 3, 0s, most) == 8s);
  CHECK(delay_before(base.with_jitter(jitter_kind::decorrelated), 3, 10s, 0) == 4s);
  CHECK(delay_before(base.with_jitter(jitter_kind::decorrelated), 3, 10s, most) == 30s);
  CHECK(delay_before(base.with_jitter(jitter_kind::decorrelated), 3, 50s, most) == 60s);
  CHECK(delay_before(base.with_jitter(jitter_kind::decorrelated), 2, 0s, most) == 12s);
  // The previous wait is not known: it grows all the same.
  CHECK(delay_before(base.with_jitter(jitter_kind::decorrelated), 4, 0s, most) == 24s);
  duration sum{0};
  for (std::uint64_t i = 0; i < 10'000; ++i)
    sum += delay_before(base.with_jitter(jitter_kind::full), 3, 0s, core::counter_random({}, 1, i));
  CHECK(std::abs((sum / 10'000 - duration{4s}).count()) < 100'000);
}

TEST_CASE("tries and elapsed time bound the retries") {
  CHECK_FALSE(may_retry({}, 1, "exception", 0s));
  CHECK(may_retry(retry(3), 2, "exception", 0s));
  CHECK_FALSE(may_retry(retry(3), 3, "exception", 0s));
  CHECK(may_retry(retry(0), 1'000'000, "exception", 0s));
  CHECK(may_retry(retry(3).within(10s), 1, "exception", 9s));
  CHECK_FALSE(may_retry(retry(3).within(10s), 1, "exception", 10s));
}

TEST_CASE("codes choose what is tried again") {
  CHECK(may_retry(retry(3).on("busy").on("timeout"), 1, "timeout", 0s));
  CHECK_FALSE(may_retry(retry(3).on("busy"), 1, "timeout", 0s));
  CHECK_FALSE(may_retry(retry(3).not_on("fatal"), 1, "fatal", 0s));
  CHECK(may_retry(retry(3).not_on("fatal"), 1, "timeout", 0s));
  CHECK_FALSE(may_retry(retry(3).on("fatal").not_on("fatal"), 1, "fatal", 0s));
  const std::string longer(60, 'x');
  CHECK(may_retry(retry(3).on(longer.c_str()), 1, longer, 0s));
}

TEST_CASE("cancels and nondeterminism are never tried again") {
  CHECK_FALSE(may_retry(retry(3).on("cancelled"), 1, "cancelled", 0s));
  CHECK_FALSE(may_retry(retry(3).on("nondeterminism"), 1, "nondeterminism", 0s));
}

TEST_CASE("a payload over the limit is not tried again for ever") {
  // pydantic-ai 7157: a result that could not be stored was computed again and again, always with the same end.
  CHECK_FALSE(may_retry(retry(100), 1, "limit", 0s));
  CHECK_FALSE(may_retry(retry(100), 1, "bad_message", 0s));
  CHECK(may_retry(retry(100).on("bad_message"), 1, "bad_message", 0s));
}
