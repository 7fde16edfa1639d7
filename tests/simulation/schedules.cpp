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
TEST_CASE("crashes") { run_schedules("crashes", {.crashes = true}, 1, 300); }
TEST_CASE("commands") { run_schedules("commands", {.commands = true}, 1, 300); }
TEST_CASE("append") { run_schedules("append", {.append_faults = true}, 1, 300); }
TEST_CASE("time") { run_schedules("time", {.time_faults = true}, 1, 300); }
TEST_CASE("takeovers") { run_schedules("takeovers", {.takeovers = true}, 1, 300); }
TEST_CASE("deaths") { run_schedules("deaths", {.deaths = true}, 1, 300); }
TEST_CASE("unregistered") { run_schedules("unregistered", {.crashes = true, .unregistered = true}, 1, 300); }
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
