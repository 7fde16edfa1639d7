// Texts to trees: YAML 1.2 core scalars, JSON, positions, limits.
#include "documents.hpp"
#include "dsl/syntax_tree.hpp"
#include "perdure/json.hpp"
#include "perdure/limits.hpp"

using namespace perdure;
using namespace perdure::dsl;
using namespace perdure::test;

namespace {

json::value value_of(const std::string& text, const std::string& file = "a.yaml") {
  std::vector<problem> problems;
  const auto tree = read_tree(text, file, problems);
  for (const auto& each : problems) UNSCOPED_INFO(each.str());
  REQUIRE(problems.empty());
  REQUIRE(tree);
  return to_json(*tree);
}

std::string problem_of(const std::string& text, const std::string& file = "a.yaml") {
  std::vector<problem> problems;
  CHECK(read_tree(text, file, problems) == nullptr);
  REQUIRE(!problems.empty());
  CHECK(problems[0].kind == problem_kind::syntax);
  return problems[0].str();
}

}  // namespace

TEST_CASE("what is no YAML is told with what was likely meant") {
  CHECK(mentions(told_of("do:\n  - a:\n      set: {x: ${ .name }}\n"), "an expression inside of { } needs quotes: \"${ … }\""));
  CHECK(mentions(told_of("do:\n  - a:\n\t  set: {x: 1}\n"), "line 8 begins with a tab, and YAML wants spaces there"));
  CHECK_FALSE(mentions(told_of("do: [\n  - a: }\n"), ";"));
}

TEST_CASE("plain scalars follow the core schema of YAML 1.2, not YAML 1.1") {
  const auto read = value_of(R"(
words: [yes, no, on, off, y, n, Yes, NO, 1_000, 0b1, 12:30:45, 2024-01-01, "true", '1', .5x, 1e, -, +]
booleans: [true, False, TRUE]
nulls: [null, ~, Null, ]
integers: [0, -7, +3, 0o17, 0x1F, 007, 18446744073709551615]
numbers: [1.5, -0.5, .5, 1., 1e3, 1.5E-2, 99999999999999999999]
texts: [!!str 5, ! 6, "7"]
tagged: [!!int 5, !!float 1.5, !!bool true, !!null null]
)");
  CHECK(read.at("words") == json::array{"yes", "no", "on", "off", "y", "n", "Yes", "NO", "1_000", "0b1", "12:30:45", "2024-01-01",
                                        "true", "1", ".5x", "1e", "-", "+"});
  CHECK(read.at("booleans") == json::array{true, false, true});
  CHECK(read.at("nulls") == json::array{nullptr, nullptr, nullptr});
  CHECK(read.at("integers") == json::array{0, -7, 3, 15, 31, 7, 18446744073709551615ULL});
  CHECK(read.at("numbers") == json::array{1.5, -0.5, 0.5, 1.0, 1000.0, 0.015, 1e20});
  CHECK(read.at("texts") == json::array{"5", "6", "7"});
  CHECK(read.at("tagged") == json::array{5, 1.5, true, nullptr});
}

TEST_CASE("JSON documents are read as JSON, tabs and surrogate pairs included") {
  CHECK(value_of("{\n\t\"a\": [1, -2.5e1, \"\\u00e9\\ud83d\\ude00\\/\", true, null],\n\t\"b\": {}}") ==
        json::value{{"a", {1, -25.0, "\xC3\xA9\xF0\x9F\x98\x80/", true, nullptr}}, {"b", json::object{}}});
  CHECK(value_of("{a: 1, b: [yes]}") == json::value{{"a", 1}, {"b", json::array{"yes"}}});
  CHECK(problem_of("{\n  \"a\": 1,\n  \"b\" 2}", "a.json") == "a.json:3:7: not JSON: expected ':', found '2'");
  CHECK(problem_of("{\"a\": 01}", "a.json").find("1:7") != std::string::npos);
  CHECK(problem_of("{\"a\": tru}", "a.json").find("\"tru\"") != std::string::npos);
  CHECK(problem_of("{\"a\": 1} x", "a.json").find("1:10") != std::string::npos);
  CHECK(problem_of("{\"a\": \"\\ud800\"}", "a.json").find("surrogate") != std::string::npos);
  CHECK(problem_of("{\"a\": \"b", "a.json").find("1:7: not JSON: a string without its end") != std::string::npos);
  CHECK(problem_of("{\"a\": 1e999}", "a.json").find("too large") != std::string::npos);
}

TEST_CASE("a malformed document is told with line and column") {
  CHECK(problem_of("a: [1, 2\nb: 3\n").find("a.yaml:2:") == 0);
  CHECK(problem_of("a: 1\n\tb: 2\n").find("a.yaml:2:") == 0);
  CHECK(problem_of("a: *nowhere\n").find("a.yaml:1:4") == 0);
  CHECK(problem_of("a: \"\\ud800\"").find("a.yaml:1:") == 0);
  CHECK(problem_of("").find("empty") != std::string::npos);
  CHECK(problem_of("# nothing\n").find("empty") != std::string::npos);
  CHECK(problem_of("a: 1\nb: \xFFz\n") == "a.yaml:2:4: the text is not UTF-8 here");
  CHECK(problem_of("a: 1\n---\nb: 2\n").find("more than one document") != std::string::npos);
  CHECK(problem_of("a: !binary x\n").find("tag") != std::string::npos);
  CHECK(problem_of("a: !!int x\n").find("tag") != std::string::npos);
  CHECK(problem_of("a: .inf\n").find("a.yaml:1:4") == 0);
  CHECK(problem_of("? [a]\n: 1\n").find("a property's name must be text") != std::string::npos);
}

TEST_CASE("duplicate properties are errors, all of them told") {
  std::vector<problem> problems;
  CHECK(read_tree("a: 1\nb:\n  c: 1\n  c: 2\na: 2\n\"a\": 3\n", "a.yaml", problems) == nullptr);
  CHECK(told(problems) == std::vector<std::string>{"4:3 /b/c: duplicate property \"c\"; the first is in line 3, column 3",
                                                   "5:1 /a: duplicate property \"a\"; the first is in line 1, column 1",
                                                   "6:1 /a: duplicate property \"a\"; the first is in line 1, column 1"});
  CHECK(problem_of("{\"a\": 1, \"a\": 2}", "a.json") ==
        "a.json:1:10: duplicate property \"a\"; the first is in line 1, column 2 (at /a)");
}

TEST_CASE("aliases share their node and are counted as what they stand for") {
  CHECK(value_of("a: &x {b: 1}\nc: [*x, *x]\n") == json::value{{"a", {{"b", 1}}}, {"c", {{{"b", 1}}, {{"b", 1}}}}});
  std::string bomb = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const auto before = "*l" + std::to_string(i - 1);
    bomb += "l" + std::to_string(i) + ": &l" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) bomb += (j == 0 ? "" : ", ") + before;
    bomb += "]\n";
  }
  CHECK(problem_of(bomb).find("document_nodes") != std::string::npos);
  CHECK(problem_of("a: &x [1, *x]\n").find("inside the node that it names") != std::string::npos);
}

TEST_CASE("depth and size have limits") {
  const auto nested = [](std::size_t levels) { return "a: " + std::string(levels, '[') + "1" + std::string(levels, ']'); };
  CHECK(value_of(nested(limits::document_depth - 1)).is_object());
  CHECK(problem_of(nested(limits::document_depth)).find("document_depth") != std::string::npos);
  CHECK(problem_of(nested(100'000)).find("document_depth") != std::string::npos);
  const auto json_nested = [](std::size_t levels) {
    return "{\"a\": " + std::string(levels, '[') + std::string(levels, ']') + "}";
  };
  CHECK(value_of(json_nested(limits::document_depth - 1), "a.json").is_object());
  CHECK(problem_of(json_nested(1'000'000), "a.json").find("document_depth") != std::string::npos);
  CHECK(problem_of(std::string(limits::document_bytes + 1, ' ')).find("document_bytes") != std::string::npos);
}

TEST_CASE("an object with very many properties is read in linear time") {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "k" + std::to_string(i) + ": 1\n";
  CHECK(value_of(text).get_object().size() == 100'000);
}
