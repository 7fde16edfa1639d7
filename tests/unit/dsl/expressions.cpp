// Native expressions: verdicts, values, errors, limits; values with expressions inside.
#include "dsl/expression.hpp"

#include "dsl/jq_values.hpp"
#include "perdure/json.hpp"
#include "support/catch.hpp"

using namespace perdure;
using namespace perdure::dsl;

namespace {

json::value parsed(std::string_view text) { return payload::parse_text(text)->value(); }

/// The values as jq prints them, or "error: …".
std::string values_of(std::string_view program, std::string_view input = "null") {
  const auto read = parse_jq(program);
  if (read.verdict != jq_verdict::native)
    return read.verdict == jq_verdict::foreign ? "foreign" : "invalid: " + read.error->message;
  const auto values = evaluate_jq(*read.root, parsed(input), {});
  return values ? jq::dump(*values) : "error: " + values.error().message;
}

}  // namespace

TEST_CASE("paths, operators and functions give what jq 1.6 gives") {
  CHECK(values_of(".a.b[0]", R"({"a":{"b":[7]}})") == "[7]");
  CHECK(values_of(R"(.["a b"], ."c", .d?)", R"({"a b":1,"c":2})") == "[1,2,null]");
  CHECK(values_of(".[-1], .[1:], .[:1], .[9]", "[1,2]") == "[2,[2],[1],null]");
  CHECK(values_of("1 + 2 * 3 - 4 / 2 % 3") == "[5]");
  CHECK(values_of("[.[] | select(. > 1) | . * 2]", "[1,2,3]") == "[[4,6]]");
  CHECK(values_of(".a // \"none\", (.a and true), (.b or false), (.a | not)", R"({"b":1})") == R"(["none",false,true,true])");
  CHECK(values_of(R"x("a\(1 + 1)b\(.x)")x", R"({"x":[1]})") == R"(["a2b[1]"])");
  CHECK(values_of("{a, b: 2, (\"c\"): .a, \"d\\(1)\": 4}", R"({"a":1})") == R"([{"a":1,"b":2,"c":1,"d1":4}])");
  CHECK(values_of("if . then \"y\" elif 1 then \"z\" else \"n\" end", "false") == R"(["z"])");
  CHECK(values_of("length, keys, has(\"a\"), type", R"({"b":1,"a":2})") == R"([2,["a","b"],true,"object"])");
  CHECK(values_of("[1e17, 1e-5, 0.1, 100, 1.5e300] | map(tostring)") == R"([["1e+17","1e-05","0.1","100","1.5e+300"]])");
  CHECK(values_of("9007199254740993, -0.0, 1e1000 | tostring") == R"(["9007199254740992","-0","1.7976931348623157e+308"])");
  CHECK(values_of("{a:1} == {a:1.0}, [1] < [2], null < false, {} > []") == "[true,true,true,true]");
  CHECK(values_of("\"x\" * 2, (\"a,b\" / \",\"), ({a:{b:1}} * {a:{c:2}}), ([1,2,1] - [1])") ==
        R"(["xx",["a","b"],{"a":{"b":1,"c":2}},[2]])");
  CHECK(values_of("(1,2) + (10,20)") == "[11,12,21,22]");
  CHECK(values_of("empty") == "[]");
  CHECK(values_of("") == "[null]");
}

TEST_CASE("errors are told, and what a question mark covers is dropped") {
  CHECK(values_of(".a", "1") == "error: Cannot index number with \"a\"");
  CHECK(values_of("1 + \"a\"") == "error: number (1) and string (\"a\") cannot be added");
  CHECK(values_of("(1, 2) / 0").starts_with("error: number (1)"));
  CHECK(values_of("[.[]?], .a.b?", "5") == "error: Cannot index number with \"a\"");
  CHECK(values_of("[.a?], [.[]?]", "5") == "[[],[]]");
  CHECK(values_of("\"x\" | tonumber") == "error: string (\"x\") cannot be parsed as a number");
}

TEST_CASE("what is no jq is refused, what is more than the native part is left to jq") {
  for (const auto* bad : {"1 +", "(1", "1)", ".a b", "foo", "length(1)", "\"abc", "1 < 2 < 3", "{a:1+2}", "if . then 1 end",
                          "\"\\q\"", "[1,]", "1/0", "{(1):2}", "$", "(.a)?.b"}) {
    INFO(bad);
    CHECK(parse_jq(bad).verdict == jq_verdict::invalid);
  }
  for (const auto* more : {"reduce .[] as $x (0; . + $x)", "try error catch .", ".a |= 1", "..", "@base64", "def f: 1; f",
                           "sort_by(.a)", "test(\"x\")", ". as [$a] | $a", "[limit(3; repeat(1))]"}) {
    INFO(more);
    CHECK(parse_jq(more).verdict == jq_verdict::foreign);
  }
}

TEST_CASE("hostile expressions end in an error") {
  CHECK(values_of("[range(1000000000)] | length").starts_with("error: "));
  CHECK(values_of("range(1000000000)").starts_with("error: "));
  CHECK(values_of("\"abcdefgh\" * 1000000000").starts_with("error: "));
  CHECK(values_of(std::string(5'000, '[') + std::string(5'000, ']')) == "foreign");
  CHECK(parse_jq(std::string(50'000, '(')).verdict == jq_verdict::invalid);
  CHECK(parse_jq("1" + std::string(100'000, ' ')).verdict == jq_verdict::invalid);
  std::string sum = "1";
  for (int i = 0; i < 10'000; ++i) sum += "+.";
  CHECK(values_of(sum) == "foreign");
}

TEST_CASE("expressions in text are found by their form") {
  CHECK(whole_expression("${ .a }") == " .a ");
  CHECK(whole_expression("  ${.a}\n") == ".a");
  CHECK(whole_expression("${ {a: \"}\"} }") == " {a: \"}\"} ");
  CHECK_FALSE(whole_expression("${ .a } and ${ .b }"));
  CHECK_FALSE(whole_expression("x ${ .a }"));
  CHECK(whole_expression("${ \"x }"));  // meant as one: its error is told
  const auto pieces = split_text("a ${ .b } ${HOME} ${.c}${$d.e}");
  REQUIRE(pieces.size() == 5);
  CHECK(pieces[0].text == "a ");
  CHECK((pieces[1].program && pieces[1].text == " .b "));
  CHECK((!pieces[2].program && pieces[2].text == " ${HOME} "));
  CHECK((pieces[3].program && pieces[3].text == ".c"));
  CHECK((pieces[4].program && pieces[4].text == "$d.e"));
}
