// What becomes of the programs that documents' tasks run when nobody wants them any more, and no node was there to see it.
#include <signal.h>

#include <algorithm>

#include "support/catch.hpp"
#include "support/program.hpp"

using namespace perdure;
using perdure::test::workplace;

namespace {

/// A program that says its number and goes on for ever. It is ended with the test.
struct endless {
  explicit endless(const workplace& at) : here(at) {}
  endless(const endless&) = delete;
  endless& operator=(const endless&) = delete;
  ~endless() {
    if (there()) ::kill(number(), SIGKILL);
  }
  [[nodiscard]] std::string command() const { return "echo $$ > " + here.path("number").string() + "; exec sleep 600"; }
  [[nodiscard]] pid_t number() const {
    const auto lines = here.lines("number");
    return lines.empty() || lines[0].empty() ? 0 : std::stoi(lines[0]);
  }
  [[nodiscard]] bool there() const { return number() > 0 && ::kill(number(), 0) == 0; }
  [[nodiscard]] bool begun() const {
    return workplace::eventually([this] { return there(); });
  }
  [[nodiscard]] bool ended() const {
    return workplace::eventually([this] { return !there(); }, std::chrono::seconds{10});
  }
  const workplace& here;
};

}  // namespace

TEST_CASE("a program whose task's time limit passed while no node ran ends when the run goes on") {
  // It was left alone: its step did not ask for it any more, and nobody else knew of it.
  const workplace here;
  const endless program{here};
  const auto file = here.document("limited",
                                  "  - guarded:\n      try:\n        - slow:\n            timeout: {after: {seconds: 2}}\n"
                                  "            run: {shell: {command: '" +
                                      program.command() +
                                      "'}}\n      catch:\n        do:\n          - caught:\n              set: {caught: true}\n");
  auto killed = here.start({"run", file, "--key", "k"});
  REQUIRE(program.begun());
  // It works, and is not said to wait for its time limit.
  const auto listed = here.call({"runs", "list", "--json"}).json();
  const auto shown = here.call({"runs", "show", perdure::test::text_of(listed.at("runs").at(0).at("run_id")), "--json"}).json();
  CHECK(shown.at("executors").as_array().back().at("status") == "running");
  CHECK(shown.at("timers").at(0).at("kind") == "task_timeout");
  CHECK(shown.at("timers").at(0).at("executor") == "slow");
  killed->kill();
  CHECK(program.there());  // it survives the node
  std::this_thread::sleep_for(std::chrono::milliseconds{2'200});
  CHECK(here.call({"run", file, "--key", "k"}).out == "{\"caught\":true}\n");
  CHECK(program.ended());
}

TEST_CASE("a program whose run was cancelled, or timed out, while no node ran ends at the next start") {
  const workplace here;
  const endless program{here};
  const auto file = here.document("long", "  - slow:\n      run: {shell: {command: '" + program.command() + "'}}\n");
  SECTION("cancelled") {
    auto killed = here.start({"run", file});
    REQUIRE(program.begun());
    killed->kill();
    const auto listed = here.call({"runs", "list", "--json"}).json();
    const std::string id{listed.at("runs").at(0).at("run_id").get_string()};
    REQUIRE(here.call({"runs", "cancel", id}).code == 0);
    CHECK(here.call({"runs", "wait", id}).err.find("cancelled") != std::string::npos);
  }
  SECTION("timed out") {
    auto killed = here.start({"run", file, "--timeout", "1s"});
    REQUIRE(program.begun());
    killed->kill();
    std::this_thread::sleep_for(std::chrono::milliseconds{1'200});
    CHECK(here.call({"runs", "wait", "--all"}).code == 1);
  }
  CHECK(program.ended());
}

TEST_CASE("a program whose branch lost ends, whenever the node is killed") {
  const workplace here;
  const auto all_ended = [&] {
    const auto numbers = here.lines("numbers");
    return std::all_of(numbers.begin(), numbers.end(), [](const auto& each) { return ::kill(std::stoi(each), 0) != 0; });
  };
  for (int round = 0; round < 5; ++round) {
    // The branch that wins does so 60 ms after the other one's program began.
    const auto name = "race" + std::to_string(round), begun = here.path("begun" + std::to_string(round)).string();
    const auto file =
        here.document(name,
                      "  - race:\n      fork:\n        compete: true\n        branches:\n"
                      "          - slow: {run: {shell: {command: 'echo $$ >> " +
                          here.path("numbers").string() + "; touch " + begun + "; exec sleep 600'}}}\n" +
                          "          - fast: {run: {shell: {command: '" + here.gate("begun" + std::to_string(round)) +
                          "; sleep 0.06'}}}\n  - last: {wait: {milliseconds: 300}}\n");
    auto first = here.start({"run", file, "--key", name});
    REQUIRE(workplace::eventually([&] { return std::filesystem::exists(begun); }));
    std::this_thread::sleep_for(std::chrono::milliseconds{25 * round});
    first->kill();
    CHECK(here.call({"run", file, "--key", name}).code == 0);
    const bool ended = workplace::eventually(all_ended, std::chrono::seconds{10});
    CHECK(ended);
    if (ended) continue;
    for (const auto& each : here.lines("numbers")) ::kill(std::stoi(each), SIGKILL);
  }
}

TEST_CASE("a program that is wanted survives starts that are stopped at once") {
  // A node that closes begins no bodies, so its attempt asks for nothing: that is no reason to end what it had asked for.
  const workplace here;
  const endless program{here};
  const auto file = here.document("long", "  - slow:\n      run: {shell: {command: '" + program.command() + "'}}\n");
  auto killed = here.start({"run", file, "--key", "k"});
  REQUIRE(program.begun());
  killed->kill();
  for (int i = 0; i < 12; ++i) {
    auto stopped = here.start({"run", file, "--key", "k"});
    std::this_thread::sleep_for(std::chrono::milliseconds{10 * i});
    stopped->signal(SIGTERM);
    (void)stopped->finish();
  }
  CHECK(program.there());
  const auto listed = here.call({"runs", "list", "--json"}).json();
  REQUIRE(here.call({"runs", "cancel", perdure::test::text_of(listed.at("runs").at(0).at("run_id"))}).code == 0);
  CHECK(here.call({"runs", "wait", "--all"}).code == 1);
  CHECK(program.ended());
}
