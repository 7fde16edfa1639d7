// broken: what a checker of the rehearsal found.
#pragma once

#include <stdexcept>

namespace perdure::sim {

/// Ends the schedule: the engine, or the code under test, did not keep a promise.
struct broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace perdure::sim
