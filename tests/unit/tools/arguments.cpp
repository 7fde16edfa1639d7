#include <fstream>

#include "support/catch.hpp"
#include "tools/cli/command.hpp"
#include "tools/cli/times.hpp"

using namespace perdure;
using namespace perdure::tools::cli;
using namespace std::chrono_literals;

TEST_CASE("durations are read with their unit, and what is none is refused") {
  CHECK(read_duration("90", "--timeout").value() == 90s);
  CHECK(read_duration("1.5s", "--timeout").value() == 1500ms);
  CHECK(read_duration("250ms", "--timeout").value() == 250ms);
  CHECK(read_duration("15m", "--timeout").value() == 15min);
  CHECK(read_duration("2h", "--timeout").value() == 2h);
  CHECK(read_duration("1d", "--timeout").value() == 24h);
  for (const auto* bad : {"", "x", "5 s", "5w", "-1s", "1e300h", "nan"}) {
    INFO(bad);
    const auto read = read_duration(bad, "--timeout");
    REQUIRE_FALSE(read);
    CHECK(read.error().message.find("--timeout") != std::string::npos);
  }
}

TEST_CASE("a time limit of nothing is none, and is refused") {
  CHECK(read_time_limit("1ms", "--timeout").value() == 1ms);
  CHECK_FALSE(read_time_limit("0", "--timeout"));
  CHECK_FALSE(read_time_limit("0.0000001", "--timeout"));
  CHECK_FALSE(read_time_limit("soon", "--timeout"));
}

TEST_CASE("malformed input says where it is malformed") {
  CHECK(read_json_argument("", "--input").value().is_null());
  CHECK(read_json_argument(" {\"a\": 1}\n", "--input").value().at("a") == 1);
  const auto bad = read_json_argument("{\n  \"a\": tru\n}", "--input");
  REQUIRE_FALSE(bad);
  CHECK(bad.error().message.find("--input") != std::string::npos);
  CHECK(bad.error().message.find("line 2") != std::string::npos);
  CHECK(bad.error().message.find("column") != std::string::npos);
}

TEST_CASE("input from a file that is not there names the file") {
  const auto bad = read_json_argument("@/nonexistent/input.json", "--input");
  REQUIRE_FALSE(bad);
  CHECK(bad.error().code == errc::not_found);
  CHECK(bad.error().message.find("/nonexistent/input.json") != std::string::npos);
}

TEST_CASE("input without end is refused by its limit") {
  const auto endless = read_json_argument("@/dev/zero", "--input");
  REQUIRE_FALSE(endless);
  CHECK(endless.error().code == errc::payload_too_large);
  CHECK(endless.error().message.find("payload_bytes") != std::string::npos);
}

TEST_CASE("times are told relative and absolute") {
  const auto now = parse_timestamp("2026-11-22T10:00:00Z").value();
  CHECK(relative(now - 3min, now) == "3m ago");
  CHECK(relative(now + 2h, now) == "in 2h");
  CHECK(relative(now - 10ms, now) == "just now");
  CHECK(absolute_and_relative(now - 3min, now) == "2026-11-22 09:57:00Z (3m ago)");
  CHECK(absolute_and_relative(std::string{}, now) == "-");
}

TEST_CASE("long JSON is printed on several lines and short JSON on one") {
  CHECK(pretty_json(json::value{{"a", 1}}) == "{\"a\":1}");
  json::array many;
  for (int i = 0; i < 40; ++i) many.push_back(i * 1000);
  const auto text = pretty_json(json::value{{"many", many}, {"one", 1}});
  CHECK(text.starts_with("{\n  \"many\": [\n    0,\n"));
  CHECK(text.ends_with("],\n  \"one\": 1\n}"));
}
