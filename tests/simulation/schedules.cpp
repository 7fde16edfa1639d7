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
