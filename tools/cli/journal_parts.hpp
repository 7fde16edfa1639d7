// Commands of `perdure journal` that have files of their own.
#pragma once

#include "tools/cli/command.hpp"

namespace perdure::tools::cli {

void add_journal_replay(CLI::App& journal, chosen_command& chosen);

}  // namespace perdure::tools::cli
