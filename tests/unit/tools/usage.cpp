#include "tools/cli/usage.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "support/catch.hpp"
#include "tools/cli/command.hpp"

using namespace perdure::tools::cli;

namespace {

struct program {
  CLI::App app{"A program", "perdure"};
  std::uint64_t number = 50;
  std::string name;
  bool json = false;

  program() {
    app.require_subcommand(1);
    auto* runs = app.add_subcommand("runs", "Runs");
    runs->require_subcommand(1);
    auto* list = runs->add_subcommand("list", "Lists");
    list->add_option("--limit", number, "How many")->transform(to_whole_number(1, 10'000));
    list->add_option("--name", name, "Whose");
    list->add_flag("--json", json, "For machines");
    runs->add_subcommand("inner", "Not for people")->group("");
    app.add_subcommand("version", "Says which");
    refuse_empty_values(app);
  }
  /// What is wrong with the words, or empty.
  std::string wrong(const std::vector<const char*>& words) {
    const int count = static_cast<int>(words.size());
    if (const auto unknown = wrong_command(app, count, words.data())) return *unknown;
    try {
      app.parse(count, words.data());
    } catch (const CLI::ParseError& why) {
      return why.what();
    }
    return {};
  }
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a command that is missing or not there is said with those that are, at every level") {
  CHECK(has(program{}.wrong({"perdure", "dance"}), "\"dance\"; there are runs and version"));
  const auto inner = program{}.wrong({"perdure", "runs", "dance"});
  CHECK(has(inner, "\"runs dance\"; there are list"));
  CHECK_FALSE(has(inner, "inner"));
  CHECK(has(program{}.wrong({"perdure", "runs"}), "list"));
  CHECK(has(program{}.wrong({"perdure"}), "version"));
  CHECK(program{}.wrong({"perdure", "runs", "list"}).empty());
  CHECK(program{}.wrong({"perdure", "version"}).empty());
}

TEST_CASE("whole numbers are decimal, also with zeros before them") {
  program p;
  CHECK(p.wrong({"perdure", "runs", "list", "--limit", "010"}).empty());
  CHECK(p.number == 10);
  for (const auto* bad : {"", "0", "-1", "0x10", "1.5", "1e3", " 1", "10001", "99999999999999999999999"}) {
    INFO(bad);
    CHECK(has(program{}.wrong({"perdure", "runs", "list", "--limit", bad}), "whole number"));
  }
}

TEST_CASE("an option with an empty value was given, and is refused") {
  CHECK(has(program{}.wrong({"perdure", "runs", "list", "--name", ""}), "--name: has an empty value"));
  CHECK(has(program{}.wrong({"perdure", "runs", "list", "--name="}), "--name"));
  CHECK(program{}.wrong({"perdure", "runs", "list", "--name", "x", "--json"}).empty());
}

TEST_CASE("a line that cannot be parsed still says whether errors are for machines") {
  const auto asks = [](const std::vector<const char*>& words) {
    return wants_json(static_cast<int>(words.size()), words.data());
  };
  CHECK(asks({"perdure", "runs", "bogus", "--json"}));
  CHECK_FALSE(asks({"perdure", "runs", "list"}));
  CHECK_FALSE(asks({"perdure", "run", "--", "--json"}));
}

TEST_CASE("help fits the terminal: what goes on stands beneath where its text begins") {
  const std::string help =
      "Runs it\n\nOptions:\n  -h,--help                   Print this help message and exit\n"
      "  --key TEXT                  The same key attaches to the run that it began, and goes on with it\n"
      "  --log-level TEXT:{debug,info,warning,error}=warning\n"
      "                              Least level of the log on standard error\n\n"
      "The journal of the run is in the data directory, which is where it was said to be.\n";
  CHECK(fit(help, 80) ==
        "Runs it\n\nOptions:\n  -h,--help                   Print this help message and exit\n"
        "  --key TEXT                  The same key attaches to the run that it began,\n"
        "                              and goes on with it\n"
        "  --log-level TEXT:{debug,info,warning,error}=warning\n"
        "                              Least level of the log on standard error\n\n"
        "The journal of the run is in the data directory, which is where it was said to\n"
        "be.\n");
  for (const std::size_t width : {20, 30, 40, 54, 100}) {
    const auto fitted = fit(help, width);
    for (std::size_t at = 0; at < fitted.size();) {
      const auto end = fitted.find('\n', at);
      INFO(width << ": " << fitted.substr(at, end - at));
      CHECK(end - at <= width);
      at = end + 1;
    }
  }
}
