#include "tools/cli/lifecycle_arguments.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <cstdlib>

namespace perdure::tools::cli {

void add_lifecycle_arguments(CLI::App& command, lifecycle_options& to) {
  command.add_flag("--lifecycle-events", to.to_listeners, "Documents that listen get lifecycle events of workflows and tasks");
  command
      .add_option("--lifecycle-to", to.endpoint,
                  "Address that lifecycle events are posted to, until it takes them; its header \"Authorization\" is in "
                  "PERDURE_LIFECYCLE_AUTHORIZATION")
      ->type_name("URL");
}

result<lifecycle_options> lifecycle_of(const lifecycle_options& arguments) {
  auto out = arguments;
  const auto& to = out.endpoint;
  if (!to.empty() && !to.starts_with("http://") && !to.starts_with("https://"))
    return error{errc::invalid_argument,
                 "--lifecycle-to: expected an address that begins with http:// or https://, found \"" + to + "\""};
  if (const auto* value = std::getenv("PERDURE_LIFECYCLE_AUTHORIZATION")) out.authorization = value;
  return out;
}

}  // namespace perdure::tools::cli
