// Generated programs, evaluated here and by the machine's jq 1.6: both must give the same values, or both fail.
#include <array>
#include <cstdio>
#include <iostream>
#include <memory>
#include <random>

#include "dsl/jq_evaluate.hpp"
#include "dsl/jq_values.hpp"
#include "perdure/json.hpp"
#include "support/catch.hpp"
#include "support/seed.hpp"
#include "support/temp_directory.hpp"

#include <fstream>

using namespace perdure;
using namespace perdure::dsl;

namespace {

std::string output_of(const std::string& command) {
  std::string out;
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe{::popen(command.c_str(), "r"), ::pclose};
  std::array<char, 4096> part{};
  for (std::size_t got = 0; pipe && (got = std::fread(part.data(), 1, part.size(), pipe.get())) > 0;)
    out.append(part.data(), got);
  return out;
}

class generator {
 public:
  explicit generator(std::uint64_t seed) : chance_(seed) {}
  std::string program(int depth) {
    if (depth == 0 || below(5) == 0) return atom();
    switch (below(12)) {
      case 0:
      case 1:
      case 2:
      case 3: return program(depth - 1) + " " + pick(operators) + " " + program(depth - 1);
      case 4: return "(" + program(depth - 1) + ")";
      case 5: return "[" + program(depth - 1) + "]";
      case 6: return pick(functions) + "(" + program(depth - 1) + ")";
      case 7: return "{a: " + atom() + ", \"k\\(" + atom() + ")\": (" + program(depth - 1) + "), (\"q\", \"r\"): 1}";
      case 8: return "if " + program(depth - 1) + " then " + program(depth - 1) + " else " + atom() + " end";
      case 9: return "\"s\\(" + program(depth - 1) + ")-\\(" + atom() + ")\"";
      case 10: return "(" + program(depth - 1) + ")" + pick(suffixes);
      default: return ".[" + program(depth - 1) + "]";
    }
  }
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(chance_() % n); }
  template <class List>
  std::string pick(const List& list) {
    return std::string{list[below(std::size(list))]};
  }

  static constexpr std::string_view inputs[] = {"null",
                                                "true",
                                                "-2.5",
                                                "\"abc\"",
                                                "\"12\"",
                                                "[]",
                                                "[1,2,3]",
                                                "{\"a\":1,\"b\":[1,2],\"c\":{\"x\":\"y\"}}",
                                                "[{\"a\":1},{\"a\":2}]",
                                                "\"x\\u00e9\\n\"",
                                                "9007199254740993",
                                                "{\"a\":{\"b\":2},\"b\":\"s\"}"};

 private:
  std::string atom() { return pick(atoms); }
  static constexpr std::string_view atoms[] = {
      ".",        ".a",   ".b",   ".a.b",  ".[0]",   ".[-1]",      ".[1:]", ".[]",    ".a[]?",  "1",    "0",      "1.5",
      "\"a\"",    "\"\"", "null", "true",  "[]",     "{}",         "[1,2]", "{a:1}",  "length", "keys", "not",    "tostring",
      "tonumber", "type", "add",  "empty", "tojson", "to_entries", "1e17",  "\"12\"", ".a?",    "{a}",  "[.[]?]", "\"\\(.)\""};
  static constexpr std::string_view operators[] = {"+",  "-",   "*",  "/",  "%", "==", "!=", "<",
                                                   ">=", "and", "or", "//", ",", "|",  "|"};
  static constexpr std::string_view functions[] = {"map", "select", "has", "startswith", "endswith", "join"};
  static constexpr std::string_view suffixes[] = {"?", "[0]?", ".a", "[]?", "[\"a\"]"};
  std::mt19937_64 chance_;
};

}  // namespace

TEST_CASE("native expressions agree with jq 1.6 on generated programs") {
  if (output_of("jq --version 2>/dev/null") != "jq-1.6\n") {
    std::cout << "\nskipped: there is no jq 1.6 on this machine" << std::endl;
    return;
  }
  const test::temp_directory folder;
  const auto file = folder.path() / "program.jq";
  generator make{test::session_seed()};
  std::size_t compared = 0;
  for (int batch = 0; batch < 15; ++batch) {
    std::vector<std::pair<std::string, std::string>> cases;
    std::string all = "[";
    while (cases.size() < 30) {
      auto program = make.program(1 + static_cast<int>(make.below(4)));
      auto input = make.pick(generator::inputs);
      if (parse_jq(program).verdict != jq_verdict::native) continue;
      all += std::string{cases.empty() ? "" : ",\n"} + "(" + input + " | try {v: [" + program + "]} catch \"failed\")";
      cases.emplace_back(std::move(program), std::move(input));
    }
    std::ofstream{file} << all << "]";
    const auto answer = payload::parse_text(output_of("jq -nc -f '" + file.string() + "' 2>/dev/null"));
    if (!answer || !answer->value().is_array()) continue;  // one of them does not compile: constants that jq computes early
    const auto theirs = answer->value();
    REQUIRE(theirs.as_array().size() == cases.size());
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const auto& [program, input] = cases[i];
      const auto ours = evaluate_jq(*parse_jq(program).root, payload::parse_text(input)->value(), {});
      const auto& expected = theirs.as_array()[i];
      INFO(program << "   on " << input << "   jq: " << jq::dump(expected)
                   << "   here: " << (ours ? jq::dump(*ours) : ours.error().message));
      if (expected.is_string()) {
        CHECK_FALSE(ours);
      } else {
        REQUIRE(ours);
        CHECK(jq::dump(*ours) == jq::dump(expected.at("v")));
      }
      ++compared;
    }
  }
  std::cout << compared << " programs compared" << std::endl;
  CHECK(compared > 100);
}
