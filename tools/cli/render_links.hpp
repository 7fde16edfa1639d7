// The runs that one is tied to, for people: where it came from, what goes on from it, its children.
#pragma once

#include <string>

#include "perdure/payload.hpp"

namespace perdure::tools::cli {

/// Of what `runs show --json` gives; empty when there are none.
[[nodiscard]] std::string render_links(const json::object& shown);

}  // namespace perdure::tools::cli
