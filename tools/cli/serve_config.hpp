// The configuration file of `perdure serve`: YAML (or JSON) with the command's options under their names, and what has no
// option: secrets, CORS, limits, tenants.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "perdure/payload.hpp"
#include "tools/gateway/http_limits.hpp"
#include "tools/gateway/tenant_policies.hpp"

namespace CLI {
class App;
}

namespace perdure::tools::cli {

struct served_secret {
  std::string name, text;
};

struct serve_config {
  std::vector<served_secret> secrets;
  std::vector<std::string> cors_origins;
  std::uint64_t cors_max_age_s = 600;
  gateway::http_limits limits;
  /// Those of each tenant that has some; what it leaves out is everybody's.
  std::vector<std::pair<std::string, json::object>> tenants;
};

/// Gives `command` the options of the file that the command line did not have; those have to be looked at after. All that is
/// wrong is invalid_argument, and names the file and the member. `into.limits` begins with the defaults.
[[nodiscard]] result<void> read_serve_config(const std::filesystem::path& file, CLI::App& command, serve_config& into);

/// The policies of the tenants of the file, on top of everybody's.
[[nodiscard]] result<gateway::tenant_policies> policies_of(const serve_config& config, const gateway::tenant_policy& everybody);

/// Puts them where a node looks for secrets: into this process's environment. Before it has threads.
[[nodiscard]] result<void> keep_secrets(const std::vector<served_secret>& secrets);

}  // namespace perdure::tools::cli
