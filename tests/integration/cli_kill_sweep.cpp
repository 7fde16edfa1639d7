// The program is killed at random points of a document's run, many times, with a ledger of effects outside: whatever the
// points, the result is that of an undisturbed run, and nothing that was recorded is done again.
#include <map>
#include <random>

#include "support/catch.hpp"
#include "support/program.hpp"
#include "support/seed.hpp"

using namespace perdure;
using perdure::test::text_of;
using perdure::test::workplace;

namespace {

/// Lanes of small commands, a source that fails twice, a wait, a loop, and a command that joins what they gave.
std::string document(const workplace& here, const std::string& ledger) {
  const auto note = [&](const std::string& indent, const std::string& name, const std::string& key,
                        const std::string& more = {}) {
    return indent + "- " + name + ":\n" + indent + "    run:\n" + indent + "      shell:\n" + indent + "        command: echo " +
           key + " >> " + here.path(ledger).string() + "; " + more + "echo -n " + key + "\n";
  };
  std::string tasks = "  - lanes:\n      fork:\n        branches:\n";
  for (const auto* lane : {"a", "b", "c"}) {
    tasks += "          - lane_" + std::string{lane} + ":\n              do:\n";
    for (int i = 0; i < 4; ++i)
      tasks += note("                ", "step" + std::to_string(i), std::string{lane} + std::to_string(i));
  }
  tasks +=
      "          - flaky:\n              try:\n" +
      note("                ", "source", "flaky", "test $(grep -c '^flaky$' " + here.path(ledger).string() + ") -gt 2 && ") +
      "              catch:\n                retry:\n                  delay: {milliseconds: 40}\n                  backoff:\n"
      "                    exponential: {}\n                  limit:\n                    attempt: {count: 9}\n";
  tasks += "  - pause:\n      wait: {milliseconds: 150}\n";
  tasks +=
      "  - rounds:\n      for: {each: n, in: '${ [1, 2, 3] }'}\n      do:\n        - round:\n            run:\n              "
      "shell:\n"
      "                command: echo round$1 >> " +
      here.path(ledger).string() + "; echo -n round$1\n                arguments: ['${ $n }']\n";
  tasks += note("  ", "join", "join");
  return here.document("sweep-" + ledger, tasks);
}

std::map<std::string, int> counts(const workplace& here, const std::string& ledger) {
  std::map<std::string, int> out;
  for (const auto& line : here.lines(ledger)) ++out[line];
  return out;
}

/// Standard output of the steps that the journal holds, with how often each stands there.
std::map<std::string, int> recorded(const workplace& here, const std::string& run) {
  std::map<std::string, int> out;
  for (const auto& event : test::json_lines(here.call({"runs", "events", run, "--json"}).out)) {
    const auto* done = event.as_object().if_contains("done");
    if (done == nullptr) continue;
    for (const auto& step : done->as_array()) {
      const auto* output = step.as_object().if_contains("output");
      if (output == nullptr || !output->is_object() || output->at("code") != 0) continue;
      ++out[text_of(output->at("output"))];
    }
  }
  return out;
}

}  // namespace

TEST_CASE("killed at random points, a document ends as if it never had been") {
  std::mt19937_64 chance{test::session_seed()};
  const workplace here;
  const auto calm = here.call({"run", document(here, "calm"), "--json"});
  REQUIRE(calm.code == 0);
  const auto calm_counts = counts(here, "calm");
  constexpr int sweeps = 6;
  for (int sweep = 0; sweep < sweeps; ++sweep) {
    const auto ledger = "rough" + std::to_string(sweep);
    const auto file = document(here, ledger);
    const std::vector<std::string> command{"run", file, "--key", ledger, "--json"};
    std::map<std::string, int> before, finished_before;
    std::string run;
    int kills = 0;
    test::program_result last;
    while (true) {
      auto node = here.start(command);
      std::uniform_int_distribution<int> moment{5, 350};
      const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds{kills < 12 ? moment(chance) : 60'000};
      while (node->running() && std::chrono::steady_clock::now() < until)
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
      if (!node->running()) {
        last = node->finish();
        break;
      }
      node->kill();
      ++kills;
      const auto listed = here.call({"runs", "list", "--json"});
      // Killed before the directory was made, at the first time.
      if (listed.code != 0) continue;
      const auto runs = listed.json().at("runs").as_array();
      for (const auto& each : runs) {
        if (text_of(each.at("key")) == ledger) run = text_of(each.at("run_id"));
      }
      if (run.empty()) continue;
      const auto now = counts(here, ledger);
      const auto finished = recorded(here, run);
      // What was recorded at the kill before this one has not been done again since.
      for (const auto& [key, times] : finished_before) {
        INFO("sweep " << sweep << ", kill " << kills << ", " << key);
        CHECK(finished.at(key) == times);
        if (key != "flaky") CHECK(now.at(key) == before.at(key));
      }
      before = now;
      finished_before = finished;
    }
    INFO("sweep " << sweep << ", " << kills << " kills: " << last.err);
    REQUIRE(last.code == 0);
    CHECK(last.json().at("output") == calm.json().at("output"));
    if (!run.empty()) CHECK(text_of(last.json().at("run_id")) == run);
    const auto now = counts(here, ledger);
    for (const auto& [key, times] : calm_counts) {
      INFO(key);
      CHECK(now.at(key) >= times);
      CHECK(now.at(key) <= times + kills);
    }
    CHECK(now.size() == calm_counts.size());
    CHECK(here.call({"journal", "verify"}).code == 0);
    const auto id = text_of(last.json().at("run_id"));
    const auto replayed = here.call({"journal", "replay", id});
    INFO(replayed.out);
    CHECK(replayed.code == 0);
    for (const auto& [key, times] : recorded(here, id)) {
      INFO(key);
      CHECK(times == 1);
    }
  }
}
