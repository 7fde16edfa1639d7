// A document whose steps give more than one activation keeps, by the program as its user has it: killed on the way, failed in a
// later activation, and retried from there.
#include "support/catch.hpp"
#include "support/program.hpp"

using namespace perdure;
using test::text_of;
using test::workplace;

namespace {

/// Each turn notes itself in the ledger and gives 3 MB, of which only the size is kept; the twelfth fails without the file.
std::string loop_with(const workplace& here) {
  return "  - loop:\n"
         "      for: {each: n, in: '${ [range(14)] }'}\n"
         "      do:\n"
         "        - big:\n"
         "            run:\n"
         "              shell:\n"
         "                command: 'echo \"$1\" >> " +
         here.path("ledger").string() +
         "; head -c 3000000 /dev/zero | tr \"\\0\" x'\n"
         "                arguments: ['${ $n | tostring }']\n"
         "            output: {as: length}\n"
         "        - look: {if: '$n == 12', run: {shell: {command: 'test -e " +
         here.path("there").string() +
         "'}}, output: {as: $input}}\n"
         "        - count: {set: {bytes: '${ . }', turns: '${ $context.turns + 1 }'}, export: {as: '{turns: .turns}'}}\n";
}

json::value task_of(const workplace& here, const std::string& run, const std::string& name) {
  const auto shown = here.call({"runs", "show", run, "--json"}).json();
  for (const auto& each : shown.at("executors").as_array()) {
    if (text_of(each.at("name")) == name) return each;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("a loop is killed, goes on in another activation, fails there and is retried") {
  const workplace here;
  const auto document = here.document("counts", loop_with(here));
  const std::vector<std::string> command{"run", document, "--key", "k", "--input", R"({"turns":0})", "--json"};
  for (const std::size_t turns : {2U, 11U}) {
    auto killed = here.start(command);
    CHECK(workplace::eventually([&] { return here.lines("ledger").size() > turns || !killed->running(); }));
    killed->kill();
  }
  const auto failed = here.call(command).json();
  CHECK(text_of(failed.at("status")) == "failed");
  CHECK(text_of(failed.at("error").at("instance")) == "/do/0/loop/do/1/look");
  const auto run = text_of(failed.at("run_id"));
  const auto loop = task_of(here, run, "loop");
  CHECK(loop.at("activation") == 2);
  CHECK(loop.at("started_seq") == task_of(here, run, "big").at("started_seq"));
  CHECK(loop.at("status") == "failed");
  CHECK(here.lines("ledger").size() == 13);

  here.write("there", "");
  CHECK(here.call({"runs", "retry", run}).code == 0);
  CHECK(here.call({"runs", "wait", "--all"}).code == 0);
  const auto listed = here.call({"runs", "list", "--json"}).json();
  for (const auto& each : listed.at("runs").as_array()) {
    if (text_of(each.at("run_id")) == run) continue;
    const auto shown = here.call({"runs", "wait", text_of(each.at("run_id")), "--json"}).json();
    CHECK(shown.at("output") == json::value{{"bytes", 3'000'000}, {"turns", 14}});
  }
  CHECK(here.lines("ledger").size() == 14);
}
