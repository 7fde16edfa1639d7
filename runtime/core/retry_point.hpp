// retry_point: where a retry of a run begins anew when its failure arose inside of a scope (a task of a document). What the
// scope's steps gave may be the very reason (an exit code, a time limit that passed), so they are done again.
//
// Operation: noted while the run's events are folded; scopes are found by the place of their start among the outputs.
#pragma once

#include <map>

#include "core/state.hpp"

namespace perdure::core {

class retry_point {
 public:
  /// The event comes next; `state` is the one before it.
  void note(const run_state& state, const event& what);
  /// Lets the activation whose last turn told of a failed scope forget that scope's steps, and the work that they began.
  void cut(run_state& state) const;

 private:
  struct told {
    std::map<std::uint32_t, std::uint32_t> begins;  ///< scope → outputs of the activation before its start
    std::vector<std::uint32_t> failed;              ///< the scopes that its last turn ended with the error, the inner first
  };
  std::map<activation_id, told> told_;
};

}  // namespace perdure::core
