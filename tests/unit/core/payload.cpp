// Payloads: the stored form of JSON values, and its limits.
#include "support/catch.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "core/json_text.hpp"
#include "perdure/limits.hpp"
#include "perdure/payload.hpp"
#include "perdure/step.hpp"
#include "support/seed.hpp"

using namespace perdure;

namespace {
std::string code_of(const std::function<void()>& what) {
  try {
    what();
  } catch (const step_error& error) {
    return error.why().code;
  }
  return "nothing";
}
json::value nested(std::size_t levels) {
  json::value out = 1;
  for (std::size_t i = 0; i < levels; ++i) out = json::array{out};
  return out;
}
std::string message_of(std::string_view text) {
  auto read = payload::parse_text(text);
  REQUIRE(read.has_error());
  CHECK(read.error().code == errc::invalid_argument);
  return read.error().message;
}
}  // namespace

TEST_CASE("a payload is compact text, and the empty one is null") {
  CHECK(payload{}.text() == "null");
  CHECK(payload{}.is_null());
  CHECK(payload{json::value(nullptr)} == payload{});
  CHECK(payload{json::value{{"a", 1}, {"b", {true, nullptr, "x"}}}}.text() == R"({"a":1,"b":[true,null,"x"]})");
  CHECK(payload::parse_text("  { \"a\" : [ 1 , 2 ] }\n").value().text() == R"({"a":[1,2]})");
  CHECK(payload::trusted("null") == payload{});
  CHECK(payload::trusted("[1]").value().as_array().size() == 1);
}

TEST_CASE("every double comes back as it was") {
  // Boost.JSON 1.81 alone loses the last bit of one in five.
  std::mt19937_64 random{test::session_seed()};
  for (int i = 0; i < 20'000; ++i) {
    double value = 0;
    if (i % 2 == 0) {
      const auto bits = random();
      std::memcpy(&value, &bits, sizeof value);
    } else {
      value = static_cast<double>(random() >> 11U) / static_cast<double>(1ULL << 53U);
    }
    if (!std::isfinite(value)) continue;
    const payload stored{json::value(value)};
    INFO(stored.text());
    const auto back = stored.value();
    REQUIRE(back.is_double());
    REQUIRE(back.get_double() == value);
  }
  CHECK(payload{json::value(1.5)}.text() == "1.5");
  CHECK(payload{json::value(100.0)}.text() == "100.0");
  CHECK(std::signbit(payload{json::value(-0.0)}.value().get_double()));
}

TEST_CASE("integers of 64 bits come back as they were") {
  CHECK(payload{json::value(std::numeric_limits<std::int64_t>::min())}.value().as_int64() ==
        std::numeric_limits<std::int64_t>::min());
  CHECK(payload{json::value(std::numeric_limits<std::uint64_t>::max())}.value().as_uint64() ==
        std::numeric_limits<std::uint64_t>::max());
  CHECK(payload::parse_text("123456789012345678901234567890").value().value().is_double());
}

TEST_CASE("short integers are read like long ones") {
  for (const auto* text : {"0", "7", "-1", "10", "999999999999999999", "-999999999999999999", "1000000000000000000"}) {
    const auto read = core::read_json_text(text).value();
    CHECK(read == json::parse(text));
    CHECK(read.is_int64());
  }
  for (const auto* bad : {"-", "01", "-01", "1a", "1 2", "--1", "+1", "1."}) {
    INFO(bad);
    CHECK(core::read_json_text(bad).has_error());
  }
  CHECK(core::read_json_text("-0").value() == json::parse("-0"));
}

TEST_CASE("strings are escaped, and come back as they were") {
  std::string all;
  for (int i = 0; i < 128; ++i) all += static_cast<char>(i);
  all += "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80";
  const json::value value{{all, all}};
  const payload stored{value};
  CHECK(stored.value() == value);
  CHECK(json::parse(stored.text()) == value);
  CHECK(payload{json::value("a\"\\\n\x01/")}.text() == "\"a\\\"\\\\\\n\\u0001/\"");
}

TEST_CASE("NaN, infinities and text that is not UTF-8 are refused") {
  CHECK(code_of([] { payload{json::value(std::nan(""))}; }) == "bad_message");
  CHECK(code_of([] { payload{json::value{{"a", {1, -std::numeric_limits<double>::infinity()}}}}; }) == "bad_message");
  for (const auto* bad : {"\x80", "\xC0\x80", "\xE2\x82", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE0\x80\x80", "\xFF"}) {
    CHECK(code_of([bad] { payload{json::value(bad)}; }) == "bad_message");
    CHECK(core::valid_utf8("a" + std::string{bad} + "b").starts_with("a\xEF\xBF\xBD"));
    CHECK_NOTHROW(payload{json::value(core::valid_utf8(bad))});
  }
  CHECK(core::valid_utf8("gr\xC3\xBC\xC3\x9F") == "gr\xC3\xBC\xC3\x9F");
}

TEST_CASE("writer and reader have the same depth limit") {
  const payload deepest{nested(limits::json_depth)};
  CHECK(payload::parse_text(deepest.text()).value() == deepest);
  CHECK(deepest.value() == nested(limits::json_depth));
  CHECK(code_of([] { payload{nested(limits::json_depth + 1)}; }) == "limit");
  CHECK(message_of(std::string(65, '[') + std::string(65, ']')) ==
        "malformed JSON at line 1, column 65: nested deeper than json_depth = 64 levels");
}

TEST_CASE("malformed text is refused with line and column") {
  CHECK(message_of("{\"a\": 1,\n  \"b\" 2}") == "malformed JSON at line 2, column 7: syntax error");
  CHECK(message_of("") == "malformed JSON at line 1, column 1: the text ends too early");
  CHECK(message_of("[1, 2") == "malformed JSON at line 1, column 6: the text ends too early");
  CHECK(message_of("[\"\xC3\xA4\xC3\xB6\"] x") == "malformed JSON at line 1, column 8: more text after the value");
  CHECK(message_of("1e999").find("a number out of range") != std::string::npos);
  CHECK(message_of("[1,]").starts_with("malformed JSON at line 1, column 4"));
  CHECK(message_of("\"\x80\"").starts_with("malformed JSON"));
  CHECK(message_of("{'a': 1}").starts_with("malformed JSON at line 1, column 2"));
  CHECK(payload::parse_text("1e-999").value().text() == "0.0");
}

TEST_CASE("a text over the limit is refused before it is read") {
  const auto read = payload::parse_text(std::string(limits::payload_bytes + 1, ' '));
  REQUIRE(read.has_error());
  CHECK(read.error().code == errc::payload_too_large);
  CHECK(read.error().message.find("payload_bytes = 16777216") != std::string::npos);
}

TEST_CASE("stored text that is damaged fails as corrupt") {
  CHECK(code_of([] { (void)payload::trusted("{\"a\":").value(); }) == "corrupt");
}

TEST_CASE("long strings and numbers survive the reader's inner buffers") {
  json::array items;
  for (int i = 0; i < 500; ++i)
    items.push_back(json::value{{"key" + std::to_string(i), std::string(static_cast<std::size_t>(i) * 37, 'x')}, {"n", i / 7.0}});
  const payload stored{items};
  const bool same = stored.value() == json::value(items);  // not shown on failure: it is long
  CHECK(same);
}

TEST_CASE("a failure is thrown as the exception of its code") {
  const auto failure_of = [](std::string_view code) { return failure{.code = std::string{code}, .message = "m"}; };
  CHECK_THROWS_AS(detail::throw_failure(failure_of("timeout")), timeout_error);
  CHECK_THROWS_AS(detail::throw_failure(failure_of("cancelled")), cancelled_error);
  CHECK_THROWS_AS(detail::throw_failure(failure_of("mine")), step_error);
  CHECK(step_error("", "text").why().code == "exception");
  CHECK(std::string{step_error("mine", "text").what()} == "text");
}

TEST_CASE("results say what went wrong when their value is taken") {
  const result<int> none = error{errc::not_found, "no run 7"};
  CHECK_THROWS_WITH(none.value(), "no run 7");
  CHECK(to_string(errc::disk_full) == "disk_full");
}
