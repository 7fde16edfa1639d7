// The options about lifecycle events that `run` and `serve` share.
#pragma once

#include "perdure/lifecycle.hpp"

namespace CLI {
class App;
}

namespace perdure::tools::cli {

/// --lifecycle-events and --lifecycle-to.
void add_lifecycle_arguments(CLI::App& command, lifecycle_options& to);
/// With what the environment adds (PERDURE_LIFECYCLE_AUTHORIZATION, which nobody sees in a list of processes).
[[nodiscard]] result<lifecycle_options> lifecycle_of(const lifecycle_options& arguments);

}  // namespace perdure::tools::cli
