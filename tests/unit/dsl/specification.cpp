// What the specification wants of a runtime, sentence by sentence. The sentences, each with a document that shows whether it
// holds, are the tables in tests/specification.
//
// An entry has `says`, words of the sentence, and one of:
//   document (without its header), input, and what must come of it: output, error (the members that count; of the specification's
//     own types the last part is enough), or problem (part of what is told when it is read). seconds: how long it takes.
//     answers, fails: what steps of that name are answered with; asks: the addresses that are called; events: what listeners get.
//   tested: the test that shows it already.
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "document_world.hpp"
#include "dsl/resource.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

const std::filesystem::path root{PERDURE_SOURCE_DIR};

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in{file};
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

json::array table(const std::string& name) {
  const auto read = dsl::read_value(text_of(root / "tests" / "specification" / (name + ".yaml")), name);
  REQUIRE(read);
  return read->as_array();
}

const json::value& member(const json::object& of, std::string_view name) {
  static const json::value none;
  const auto* found = of.if_contains(name);
  return found == nullptr ? none : *found;
}
std::string text(const json::object& of, std::string_view name) {
  const auto& found = member(of, name);
  return found.is_string() ? std::string{found.get_string()} : std::string{};
}

/// What is outside of the documents: the broker of events, and whoever answers calls.
struct outside_of {
  const json::object& entry;
  std::vector<std::string> asked;
  std::size_t next = 0;

  outside answers() {
    return [this](const core::pending_step& step) -> std::optional<core::outcome> {
      const auto args = step.args.value();
      const auto& capability = step.kind == core::step_kind::capability ? args.at("capability") : json::value{};
      if (capability == "events") return core::outcome{payload{json::value{{"run", "0190a5d0-7b1c-7def-8123-456789abcdee"}}}, {}};
      if (step.kind == core::step_kind::tell) {
        if (args.at("value").as_object().contains("subscribe")) next = 0;
        return core::outcome{};
      }
      if (step.kind == core::step_kind::signal) {
        const auto* events = member(entry, "events").if_array();
        if (events == nullptr || next == events->size()) return std::nullopt;
        return core::outcome{payload{json::value(json::object{{"event", (*events)[next++]}})}, {}};
      }
      if (capability == "http") asked.emplace_back(args.at("spec").at("url").as_string());
      if (const auto* fails = member(entry, "fails").if_object(); fails != nullptr && fails->contains(step.name)) {
        const auto& why = fails->at(step.name).as_object();
        core::outcome out;
        out.error = failure{.code = text(why, "code"), .message = text(why, "message")};
        if (why.contains("status")) out.error->status = static_cast<std::int32_t>(why.at("status").to_number<int>());
        out.error->title = text(why, "title");
        return out;
      }
      const auto* given = member(entry, "answers").if_object();
      if (given == nullptr || !given->contains(step.name)) return std::nullopt;
      return core::outcome{payload{given->at(step.name)}, {}};
    };
  }
};

void check_error(const json::object& wanted, const failure& got) {
  constexpr std::string_view standard = "https://serverlessworkflow.io/spec/1.0.0/errors/";
  const auto type = text(wanted, "type");
  CHECK(got.type == (type.find("://") == std::string::npos ? std::string{standard} + type : type));
  if (wanted.contains("status")) CHECK(got.status == wanted.at("status").to_number<int>());
  if (wanted.contains("instance")) CHECK(got.instance == text(wanted, "instance"));
  if (wanted.contains("title")) CHECK(got.title == text(wanted, "title"));
  if (wanted.contains("detail")) CHECK(got.message == text(wanted, "detail"));
}

void check_entry(const json::object& entry) {
  if (const auto* elsewhere = member(entry, "tested").if_object()) {
    const auto source = text_of(root / "tests" / text(*elsewhere, "file"));
    CHECK(source.find("TEST_CASE(\"" + text(*elsewhere, "name") + "\")") != std::string::npos);
    return;
  }
  const auto document = text(entry, "document");
  REQUIRE_FALSE(document.empty());
  if (const auto problem = text(entry, "problem"); !problem.empty()) {
    const auto told = told_of(document);
    CAPTURE(told);
    CHECK(mentions(told, problem));
    return;
  }
  outside_of world{entry, {}, 0};
  const auto done = run_document(document, member(entry, "input"), world.answers());
  if (const auto* wanted = member(entry, "error").if_object()) {
    REQUIRE(done.failed);
    check_error(*wanted, *done.failed);
  } else {
    if (done.failed) UNSCOPED_INFO(done.failed->message);
    REQUIRE(entry.contains("output"));
    REQUIRE(done.finished);
    CHECK(done.result == member(entry, "output"));
  }
  if (const auto* addresses = member(entry, "asks").if_array()) {
    for (std::size_t i = 0; i < addresses->size(); ++i) CHECK(world.asked.at(i) == (*addresses)[i].as_string());
  }
  if (entry.contains("seconds"))
    CHECK(done.elapsed() == duration{static_cast<duration::rep>(entry.at("seconds").to_number<double>() * 1e6)});
}

std::vector<std::string> lines_of(const std::string& name) {
  std::istringstream in{text_of(root / ".." / "shared" / "serverless-workflow" / (name + ".md"))};
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

}  // namespace

TEST_CASE("what the specification says holds, sentence by sentence") {
  for (const auto* name : {"dsl", "dsl-reference"}) {
    for (const auto& entry : table(name)) {
      INFO(name << ".md: " << text(entry.as_object(), "says") << "\n" << text(entry.as_object(), "document"));
      check_entry(entry.as_object());
    }
  }
}

TEST_CASE("the sentences are the specification's, and none that says \"must\" is left out") {
  for (const auto* name : {"dsl", "dsl-reference"}) {
    const auto lines = lines_of(name);
    if (lines.empty()) continue;  // the specification is not here
    const auto entries = table(name);
    const auto is_of = [](const std::string& line) {
      return [&line](const json::value& entry) { return line.find(text(entry.as_object(), "says")) != std::string::npos; };
    };
    for (const auto& entry : entries) {
      INFO(text(entry.as_object(), "says"));
      CHECK(std::any_of(lines.begin(), lines.end(), [&](const auto& line) { return is_of(line)(entry); }));
    }
    const std::regex must{"\\bmust\\b", std::regex::icase};
    for (const auto& line : lines) {
      if (!std::regex_search(line, must)) continue;
      INFO(line);
      CHECK(std::any_of(entries.begin(), entries.end(), is_of(line)));
    }
  }
}
