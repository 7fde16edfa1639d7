#include "tools/cli/table.hpp"

#include <sstream>

#include "support/catch.hpp"

using namespace perdure::tools::cli;

namespace {
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in{text};
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}
}  // namespace

TEST_CASE("a table gives columns the room they need and aligns them") {
  table t{{{"NAME", 4}, {"N", 0, true}}};
  t.add({{"a"}, {"1"}});
  t.add({{"long name"}, {"100"}});
  const auto lines = lines_of(t.text(80));
  REQUIRE(lines.size() == 3);
  CHECK(lines[0] == "NAME         N");
  CHECK(lines[1] == "a            1");
  CHECK(lines[2] == "long name  100");
}

TEST_CASE("a table that is too wide cuts the widest columns and stays within the width") {
  table t{{{"ID"}, {"TEXT", 5}, {"MORE", 5}}};
  t.add({{"1234567890"}, {std::string(100, 'x')}, {std::string(50, 'y')}});
  for (const std::size_t width : {40U, 60U, 80U, 120U}) {
    for (const auto& line : lines_of(t.text(width))) CHECK(display_width(line) <= width);
  }
  CHECK(t.text(40).find("1234567890") != std::string::npos);
  CHECK(t.text(40).find("…") != std::string::npos);
  CHECK(t.text(400).find("…") == std::string::npos);
}

TEST_CASE("a terminal that is narrower than the columns ought to be gets short ones, the texts before the numbers") {
  table t{{{"RUN", 13}, {"WORKFLOW", 10}, {"STATUS"}, {"CREATED", 0, true}, {"NOTE", 6}}};
  t.add({{"01a224aa-0834-7225-9954-057837be0eb6"}, {"import 1.0.0"}, {"succeeded"}, {"12m ago"}, {"key something"}});
  for (const std::size_t width : {13U, 20U, 30U, 40U, 53U}) {
    INFO(width << "\n" << t.text(width));
    for (const auto& line : lines_of(t.text(width))) CHECK(display_width(line) <= width);
  }
  CHECK(t.text(40).find("12m ago") != std::string::npos);
  CHECK(t.text(40).find("01a224aa-083") != std::string::npos);
}

TEST_CASE("long text is broken between words, and words that are too long inside") {
  CHECK(wrap("one two three", 20) == std::vector<std::string>{"one two three"});
  CHECK(wrap("one two three", 7) == std::vector<std::string>{"one two", "three"});
  CHECK(wrap("abcdefgh ij", 3) == std::vector<std::string>{"abc", "def", "gh", "ij"});
  CHECK(wrap("日本語", 4) == std::vector<std::string>{"日本", "語"});
  CHECK(wrap("", 4) == std::vector<std::string>{""});
}

TEST_CASE("a word of a command to copy is quoted when a shell would read it otherwise") {
  CHECK(shell_quoted("perdure-data/x.yaml") == "perdure-data/x.yaml");
  CHECK(shell_quoted("sp ace") == "'sp ace'");
  CHECK(shell_quoted("it's $HOME") == "'it'\\''s $HOME'");
  CHECK(shell_quoted("") == "''");
  CHECK(shell_quoted("ä") == "'ä'");
  CHECK(shell_quoted("a\x1b[2J'\n") == "$'a\\x1b[2J\\x27\\x0a'");
}

TEST_CASE("columns count characters, wide ones twice and combining ones not at all") {
  CHECK(display_width("äöü") == 3);
  CHECK(display_width("日本") == 4);
  CHECK(display_width("e\xCC\x81") == 1);
  CHECK(cut("日本語", 5) == "日本…");
  CHECK(cut("日本語", 4) == "日…");
  CHECK(cut("abc", 3) == "abc");
  CHECK(cut("abcd", 3) == "ab…");
}

TEST_CASE("text from outside cannot control the terminal") {
  CHECK(printable("a\x1b[2Jb\nc\td\x7f") == "a\\x1b[2Jb\\nc\\td\\x7f");
  CHECK(printable("\xc2\x9b") == "\\x9b");
  CHECK(printable("a\u202etxt.exe\u2066b\u2029") == "a\\u202etxt.exe\\u2066b\\u2029");
  CHECK(printable_lines("a\x1b[2J\nb\n") == "a\\x1b[2J\nb\n");
  CHECK(printable("bad \xff byte") == "bad \xEF\xBF\xBD byte");
  table t{{{"A"}}};
  t.add({{"x\ny"}});
  CHECK(lines_of(t.text(80)).size() == 2);
}
