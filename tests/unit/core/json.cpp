// Conversion between described structs and JSON.
#include "support/catch.hpp"

#include <cmath>

#include "perdure/message.hpp"

using namespace perdure;

namespace sample {

enum class colour { red, green };
BOOST_DESCRIBE_ENUM(colour, red, green)

struct part {
  std::string name;
  std::optional<int> weight;
};
BOOST_DESCRIBE_STRUCT(part, (), (name, weight))

struct base {
  int number = 7;
};
BOOST_DESCRIBE_STRUCT(base, (), (number))

struct order : base {
  std::string text = "none";
  colour paint = colour::green;
  std::vector<part> parts;
  std::map<std::string, double> prices;
  std::optional<part> extra;
  std::optional<int> limit = 3;
  std::chrono::milliseconds wait{0};
  timestamp at{};
  json::value anything;
  payload raw;
  bool yes = false;
  std::uint8_t small = 0;
};
BOOST_DESCRIBE_STRUCT(order, (base), (text, paint, parts, prices, extra, limit, wait, at, anything, raw, yes, small))

struct wide {
  int a1 = 1, a2 = 2, a3 = 3, a4 = 4, a5 = 5, a6 = 6, a7 = 7, a8 = 8, a9 = 9, a10 = 10;
  int b1 = 1, b2 = 2, b3 = 3, b4 = 4, b5 = 5, b6 = 6, b7 = 7, b8 = 8, b9 = 9, b10 = 10;
  std::string c1 = "1", c2, c3, c4, c5, c6, c7, c8, c9;
  std::optional<std::string> c10;
};
PERDURE_MESSAGE(wide, "wide/v1", a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, c1, c2, c3, c4,
                c5, c6, c7, c8, c9, c10)

}  // namespace sample

namespace {
template <class T>
std::string problem(std::string_view text) {
  auto read = from_json<T>(json::parse({text.data(), text.size()}));
  REQUIRE(read.has_error());
  CHECK(read.error().code == errc::invalid_argument);
  return read.error().message;
}
}  // namespace

TEST_CASE("a described struct comes back as it was, with all kinds of members") {
  sample::order in;
  in.number = 1;
  in.text = "t";
  in.paint = sample::colour::red;
  in.parts = {{"a", 1}, {"b", {}}};
  in.prices = {{"x", 1.5}};
  in.extra = sample::part{"e", 2};
  in.wait = std::chrono::milliseconds{1500};
  in.at = *parse_timestamp("2026-11-22T10:00:00.5Z");
  in.anything = {1, "two"};
  in.raw = payload{json::value{{"k", 1}}};
  in.yes = true;
  in.small = 255;
  const auto written = to_json(in);
  CHECK(written.at("paint") == "red");
  CHECK(written.at("number") == 1);
  CHECK(written.at("wait") == 1500);
  CHECK(written.at("at") == "2026-11-22T10:00:00.500000Z");
  CHECK_FALSE(written.at("parts").at(1).as_object().contains("weight"));
  const auto out = from_json<sample::order>(payload{written}.value()).value();
  CHECK(to_json(out) == written);
  CHECK(out.parts[0].weight == 1);
  CHECK(out.prices.at("x") == 1.5);
}

TEST_CASE("absent members keep their defaults and unknown ones are ignored") {
  const auto out = from_json<sample::order>(json::parse(R"({"text":"t","from_the_future":{"a":1}})")).value();
  CHECK(out.text == "t");
  CHECK(out.number == 7);
  CHECK(out.limit == 3);
  CHECK(out.paint == sample::colour::green);
  CHECK_FALSE(out.extra);
}

TEST_CASE("an emptied optional does not come back with its default") {
  sample::order in;
  in.limit.reset();
  CHECK_FALSE(from_json<sample::order>(to_json(in)).value().limit);
  CHECK_FALSE(from_json<sample::order>(json::parse(R"({"extra":null})")).value().extra);
}

TEST_CASE("what does not fit is named with its path") {
  CHECK(problem<sample::order>("[]") == ": expected an object, found an array");
  CHECK(problem<sample::order>(R"({"text":5})") == "/text: expected a string, found the number 5");
  CHECK(problem<sample::order>(R"({"parts":[{"name":"a"},{"name":null}]})") == "/parts/1/name: expected a string, found null");
  CHECK(problem<sample::order>(R"({"prices":{"x":"dear"}})") == "/prices/x: expected a number, found a string");
  CHECK(problem<sample::order>(R"({"paint":"blue"})") == "/paint: expected one of the enumeration's names, found a string");
  CHECK(problem<sample::order>(R"({"small":256})") == "/small: expected an integer in range, found the number 256");
  CHECK(problem<sample::order>(R"({"number":1.5})") == "/number: expected an integer in range, found the number 1.5");
  CHECK(problem<sample::order>(R"({"at":"yesterday"})") == "/at: expected an RFC 3339 time, found a string");
  CHECK(problem<sample::order>(R"({"yes":1})") == "/yes: expected a bool, found the number 1");
  CHECK(problem<sample::order>(R"({"extra":{"weight":true}})") == "/extra/weight: expected an integer in range, found true");
}

TEST_CASE("an integral double is an integer") { CHECK(from_json<int>(json::value(3.0)).value() == 3); }

TEST_CASE("NaN and enumerators without a name are refused") {
  sample::order in;
  in.prices["x"] = std::nan("");
  CHECK_THROWS_AS(to_json(in), step_error);
  in.prices.clear();
  in.paint = static_cast<sample::colour>(9);
  CHECK_THROWS_AS(to_json(in), step_error);
}

TEST_CASE("a message of thirty members works") {
  sample::wide in;
  in.c9 = "nine";
  in.b10 = -1;
  const auto written = to_json(in);
  CHECK(written.as_object().size() == 29);
  const auto out = from_json<sample::wide>(written).value();
  CHECK(out.c9 == "nine");
  CHECK(out.b10 == -1);
  CHECK(message_name<sample::wide> == "wide/v1");
}

TEST_CASE("failures are data too") {
  failure in{.code = "x", .message = "y", .retry_after = std::chrono::seconds{2}, .causes = {{.code = "z", .message = "w"}}};
  CHECK(from_json<failure>(to_json(in)).value() == in);
}

TEST_CASE("a joined message gives its parts as one type") {
  const joined both{{json::value(1), json::value(2)}, {"a", "b"}};
  CHECK(both.as<int>().value() == std::vector{1, 2});
  CHECK(both.as<std::string>().has_error());
}
