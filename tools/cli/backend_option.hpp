// --backend NAME=FILE, of commands that open a node.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace perdure::tools::cli {

/// Any number of times.
void add_backend_option(CLI::App& command, std::vector<std::string>& to);

}  // namespace perdure::tools::cli
