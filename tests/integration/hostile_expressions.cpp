// Expressions that are out to harm: each ends in the specification's error "expression" (or is refused when the document is
// read), and the node that ran it goes on.
#include <array>

#include "support/catch.hpp"
#include "support/program.hpp"

using namespace perdure;
using perdure::test::workplace;

namespace {

/// Too much memory, time, depth or stack; what jq 1.6 asserts on.
constexpr std::array<std::string_view, 13> ruinous{
    "def f: [f]; f",
    "def f: f; f",
    ".[500000000] = 1",
    "1e300 | todate",
    "[1e300] | todate",
    "1e300 | gmtime",
    "last(range(1e15))",
    "[limit(1e9; repeat(\"x\"))] | add",
    "reduce range(200000) as $i (.; {a: .})",
    "reduce range(40) as $i (\"x\"; . + .)",
    "range(300000)",
    "\"!!!\" | @base64d | fromjson",
    "implode",
};

/// What reaches outside of the expression.
constexpr std::array<std::string_view, 16> reaching{
    "env.PATH",
    "$ENV.PATH",
    "input",
    "[inputs]",
    "debug",
    "stderr",
    "halt",
    "\"x\" | halt_error",
    "halt_error(1)",
    "input_filename",
    "input_line_number",
    "import \"a\" as a; .",
    "include \"a\"; .",
    "\"a\" | modulemeta",
    "get_search_list",
    "$__prog_args",
};

std::string set(std::size_t number, std::string_view expression, const std::string& indent) {
  return indent + "- e" + std::to_string(number) + ":\n" + indent + "    set:\n" + indent + "      x: >-\n" + indent +
         "        ${ " + std::string{expression} + " }\n";
}

}  // namespace

TEST_CASE("ruinous expressions end in the error of expressions, and the run goes on") {
  const workplace here;
  std::string tasks;
  for (std::size_t i = 0; i < ruinous.size(); ++i) {
    tasks += "  - t" + std::to_string(i) + ":\n      try:\n" + set(i, ruinous[i], "        ");
    tasks += "      catch: {do: [{c: {set: '${ $context }', export: {as: '$context + [$error | {type, status, instance}]'}}}]}\n";
  }
  tasks += "  - whole: {set: {errors: '${ $context }', still: '${ [3, 1, 2] | sort }'}}\n";
  const auto done = here.call({"run", here.document("ruinous", tasks), "--input", "[]", "--json"});
  INFO(done.out << done.err);
  REQUIRE(done.code == 0);
  const auto output = done.json().at("output");
  CHECK(output.at("still") == json::value{1, 2, 3});
  const auto& errors = output.at("errors").as_array();
  REQUIRE(errors.size() == ruinous.size());
  for (std::size_t i = 0; i < ruinous.size(); ++i) {
    INFO(ruinous[i]);
    CHECK(errors[i].at("type") == "https://serverlessworkflow.io/spec/1.0.0/errors/expression");
    CHECK(errors[i].at("status") == 400);
    const auto number = std::to_string(i);
    CHECK(test::text_of(errors[i].at("instance")) == "/do/" + number + "/t" + number + "/try/0/e" + number);
  }
}

TEST_CASE("expressions that reach outside are refused when the document is read, each at its place") {
  const workplace here;
  std::string tasks;
  for (std::size_t i = 0; i < reaching.size(); ++i) tasks += set(i, reaching[i], "  ");
  const auto told = here.run({"validate", here.document("reaching", tasks)});
  CHECK(told.code == 1);
  for (std::size_t i = 0; i < reaching.size(); ++i) {
    INFO(reaching[i] << "\n" << told.err);
    CHECK(told.err.find("/do/" + std::to_string(i) + "/e" + std::to_string(i) + "/set/x") != std::string::npos);
  }
}

TEST_CASE(
    "a broken expression among a thousand that only jq knows is told at its place, and the rest takes no more than moments") {
  const workplace here;
  std::string tasks;
  for (int i = 0; i < 1'000; ++i) {
    const auto number = std::to_string(i);
    const std::string wrong = i == 700 ? " | . as [$a] | $nosuch" : "";
    tasks += "  - t" + number + ": {set: {x: '${ [., " + number + "] | sort" + wrong + " }'}}\n";
  }
  const auto told = here.run({"validate", here.document("thousand", tasks)});
  INFO(told.err);
  CHECK(told.code == 1);
  CHECK(told.err.find(":703:") != std::string::npos);
  CHECK(told.err.find("/do/700/t700/set/x") != std::string::npos);
  CHECK(std::count(told.err.begin(), told.err.end(), '\n') <= 3);
}
