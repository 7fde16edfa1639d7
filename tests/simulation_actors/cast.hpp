// The workflows of a schedule: those of the pure core's simulation, and one that waits most of its time. Apart from world.hpp,
// since handlers take long to compile.
#pragma once

#include <map>
#include <string>

#include "actors/definitions.hpp"
#include "cluster/testing/chance.hpp"
#include "core/command.hpp"

namespace perdure::sim {

/// "steady", "program" and "parker", with random graphs and options.
[[nodiscard]] std::map<std::string, actors::definition_ptr> cast_of(chance& random);

/// A random start of the workflow; without an id.
[[nodiscard]] core::start_command start_of(const std::string& workflow, chance& random);

/// A parker takes so many signals named "go".
[[nodiscard]] int rounds_of(const payload& input);
/// What a parker makes of the signals that it takes, in their order: tells whether one was lost, taken twice or out of order.
[[nodiscard]] constexpr std::int64_t taken(std::int64_t before, std::int64_t signal) {
  return (before * 31 + signal) % 1'000'003;
}

}  // namespace perdure::sim
