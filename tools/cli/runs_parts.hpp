// The halves of `perdure runs`.
#pragma once

#include "tools/cli/command.hpp"

namespace perdure::tools::cli {

void add_runs_look(CLI::App& runs, chosen_command& chosen);
void add_runs_act(CLI::App& runs, chosen_command& chosen);

}  // namespace perdure::tools::cli
