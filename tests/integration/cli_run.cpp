// `perdure run` and `runs wait`: what a user sees of a document's run, and of one that was interrupted.
#include "support/catch.hpp"
#include "support/program.hpp"

using namespace perdure;
using perdure::test::members_of;
using perdure::test::workplace;

namespace {

const std::vector<std::string> outcome_members{"run_id", "workflow", "version", "status", "output", "error"};
const std::vector<std::string> error_members{"type", "status", "title", "detail", "instance", "code", "executor", "attempt"};

/// Notes each effect in a ledger, with a durable wait in the middle.
std::string slow_document(const workplace& here, const std::string& name, int wait_ms) {
  const auto note = [&](const std::string& what) {
    return "  - " + what + ":\n      run:\n        shell:\n          command: echo " + name + "-" + what + " >> " +
           here.path("ledger").string() + "; echo -n " + what + "\n";
  };
  return here.document(
      name, note("first") + "  - pause:\n      wait: {milliseconds: " + std::to_string(wait_ms) + "}\n" + note("second"));
}

bool has_line(const workplace& here, const std::string& line) {
  const auto lines = here.lines("ledger");
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

bool waits(const workplace& here) {
  const auto listed = here.call({"runs", "list", "--json"});
  return listed.code == 0 && listed.out.find("\"waiting\"") != std::string::npos;
}

}  // namespace

TEST_CASE("a document runs to its end and prints its output") {
  const workplace here;
  const auto file = here.document("greet", "  - say:\n      set:\n        text: '${ \"hello \" + .name }'\n");
  const auto plain = here.call({"run", file, "--input", R"({"name":"you"})"});
  CHECK(plain.code == 0);
  CHECK(plain.out == "{\"text\":\"hello you\"}\n");
  const auto machine = here.call({"run", file, "--input", R"({"name":"me"})", "--json"});
  CHECK(machine.code == 0);
  CHECK(members_of(machine.json()) == outcome_members);
  CHECK(machine.json().at("status") == "succeeded");
  CHECK(machine.json().at("workflow") == "greet");
  CHECK(machine.json().at("version") == "1.0.0");
  CHECK(machine.json().at("output").at("text") == "hello me");
  CHECK(machine.json().at("error").is_null());
}

TEST_CASE("numbers come back from a jq worker as they went in") {
  // Boost's parser reads one double in five a unit off. sort is not native, so a worker does it.
  const workplace here;
  const auto file = here.document("same", "  - all:\n      set:\n        n: '${ sort }'\n");
  const std::vector<std::string> numbers{"0.1234567890123456", "0.3703703670370368", "0.8641975230864192", "1.3580246791358015",
                                         "1.6049382571604927", "2.098765413209875",  "2.3456789912345664", "2.8395061472839487"};
  std::string input;
  for (const auto& each : numbers) input += (input.empty() ? "[" : ",") + each;
  const auto done = here.call({"run", file, "--input", input + "]"});
  for (const auto& each : numbers) CHECK(done.out.find(each) != std::string::npos);
}

TEST_CASE("input comes from the command line, a file or standard input, and a document may be JSON") {
  const workplace here;
  const auto file = here.write("echo.json", R"({"document":{"dsl":"1.0.3","namespace":"default","name":"echo","version":"1.0.0"},
    "do":[{"same":{"set":{"given":"${ . }"}}}]})");
  here.write("input.json", "[1, 2]");
  CHECK(here.call({"run", file, "--input", "@" + here.path("input.json").string()}).out == "{\"given\":[1,2]}\n");
  CHECK(here.call({"run", file, "--input", "-"}).out == "{\"given\":null}\n");
  CHECK(here.call({"run", file}).out == "{\"given\":null}\n");
}

TEST_CASE("a run that fails ends with exit code 1 and says why") {
  const workplace here;
  const auto file = here.document("bad",
                                  "  - stop:\n      raise:\n        error: {type: 'https://example.com/errors/no', status: 418, "
                                  "title: Teapot, detail: short and stout}\n");
  const auto machine = here.call({"run", file, "--json"});
  CHECK(machine.code == 1);
  CHECK(members_of(machine.json()) == outcome_members);
  CHECK(machine.json().at("status") == "failed");
  CHECK(machine.json().at("output").is_null());
  const auto error = machine.json().at("error");
  CHECK(members_of(error) == error_members);
  CHECK(error.at("type") == "https://example.com/errors/no");
  CHECK(error.at("status") == 418);
  CHECK(error.at("title") == "Teapot");
  CHECK(error.at("detail") == "short and stout");
  const auto plain = here.call({"run", file});
  CHECK(plain.code == 1);
  CHECK(plain.out.empty());
  CHECK(plain.err.find("short and stout") != std::string::npos);
  CHECK(plain.err.find("perdure runs show") != std::string::npos);
}

TEST_CASE("after kill -9 the same key goes on with the same run, and recorded steps are not done again") {
  const workplace here;
  const auto file = slow_document(here, "slow", 1500);
  const std::vector<std::string> command{"run", file, "--key", "monday", "--json"};
  auto first = here.start(command);
  REQUIRE(workplace::eventually([&] { return waits(here); }));
  const auto id = here.call({"runs", "list", "--json"}).json().at("runs").at(0).at("run_id");
  first->kill();
  const auto again = here.call(command);
  CHECK(again.code == 0);
  CHECK(again.json().at("run_id") == id);
  CHECK(again.json().at("output") == "second");
  CHECK(here.lines("ledger") == std::vector<std::string>{"slow-first", "slow-second"});
  // And once more: the run has ended, its result is told.
  const auto later = here.call(command);
  CHECK(later.code == 0);
  CHECK(later.json() == again.json());
  CHECK(here.lines("ledger").size() == 2);
}

TEST_CASE("the same key with another input or another document is refused") {
  const workplace here;
  const auto one = here.document("one", "  - a:\n      set: {x: 1}\n");
  const auto two = here.document("two", "  - a:\n      set: {x: 1}\n");
  REQUIRE(here.call({"run", one, "--key", "k", "--input", "1"}).code == 0);
  const auto input = here.call({"run", one, "--key", "k", "--input", "2"});
  CHECK(input.code == 1);
  CHECK(input.err.find("another input") != std::string::npos);
  const auto other = here.call({"run", two, "--key", "k", "--input", "1"});
  CHECK(other.code == 1);
  CHECK(other.err.find("\"k\"") != std::string::npos);
  here.document("one", "  - a:\n      set: {x: 2}\n");
  const auto text = here.call({"run", one, "--key", "k", "--input", "1"});
  CHECK(text.code == 1);
  CHECK(text.err.find("another text") != std::string::npos);
}

TEST_CASE("without a key a new run starts, and the unfinished one goes on beside it") {
  const workplace here;
  const auto slow = slow_document(here, "slow", 1200);
  auto first = here.start({"run", slow});
  REQUIRE(workplace::eventually([&] { return waits(here); }));
  first->kill();
  // The other document lasts longer than what is left of the first.
  const auto other = slow_document(here, "other", 2500);
  CHECK(here.call({"run", other}).code == 0);
  CHECK(has_line(here, "slow-second"));
  const auto listed = here.call({"runs", "list", "--json", "--status", "succeeded"}).json();
  CHECK(listed.at("runs").as_array().size() == 2);
}

TEST_CASE("runs wait --all opens the directory and waits for every run") {
  const workplace here;
  for (const auto* name : {"slow", "other"}) {
    auto killed = here.start({"run", slow_document(here, name, 1500)});
    REQUIRE(workplace::eventually([&] { return has_line(here, std::string{name} + "-first") && waits(here); }));
    killed->kill();
  }
  const auto waited = here.call({"runs", "wait", "--all", "--json"});
  CHECK(waited.code == 0);
  const auto ended = test::json_lines(waited.out);
  REQUIRE(ended.size() == 2);
  for (const auto& each : ended) {
    CHECK(members_of(each) == outcome_members);
    CHECK(each.at("status") == "succeeded");
  }
  CHECK(here.lines("ledger").size() == 4);
  CHECK(here.call({"runs", "wait", "--all"}).code == 0);
}

TEST_CASE("SIGTERM closes the node, tells how to go on, and loses nothing") {
  const workplace here;
  const auto file = slow_document(here, "slow", 3000);
  auto first = here.start({"run", file, "--key", "k"});
  REQUIRE(workplace::eventually([&] { return waits(here); }));
  first->signal(SIGTERM);
  const auto stopped = first->finish();
  CHECK(stopped.code == 1);
  CHECK(stopped.err.find("goes on at the next start") != std::string::npos);
  CHECK(stopped.err.find("--key k") != std::string::npos);
  const auto stats = here.call({"journal", "stats", "--json"}).json();
  CHECK(stats.at("closed_cleanly") == true);
  CHECK(here.call({"run", file, "--key", "k"}).code == 0);
  CHECK(here.lines("ledger") == std::vector<std::string>{"slow-first", "slow-second"});
}

TEST_CASE("--key attaches to a run that another process carries out, and goes on with it when that process is killed") {
  // It was refused, as every other command that wants the directory for itself.
  const workplace here;
  const auto ledger = here.path("ledger").string();
  const auto file = here.document("gated", "  - gate:\n      run:\n        shell:\n          command: echo begin >> " + ledger +
                                               "; " + here.gate("go") + "; echo end >> " + ledger + "; echo -n through\n");
  auto first = here.start({"run", file, "--key", "k"});
  REQUIRE(workplace::eventually([&] { return std::filesystem::exists(ledger); }));
  auto second = here.start({"run", file, "--key", "k", "--json"});
  auto third = here.start({"run", file, "--key", "k", "--follow"});
  REQUIRE(workplace::eventually([&] { return third->said().find("another process carries it out") != std::string::npos; }));
  const auto other = here.call({"run", file, "--key", "k", "--input", "7"});
  CHECK(other.code == 1);
  CHECK(other.err.find("another input") != std::string::npos);
  CHECK(here.call({"run", file}).err.find("is held by process") != std::string::npos);
  CHECK(here.call({"run", file, "--key", "another"}).err.find("is held by process") != std::string::npos);
  CHECK(second->running());
  bool killed = false;
  SECTION("while it runs there") {}
  SECTION("and it is killed") {
    first->kill();
    killed = true;
  }
  here.write("go", "");
  const auto told = second->finish();
  CHECK(told.code == 0);
  CHECK(told.json().at("output") == "through");
  const auto followed = third->finish();
  CHECK(followed.code == 0);
  CHECK(followed.out.ends_with("\"through\"\n"));
  if (!killed) {
    CHECK(followed.out.find("succeeded in") != std::string::npos);
    CHECK(first->finish().code == 0);
  }
  CHECK(here.lines("ledger") == std::vector<std::string>{"begin", "end"});
  CHECK(here.call({"runs", "list", "--json"}).json().at("runs").as_array().size() == 1);
}

TEST_CASE("a program whose node is stopped in order goes on, and the next start takes it over") {
  const workplace here;
  const auto ledger = here.path("ledger").string();
  const auto file = here.document("long", "  - one:\n      run:\n        shell:\n          command: echo begin >> " + ledger +
                                              "; " + here.gate("go") + "; echo end >> " + ledger + "\n");
  auto first = here.start({"run", file});
  REQUIRE(workplace::eventually([&] { return std::filesystem::exists(here.path("ledger")); }));
  first->signal(SIGTERM);
  CHECK(first->finish().code == 1);
  here.write("go", "");
  CHECK(here.call({"runs", "wait", "--all"}).code == 0);
  CHECK(here.lines("ledger") == std::vector<std::string>{"begin", "end"});
}

TEST_CASE("a second signal ends the process at once") {
  const workplace here;
  const auto up = here.path("up"), over = here.path("over");
  const auto file =
      here.document("stubborn", "  - hang:\n      run:\n        shell:\n          command: trap '' TERM; touch " + up.string() +
                                    "; while test -e " + up.string() + "; do sleep 0.1; done; touch " + over.string() + "\n");
  auto hanging = here.start({"run", file});
  REQUIRE(workplace::eventually([&] { return std::filesystem::exists(up); }));
  const auto began = std::chrono::steady_clock::now();
  hanging->signal(SIGINT);
  std::this_thread::sleep_for(std::chrono::milliseconds{300});
  hanging->signal(SIGINT);
  CHECK(hanging->finish().code != 0);
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds{3});
  // The program goes on without the process: it is made to end here.
  std::filesystem::remove(up);
  CHECK(workplace::eventually([&] { return std::filesystem::exists(over); }));
}

TEST_CASE("--follow tells each task as it happens, and --json keeps standard output to one object") {
  const workplace here;
  const auto file = here.document("steps", "  - one:\n      run: {shell: {command: echo 1}}\n  - two:\n      set: {x: 2}\n");
  const auto plain = here.call({"run", file, "--follow"});
  CHECK(plain.code == 0);
  CHECK(plain.out.find("one") != std::string::npos);
  CHECK(plain.out.find("succeeded") != std::string::npos);
  CHECK(plain.out.ends_with("{\"x\":2}\n"));
  const auto machine = here.call({"run", file, "--follow", "--json"});
  CHECK(members_of(machine.json()) == outcome_members);
  CHECK(machine.err.find("one") != std::string::npos);
}

TEST_CASE("a document is kept before its first run starts, and runs again by its name") {
  const workplace here;
  const auto file = here.document("kept", "  - a:\n      set: {x: 1}\n");
  REQUIRE(here.call({"run", file}).code == 0);
  std::vector<std::filesystem::path> kept;
  for (const auto& each : std::filesystem::directory_iterator(here.path("data") / "documents" / "kept")) {
    if (each.path().extension() == ".yaml") kept.push_back(each.path());
  }
  REQUIRE(kept.size() == 1);
  CHECK(kept[0].filename().string().starts_with("1.0.0-"));
  CHECK(test::slurp(kept[0]) == test::slurp(file));
  std::filesystem::remove(file);
  CHECK(here.call({"run", "kept"}).out == "{\"x\":1}\n");
}

TEST_CASE("a changed document needs a new version while runs of the old text go on") {
  const workplace here;
  const auto slow = slow_document(here, "slow", 1500);
  auto killed = here.start({"run", slow});
  REQUIRE(workplace::eventually([&] { return waits(here); }));
  killed->kill();
  here.document("slow", "  - other:\n      set: {x: 1}\n");
  const auto refused = here.call({"run", slow});
  CHECK(refused.code == 1);
  CHECK(refused.err.find("version") != std::string::npos);
  CHECK(refused.err.find("line ") != std::string::npos);
  CHECK(refused.err.find("and is \"- other:\"") != std::string::npos);
  CHECK(here.call({"runs", "wait", "--all"}).code == 0);
  // Nothing uses the old text any more.
  CHECK(here.call({"run", slow}).out == "{\"x\":1}\n");
}
