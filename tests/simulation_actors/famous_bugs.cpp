// Bugs that made other engines known, where they are about actors: tried on the real ones. Each test opens with the story.
#include "simulation_actors/world.hpp"
#include "support/catch.hpp"

using namespace perdure;
using namespace perdure::sim;

TEST_CASE("vercel/workflow 3119: a parked run is not started twice after a restart") {
  // After a restart the recovery brought a sleeping run back, and so did its timer that had come due meanwhile (or a hook that
  // was called): two copies went on, and its steps were done twice. Here the router alone brings runs in. One run, parked
  // most of its time, with crashes, clients and wake-ups at once; never two actors of it, no recorded step done again.
  run_schedules("a parked run started twice",
                {.crashes = true, .closes = true, .commands = true, .only_parkers = true, .lone_run = true}, 1, 60);
}

TEST_CASE("durabletask-js 328: a timer is not satisfied by an earlier one's wake-up") {
  // A retry's timer took the wake-up of the attempt before it, and fired too early. Here a wake-up only asks a run to look at
  // its deadlines. Attempts die and are retried, wake-ups get lost and come late; no sleep ends before its time.
  run_schedules("an earlier timer", {.losses = true, .deaths = true, .commands = true}, 1'001, 50);
}

TEST_CASE("dapr 9843: a run that waits has a waker, whatever happens to its actor") {
  // A workflow's state was saved, the reminder that would have gone on with it was not: it stayed "running" for ever. Here the
  // timer is told by a message, which may be lost with the actor that sent it; what counts is in the journal.
  run_schedules("no waker", {.crashes = true, .losses = true, .deaths = true, .commands = true, .only_parkers = true}, 1'001, 50);
}

TEST_CASE("akka-core 28093: a slow old writer after a takeover writes nothing") {
  // A node that was thought dead went on writing after another had taken over its entities. Here every append carries an
  // epoch. The old process lives on with all its actors; none of its appends is taken, and the runs end in the new one.
  run_schedules("an old writer", {.takeovers = true, .commands = true}, 1, 60);
}
