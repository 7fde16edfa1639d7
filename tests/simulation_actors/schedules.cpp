// Seeded schedules of a node's real actors: see world.hpp.
#include "simulation_actors/world.hpp"
#include "support/catch.hpp"
#include "support/seed.hpp"

using namespace perdure;
using namespace perdure::sim;

TEST_CASE("runs end and clients are answered, in whatever order the actors get on") {
  run_schedules("order", {.commands = true}, 1, 60);
}
TEST_CASE("a deadline is met as soon as its time has come") {
  run_schedules("punctual", {.commands = true, .punctual = true}, 1, 60);
}
TEST_CASE("a run that parks misses nothing") {
  run_schedules("parking", {.commands = true, .punctual = true, .only_parkers = true}, 1, 60);
}
TEST_CASE("a crash loses nothing that was acknowledged, and does nothing again that was recorded") {
  run_schedules("crashes", {.crashes = true, .commands = true}, 1, 60);
}
TEST_CASE("a process closes in the middle of anything, and the next one goes on") {
  run_schedules("closes", {.closes = true, .commands = true}, 1, 50);
}
TEST_CASE("a disk that is full or fails") { run_schedules("commits", {.commit_faults = true, .commands = true}, 1, 50); }
TEST_CASE("wake-ups that get lost inside the process") { run_schedules("losses", {.losses = true, .commands = true}, 1, 50); }
TEST_CASE("actors that die, and runs that cannot be read for a while") {
  run_schedules("deaths", {.read_faults = true, .deaths = true, .commands = true}, 1, 60);
}
TEST_CASE("workflows that are registered late") {
  run_schedules("unregistered", {.crashes = true, .unregistered = true, .commands = true}, 1, 40);
}
TEST_CASE("a system's clock that is set") { run_schedules("clock", {.commands = true, .clock_jumps = true}, 1, 40); }
TEST_CASE("all of it together") {
  run_schedules("everything", everything, 1, 60);
  run_schedules("everything, fresh", everything, test::session_seed(), 20);
}

TEST_CASE("the same seed gives the same schedule, message by message") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    std::uint64_t prints[2] = {};
    for (auto& print : prints) {
      world one{seed, everything, false};
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
