// ISO 8601 durations.
#include "dsl/iso_duration.hpp"

#include "support/catch.hpp"

using namespace perdure;
using namespace perdure::dsl;
using namespace std::chrono_literals;

TEST_CASE("durations are read part by part") {
  CHECK(parse_iso_duration("PT30S") == 30s);
  CHECK(parse_iso_duration("PT0S") == 0s);
  CHECK(parse_iso_duration("P1DT2H3M4S") == 24h + 2h + 3min + 4s);
  CHECK(parse_iso_duration("PT0.25S") == 250ms);
  CHECK(parse_iso_duration("PT1.5H") == 90min);
  CHECK(parse_iso_duration("P2W") == 24h * 14);
  CHECK(parse_iso_duration("P1Y2M") == 24h * (365 + 60));
  CHECK(parse_iso_duration("P0.5D") == 12h);
  CHECK(parse_iso_duration("PT0.000001S") == 1us);
}

TEST_CASE("what is no duration is refused") {
  for (const auto* bad :
       {"",       "P",     "PT",    "T1S",    "30S",      "PT30",    "P1S",       "PT1D",
        "PT1S2M", "P1D1Y", "PT.5S", "PT5.S",  "PT1.2.3S", "-PT1S",   "PT-1S",     "pt1s",
        "P1DT",   "PT1S ", " PT1S", "PT1,5S", "P1H",      "PT1HT1M", "P9999999Y", "PT99999999999999999999999999S",
        "P1"}) {
    INFO(bad);
    CHECK_FALSE(parse_iso_duration(bad));
  }
}
