// Wrong usage and bad input: what was wrong, where, and what to do; and an exit code that tells usage from failure.
#include "perdure/perdure.hpp"
#include "support/catch.hpp"
#include "support/program.hpp"

using namespace perdure;
using perdure::test::text_of;
using perdure::test::workplace;

namespace {
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
}  // namespace

TEST_CASE("help and version are fine, wrong usage is 2") {
  const workplace here;
  CHECK(here.run({"--help"}).code == 0);
  CHECK(has(here.run({"--help"}).out, "PERDURE_DATA"));
  CHECK(has(here.run({"runs", "list", "--help"}).out, "--status"));
  CHECK(here.run({"version"}).out.starts_with("perdure "));
  CHECK(here.run({"version", "--json"}).json().at("name") == "perdure");
  for (const auto& wrong : std::vector<std::vector<std::string>>{{},
                                                                 {"dance"},
                                                                 {"runs"},
                                                                 {"runs", "list", "--nonsense"},
                                                                 {"run"},
                                                                 {"runs", "list", "--limit", "0"},
                                                                 {"runs", "list", "--limit", "-1"},
                                                                 {"runs", "events", "0", "--after", "-1"},
                                                                 {"journal", "show", "--from", "-1"},
                                                                 {"journal", "show", "--limit", "0"},
                                                                 {"journal", "show", "--limit", "1.5"},
                                                                 {"journal", "replay", "0", "--until", "99999999999999999999"},
                                                                 {"bench", "steps", "--runs", "0"},
                                                                 {"bench", "steps", "--steps", "99999999999999999999"},
                                                                 {"bench", "steps", "--seconds", "nan"},
                                                                 {"runs", "list", "--data", ""},
                                                                 {"runs", "list", "--status", "happy"},
                                                                 {"runs", "wait"},
                                                                 {"runs", "dance"},
                                                                 {"journal"},
                                                                 {"journal", "verify", "--anchor", ""},
                                                                 {"run", "d.yaml", "--key", ""},
                                                                 {"run", "d.yaml", "--input", ""},
                                                                 {"run", "d.yaml", "--timeout", "0"},
                                                                 {"run", "d.yaml", "--keep-runs", ""},
                                                                 {"run", "d.yaml", "--keep-runs", "-1"},
                                                                 {"run", "d.yaml", "--keep-runs", "0xff"},
                                                                 {"run", "d.yaml", "--keep-runs", "99999999999999999999999"},
                                                                 {"runs", "show", "0", "--timeline", "--rows", "-1"},
                                                                 {"runs", "wait", "--all", "--timeout", "0"},
                                                                 {"journal", "replay", "--all", "--until", "3"},
                                                                 {"journal", "replay", "0", "--ended"},
                                                                 {"journal", "replay"}}) {
    const auto done = here.run(wrong);
    CHECK(done.code == 2);
    CHECK(done.out.empty());
    CHECK_FALSE(done.err.empty());
  }
  CHECK(has(here.run({"dance"}).err, "dance"));
  CHECK(has(here.run({"runs", "dance"}).err, "\"runs dance\""));
}

TEST_CASE("with --json wrong usage is an object too, whatever of the line is wrong") {
  const workplace here;
  for (const auto& wrong : std::vector<std::vector<std::string>>{{"runs", "list", "--limit", "0", "--json"},
                                                                 {"runs", "show", "--json"},
                                                                 {"runs", "list", "--json", "--nonsense"},
                                                                 {"runs", "dance", "--json"},
                                                                 {"--json"}}) {
    const auto done = here.run(wrong);
    CHECK(done.code == 2);
    CHECK(payload::parse_text(done.err).value().value().at("error").at("code") == "invalid_argument");
  }
}

TEST_CASE("a document that cannot be read does not keep the others from being checked") {
  const workplace here;
  const auto good = here.document("good", "  - a:\n      set: {x: 1}\n");
  const auto bad = here.document("bad", "  - a:\n      dance: {x: 1}\n");
  const auto plain = here.run({"validate", good, "gone.yaml", bad});
  CHECK(plain.code == 1);
  CHECK(has(plain.out, "good.yaml: valid"));
  CHECK(has(plain.err, "gone.yaml: no such file"));
  CHECK(has(plain.err, "bad.yaml:4:7:"));
  const auto machine = here.run({"validate", good, "gone.yaml", bad, "--json"});
  CHECK(machine.code == 1);
  CHECK(machine.json().at("ok") == false);
  const auto files = machine.json().at("files");
  REQUIRE(files.as_array().size() == 3);
  CHECK(files.at(0).at("valid") == true);
  CHECK(files.at(1).at("problems").at(0).at("kind") == "unreadable");
  CHECK(files.at(2).at("problems").at(0).at("line") == 4);
}

TEST_CASE("text that is not UTF-8 is refused where it comes in") {
  // A key that was not had `runs list --json` fail for every run of the directory from then on.
  const workplace here;
  const auto file = here.document("d", "  - a:\n      set: {x: 1}\n");
  const auto refused = here.call({"run", file, "--key", "k\xff"});
  CHECK(refused.code == 1);
  CHECK(has(refused.err, "UTF-8"));
  CHECK(here.call({"run", file, "--input", "\"\xff\""}).code == 2);
  REQUIRE(here.call({"run", file, "--key", "k\xc3\xa9"}).code == 0);
  CHECK(here.call({"runs", "list", "--json"}).json().at("runs").as_array().size() == 1);
}

TEST_CASE("a journal that is cut off, empty or something else is an error with a reason") {
  // Reading past the end of the mapped file ended the program with SIGBUS and no word.
  const workplace here;
  const auto file = here.document("d", "  - a:\n      set: {x: 1}\n");
  REQUIRE(here.call({"run", file}).code == 0);
  const auto journal = here.path("data") / "journal.mdb";
  const auto says_why = [&](const std::string& why) {
    for (const auto& command : std::vector<std::vector<std::string>>{{"journal", "verify"}, {"runs", "list"}}) {
      const auto done = here.call(command);
      CHECK(done.code == 1);
      CHECK(has(done.err, why));
    }
  };
  std::filesystem::resize_file(journal, 5'000);
  says_why("journal");
  CHECK(here.call({"run", file}).code == 1);
  std::filesystem::resize_file(journal, 0);
  says_why("no journal");
  here.write("data/journal.mdb", std::string(100'000, 'x'));
  says_why("not an LMDB file");
  CHECK(here.call({"run", file}).code == 1);
}

TEST_CASE("a file that is not there is named") {
  const workplace here;
  const auto done = here.call({"run", "nowhere.yaml"});
  CHECK(done.code == 1);
  CHECK(has(done.err, "nowhere.yaml: no such file"));
  CHECK_FALSE(std::filesystem::exists(here.data()));
  CHECK(here.run({"validate", "nowhere.yaml"}).code == 1);
  CHECK(has(here.call({"run", here.document("d", "  - a:\n      set: {x: 1}\n"), "--input", "@gone.json"}).err, "gone.json"));
}

TEST_CASE("malformed documents are refused with file, line and column") {
  const workplace here;
  const auto yaml = here.write("broken.yaml", "document:\n  dsl: '1.0.3'\n  name: [unclosed\ndo: x\n");
  const auto broken = here.call({"run", yaml});
  CHECK(broken.code == 1);
  CHECK(has(broken.err, "broken.yaml:"));
  const auto json = here.write("broken.json", "{\"document\": {\"dsl\": \"1.0.3\",}}");
  const auto checked = here.run({"validate", json, "--json"});
  CHECK(checked.code == 1);
  const auto problem = checked.json().at("files").at(0).at("problems").at(0);
  CHECK(problem.at("line") == 1);
  CHECK(problem.at("column").to_number<int>() > 20);
  CHECK(problem.at("kind") == "syntax");
  const auto unknown = here.document("unknown", "  - a:\n      dance: {x: 1}\n");
  const auto refused = here.run({"validate", unknown});
  CHECK(refused.code == 1);
  CHECK(has(refused.err, "unknown.yaml:4:7:"));
  CHECK(here.run({"validate", here.document("good", "  - a:\n      set: {x: 1}\n")}).code == 0);
}

TEST_CASE("malformed input is wrong usage and says where it is malformed") {
  const workplace here;
  const auto file = here.document("d", "  - a:\n      set: {x: 1}\n");
  const auto done = here.call({"run", file, "--input", "{\n \"a\": tru }"});
  CHECK(done.code == 2);
  CHECK(has(done.err, "line 2"));
  CHECK(has(done.err, "column"));
  const auto machine = here.call({"run", file, "--input", "{", "--json"});
  CHECK(machine.code == 2);
  CHECK(machine.out.empty());
  CHECK(payload::parse_text(machine.err).value().value().at("error").at("code") == "invalid_argument");
  CHECK(here.call({"run", file, "--timeout", "soon"}).code == 2);
}

TEST_CASE("a directory that is not there, and a run that is not in it, are told apart") {
  const workplace here;
  const auto none = here.call({"runs", "list"});
  CHECK(none.code == 1);
  CHECK(has(none.err, "no such data directory"));
  REQUIRE(here.call({"run", here.document("d", "  - a:\n      set: {x: 1}\n")}).code == 0);
  const auto unknown = here.call({"runs", "show", "01234567-89ab-7def-8123-456789abcdef"});
  CHECK(unknown.code == 1);
  CHECK(has(unknown.err, "01234567-89ab-7def-8123-456789abcdef"));
  CHECK(here.call({"runs", "show", "fffffff"}).code == 1);
  CHECK(here.call({"runs", "show", "not an id"}).code == 1);
  const auto machine = here.call({"runs", "show", "01234567-89ab-7def-8123-456789abcdef", "--json"});
  CHECK(payload::parse_text(machine.err).value().value().at("error").at("code") == "not_found");
}

TEST_CASE("a run may be named by a beginning of its id that no other run has") {
  const workplace here;
  const auto file = here.document("d", "  - a:\n      set: {x: 1}\n");
  REQUIRE(here.call({"run", file}).code == 0);
  std::this_thread::sleep_for(std::chrono::milliseconds{20});
  REQUIRE(here.call({"run", file}).code == 0);
  const auto runs = here.call({"runs", "list", "--json"}).json().at("runs").as_array();
  REQUIRE(runs.size() == 2);
  const std::string first{runs[0].at("run_id").as_string()};
  const std::string second{runs[1].at("run_id").as_string()};
  std::size_t shared = 0;
  while (first[shared] == second[shared]) ++shared;
  CHECK(here.call({"runs", "show", first.substr(0, shared + 1), "--json"}).json().at("run_id") == runs[0].at("run_id"));
  const auto ambiguous = here.call({"runs", "show", first.substr(0, shared)});
  CHECK(ambiguous.code == 1);
  CHECK(has(ambiguous.err, first));
  CHECK(has(ambiguous.err, second));
}

TEST_CASE("a directory that another process holds can be looked at, and refuses a second node with the reason") {
  const workplace here;
  const auto file = here.document("d", "  - a:\n      set: {x: 1}\n");
  REQUIRE(here.call({"run", file}).code == 0);
  // This process is the other one; it has no control socket.
  auto held = node::open({.data_dir = here.data()});
  REQUIRE(held.has_value());
  const auto refused = here.call({"run", file});
  CHECK(refused.code == 1);
  CHECK(has(refused.err, here.data()));
  CHECK(has(refused.err, "perdure runs wait"));
  CHECK(here.call({"runs", "list"}).code == 0);
  CHECK(here.call({"journal", "verify"}).code == 0);
  const auto id = text_of(here.call({"runs", "list", "--json"}).json().at("runs").at(0).at("run_id"));
  CHECK(here.call({"runs", "cancel", id}).code == 1);
  held->close();
  CHECK(here.call({"run", file}).code == 0);
}

TEST_CASE("output that cannot be written is a failure, a reader that went away is not") {
  const workplace here;
  const auto file = here.document("d", "  - a:\n      set: {x: 1}\n");
  REQUIRE(here.call({"run", file}).code == 0);
  const auto shell = [&](const std::string& how) {
    const auto status = std::system(("\"$PERDURE_BINARY\" runs list --json --data " + here.data() + " " + how).c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  };
  CHECK(shell("> /dev/full 2> " + here.path("err").string()) == 1);
  CHECK(has(test::slurp(here.path("err")), "standard output"));
  CHECK(shell("| true 2> " + here.path("err").string()) == 0);
  CHECK(test::slurp(here.path("err")).empty());
  CHECK(std::system(("\"$PERDURE_BINARY\" --help > /dev/full 2> " + here.path("err").string()).c_str()) != 0);
  CHECK(has(test::slurp(here.path("err")), "standard output"));
  for (const auto& command : std::vector<std::vector<std::string>>{{"runs", "show", "0", "--svg", here.path("no/x").string()},
                                                                   {"journal", "export", "--output", here.path("no/x").string()}})
    CHECK(has(here.call(command).err, "No such file or directory"));
}

TEST_CASE("files without end are refused by their limit, not read until memory is used up") {
  const workplace here;
  const auto file = here.document("d", "  - a:\n      set: {x: 1}\n");
  const auto huge = here.write("huge.yaml", "document: x\n");
  std::filesystem::resize_file(huge, std::uintmax_t{1} << 33);  // sparse
  const auto document = here.call({"run", huge});
  CHECK(document.code == 1);
  CHECK(has(document.err, "document_bytes"));
  CHECK(here.run({"validate", huge}).code == 1);
  for (const auto& input : {"@" + huge, std::string{"@/dev/zero"}}) {
    const auto done = here.call({"run", file, "--input", input});
    CHECK(done.code == 1);
    CHECK(has(done.err, "payload_bytes"));
  }
}
