#include "tools/cli/backend_option.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

namespace perdure::tools::cli {

void add_backend_option(CLI::App& command, std::vector<std::string>& to) {
  command
      .add_option(
          "--backend", to,
          "A backend for jobs, and the file that describes it (docs/jobs.md); it is kept in the data directory. May be given "
          "several times")
      ->type_name("NAME=FILE")
      ->expected(1)
      ->allow_extra_args(false);
}

}  // namespace perdure::tools::cli
