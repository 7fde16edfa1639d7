// Seeded schedules of the pure core, the activation driver and the in-memory journal: see world.hpp.
#include "simulation/world.hpp"
#include "support/catch.hpp"
#include "support/seed.hpp"

using namespace perdure;
using namespace perdure::sim;

TEST_CASE("runs end, whatever the order in which things happen") {
  run_schedules("order", {}, 1, 300);
  run_schedules("order", {}, test::session_seed(), 30);
}
TEST_CASE("a crash between any two operations loses nothing and does nothing again") {
  run_schedules("crashes", {.crashes = true}, 1, 300);
}
TEST_CASE("commands from outside are carried out once, however often they come") {
  run_schedules("commands", {.commands = true}, 1, 300);
}
TEST_CASE("appends that fail, or whose answer is lost, let nothing out that is not durable") {
  run_schedules("append", {.append_faults = true}, 1, 300);
}
TEST_CASE("every deadline is met once, whatever the clock does") { run_schedules("time", {.time_faults = true}, 1, 300); }
TEST_CASE("an old owner writes nothing after another took over") { run_schedules("takeovers", {.takeovers = true}, 1, 300); }
TEST_CASE("a run whose host dies goes on from the journal") { run_schedules("deaths", {.deaths = true}, 1, 300); }
TEST_CASE("runs whose workflow is registered late go on then") {
  run_schedules("unregistered", {.crashes = true, .unregistered = true}, 1, 300);
}
TEST_CASE("questions about jobs and files of jobs, with all faults") {
  const profile all{.crashes = true,
                    .append_faults = true,
                    .time_faults = true,
                    .commands = true,
                    .takeovers = true,
                    .deaths = true,
                    .unregistered = true};
  const auto seen = run_schedules("jobs", all, 1, 400);
  if (seen.schedules < 400) return;  // one seed by itself
  CHECK(seen.questions > 10);
  CHECK(seen.looks_at_files > 50);
}
TEST_CASE("the same seed gives the same schedule") {
  const profile all{.crashes = true,
                    .append_faults = true,
                    .time_faults = true,
                    .commands = true,
                    .takeovers = true,
                    .deaths = true,
                    .unregistered = true};
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    std::uint64_t prints[2] = {};
    for (auto& print : prints) {
      world one{seed, all, false};
      try {
        one.run();
      } catch (const broken& found) {
        FAIL(found.what() << "\n" << one.last_events());
      }
      print = one.fingerprint();
    }
    CHECK(prints[0] == prints[1]);
  }
}
