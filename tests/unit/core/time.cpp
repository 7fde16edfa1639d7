// RFC 3339 times, and lengths of time for people.
#include "support/catch.hpp"

#include <random>

#include "perdure/time.hpp"
#include "support/seed.hpp"

using namespace perdure;
using namespace std::chrono_literals;

namespace {
timestamp at(std::int64_t microseconds) { return timestamp{duration{microseconds}}; }
}  // namespace

TEST_CASE("a time is written in UTC with microseconds") {
  CHECK(to_string(at(0)) == "1970-01-01T00:00:00.000000Z");
  CHECK(to_string(at(1'795'341'600'123'456)) == "2026-11-22T10:00:00.123456Z");
  CHECK(to_string(at(-1)) == "1969-12-31T23:59:59.999999Z");
  CHECK(to_string(timestamp::max()) == "9999-12-31T23:59:59.999999Z");
  CHECK(to_string(timestamp::min()) == "0000-01-01T00:00:00.000000Z");
}

TEST_CASE("what is written is read again") {
  std::mt19937_64 random{test::session_seed()};
  std::uniform_int_distribution<std::int64_t> any{-62'167'219'200'000'000, 253'402'300'799'999'999};
  for (int i = 0; i < 10'000; ++i) {
    const auto time = at(any(random));
    REQUIRE(parse_timestamp(to_string(time)) == time);
  }
}

TEST_CASE("RFC 3339 times with fractions and offsets are read") {
  CHECK(parse_timestamp("2026-11-22T10:00:00Z") == at(1'795'341'600'000'000));
  CHECK(parse_timestamp("2026-11-22t10:00:00z") == at(1'795'341'600'000'000));
  CHECK(parse_timestamp("2026-11-22 10:00:00.5Z") == at(1'795'341'600'500'000));
  CHECK(parse_timestamp("2026-11-22T10:00:00.123456789Z") == at(1'795'341'600'123'456));
  CHECK(parse_timestamp("2026-11-22T12:30:00+02:30") == at(1'795'341'600'000'000));
  CHECK(parse_timestamp("2026-11-22T02:00:00-08:00") == at(1'795'341'600'000'000));
  CHECK(parse_timestamp("2024-02-29T00:00:00Z"));
  CHECK(parse_timestamp("2016-12-31T23:59:60Z") == parse_timestamp("2017-01-01T00:00:00Z"));
}

TEST_CASE("what is no RFC 3339 time is refused") {
  for (const auto* bad : {"",
                          "2026-11-22",
                          "2026-11-22T10:00:00",
                          "2026-11-22T10:00Z",
                          "2026-13-22T10:00:00Z",
                          "2026-02-29T10:00:00Z",
                          "2026-11-22T24:00:00Z",
                          "2026-11-22T10:60:00Z",
                          "2026-11-22T10:00:61Z",
                          "2026-11-22T10:00:00.Z",
                          "2026-11-22T10:00:00.1234567890Z",
                          "2026-11-22T10:00:00+0200",
                          "2026-11-22T10:00:00+24:00",
                          "2026-11-22T10:00:00Z ",
                          " 2026-11-22T10:00:00Z",
                          "2026-11-22T10:00:00ZZ",
                          "20261122T100000Z",
                          "-026-11-22T10:00:00Z",
                          "2026-00-22T10:00:00Z",
                          "2026-11-00T10:00:00Z"}) {
    INFO(bad);
    CHECK_FALSE(parse_timestamp(bad));
  }
}

TEST_CASE("lengths of time are short and readable") {
  CHECK(to_human(0s) == "0s");
  CHECK(to_human(7us) == "7us");
  CHECK(to_human(150ms) == "150ms");
  CHECK(to_human(1500us) == "1.5ms");
  CHECK(to_human(1500ms) == "1.5s");
  CHECK(to_human(1050ms) == "1.05s");
  CHECK(to_human(59s) == "59s");
  CHECK(to_human(123s) == "2m 3s");
  CHECK(to_human(120s) == "2m");
  CHECK(to_human(25h + 30min) == "1d 1h");
  CHECK(to_human(3h + 20min + 5s) == "3h 20m");
  CHECK(to_human(-1500ms) == "-1.5s");
  CHECK(to_human(duration::max()) == to_human(duration::min()).substr(1));
}
