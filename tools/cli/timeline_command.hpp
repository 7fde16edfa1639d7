// runs show ID --timeline
#pragma once

#include <optional>
#include <string>

#include "tools/cli/client.hpp"
#include "tools/cli/command.hpp"
#include "tools/view/timeline.hpp"

namespace perdure::tools::cli {

struct timeline_command {
  common_options common;
  std::string svg;                  ///< file for the picture, "-" for standard output; empty = text
  std::optional<std::size_t> rows;  ///< 0 = all; none = what fits
};

/// The exit code.
[[nodiscard]] int show_timeline(const timeline_command& how, client& from, const run_id& run);

/// The object of `runs show --timeline --json`.
[[nodiscard]] json::object to_wire(const timeline& what);

}  // namespace perdure::tools::cli
