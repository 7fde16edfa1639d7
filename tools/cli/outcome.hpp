// How a run ended, without what it did in between.
#pragma once

#include "tools/cli/client.hpp"

namespace perdure::tools::cli {

/// As view_of, but of a run that has ended only what it began with and how it ended: it may have done much.
[[nodiscard]] result<run_view> outcome_of(client& from, const run_id& run);

}  // namespace perdure::tools::cli
