// Cron expressions: which minutes they name, and what is none.
#include "dsl/cron.hpp"

#include <chrono>

#include "support/catch.hpp"

using namespace perdure;
using dsl::cron;

namespace {

std::int64_t at(int year, unsigned month, unsigned day, int hour, int minute) {
  using namespace std::chrono;
  const sys_days days{std::chrono::year{year} / std::chrono::month{month} / std::chrono::day{day}};
  return days.time_since_epoch().count() * 24 * 60 + hour * 60 + minute;
}

std::optional<std::int64_t> next(const std::string& text, std::int64_t after) {
  const auto made = cron::parse(text);
  INFO(text << (made ? "" : ": " + made.error().message));
  REQUIRE(made.has_value());
  return made->next(after);
}

}  // namespace

TEST_CASE("the next minute that all fields name") {
  const auto friday = at(2026, 11, 27, 23, 59);  // a Friday
  CHECK(next("* * * * *", friday) == at(2026, 11, 28, 0, 0));
  CHECK(next("*/15 * * * *", friday) == at(2026, 11, 28, 0, 0));
  CHECK(next("5-59/20 3 * * *", friday) == at(2026, 11, 28, 3, 5));
  CHECK(next("5-59/20 3 * * *", at(2026, 11, 28, 3, 5)) == at(2026, 11, 28, 3, 25));
  CHECK(next("30 9 * * mon-fri", friday) == at(2026, 11, 30, 9, 30));
  CHECK(next("0 0 1 jan *", friday) == at(2027, 1, 1, 0, 0));
  CHECK(next("0 12 31 * *", at(2026, 11, 1, 0, 0)) == at(2026, 12, 31, 12, 0));
  CHECK(next("0 0 29 2 *", friday) == at(2028, 2, 29, 0, 0));
  CHECK(next("0 0 * * 7", friday) == at(2026, 11, 29, 0, 0));
  CHECK(next("0 0 * * 0", friday) == at(2026, 11, 29, 0, 0));
  CHECK(next("59 23 31 12 *", at(1969, 12, 31, 23, 58)) == at(1969, 12, 31, 23, 59));
  CHECK(next("0,30 8,20 * * *", at(2026, 1, 1, 8, 0)) == at(2026, 1, 1, 8, 30));
  CHECK_FALSE(next("0 0 30 2 *", friday));
}

TEST_CASE("where both fields of days say something either is enough") {
  CHECK(next("0 0 13 * fri", at(2026, 11, 1, 0, 0)) == at(2026, 11, 6, 0, 0));
  CHECK(next("0 0 13 * fri", at(2026, 11, 6, 0, 0)) == at(2026, 11, 13, 0, 0));
  CHECK(next("0 0 3 * fri", at(2026, 11, 1, 0, 0)) == at(2026, 11, 3, 0, 0));
  CHECK(next("0 0 ? * fri", at(2026, 11, 1, 0, 0)) == at(2026, 11, 6, 0, 0));
}

TEST_CASE("names of schedules, and time zones") {
  CHECK(next("@daily", at(2026, 11, 1, 0, 0)) == at(2026, 11, 2, 0, 0));
  CHECK(next("@Hourly", at(2026, 11, 1, 0, 0)) == at(2026, 11, 1, 1, 0));
  CHECK(next(" @weekly ", at(2026, 11, 2, 0, 0)) == at(2026, 11, 8, 0, 0));
  CHECK(cron::parse("0 2 * * *")->zone() == "UTC");
  CHECK(cron::parse("CRON_TZ=Europe/Berlin 0 2 * * *")->zone() == "Europe/Berlin");
  CHECK(cron::parse("TZ=America/New_York @daily")->zone() == "America/New_York");
}

TEST_CASE("what is no cron expression says which part") {
  const auto why = [](const std::string& text) {
    const auto made = cron::parse(text);
    return made ? std::string{} : made.error().message;
  };
  CHECK(why("").find("expected five fields") == 0);
  CHECK(why("* * * *").find("expected five fields") == 0);
  CHECK(why("* * * * * *").find("expected five fields") == 0);
  CHECK(why("60 * * * *").find("\"60\" is no minute") == 0);
  CHECK(why("* 24 * * *").find("\"24\" is no hour") == 0);
  CHECK(why("* * 0 * *").find("\"0\" is no day of the month") == 0);
  CHECK(why("* * * foo *").find("\"foo\" is no month") == 0);
  CHECK(why("* * * * 8").find("\"8\" is no day of the week") == 0);
  for (const auto* bad : {"*/0 * * * *", "5-1 * * * *", "1- * * * *", "1,, * * * *", "-1 * * * *", "1/x * * * *", "@often",
                          "@daily 1", "CRON_TZ= 0 0 * * *"})
    CHECK_FALSE(why(bad).empty());
}
