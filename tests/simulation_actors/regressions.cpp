// Bugs of our own actors that schedules have found: each test opens with the story, and its seed is one that showed it.
#include "simulation_actors/world.hpp"
#include "support/catch.hpp"

using namespace perdure;
using namespace perdure::sim;

TEST_CASE("who asks a run while its end is being written is told that it has ended") {
  // A command that came between the last append and its verdict was decided on the tentative state ("the run has ended"), and
  // its answer waited for the next batch. There was none: the run left, and the asker was told that it had left memory.
  run_schedules("the end is being written", {.commands = true}, 6, 1);
}

TEST_CASE("a run that is asked something while it asks to park does not ask twice") {
  // A run asked to park, was given work before the marker came, was idle again and asked again. To the first marker it said
  // "busy", to the second "parked". Between the two the router sent it what it had kept, to an actor that was gone.
  run_schedules("two markers", {.commands = true, .clock_jumps = true}, 15, 1);
}

TEST_CASE("a run that ends while it asks to park takes nobody's question with it") {
  // A run asked to park and then came to its end before the marker: the router forgot it together with what it had kept.
  run_schedules("kept at the end", {.commands = true, .clock_jumps = true}, 19, 1);
}

TEST_CASE("what a run that died had sent to the writer is there before the run is read again") {
  // A run's actor died with a step's outcome on its way to the journal. The router read the run again before the writer had
  // come to that: the new actor began the attempt without it, and did the step again that was recorded meanwhile.
  run_schedules("an append outlives its run", everything, 70421758205493303, 1);
}
