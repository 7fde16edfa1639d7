// runs cancel | pause | resume | retry with a selection instead of a run.
#pragma once

#include "tools/cli/bulk.hpp"
#include "tools/cli/command.hpp"

namespace perdure::tools::cli {

struct bulk_command {
  run_filter filter;
  bool all = false;
  bool dry_run = false;
  bool yes = false;

  [[nodiscard]] bool wanted() const { return all || !filter.empty(); }
};
void add_bulk_options(CLI::App& command, bulk_command& to);

/// Counts, asks, acts, tells. The exit code.
[[nodiscard]] int act_on_many(const common_options& common, const bulk_command& how, const cluster::run_command& what);

}  // namespace perdure::tools::cli
