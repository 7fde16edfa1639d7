// Which runs a command is about: the filters that `runs list` and the commands for many runs share.
#pragma once

#include <optional>
#include <string>

#include "tools/cli/client.hpp"

namespace CLI {
class App;
}

namespace perdure::tools::cli {

/// As given on the command line; empty = not given.
struct run_filter {
  std::string status, workflow, older_than;

  [[nodiscard]] bool empty() const { return status.empty() && workflow.empty() && older_than.empty(); }
};
void add_filter_options(CLI::App& command, run_filter& to);

struct selection {
  std::optional<run_status> status;
  std::string workflow;
  std::optional<timestamp> created_before;
};
/// invalid_argument names the option that does not fit.
[[nodiscard]] result<selection> read_filter(const run_filter& from, timestamp now);

/// A page of the runs that fit; limit, cursor and order are those of `how`.
[[nodiscard]] result<run_page> selected_page(client& from, const selection& which, const list_options& how);

}  // namespace perdure::tools::cli
