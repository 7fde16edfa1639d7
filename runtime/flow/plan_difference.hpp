// What differs between two graphs, in words: for whoever changed one without giving it a new version.
#pragma once

#include <string>

#include "core/plan.hpp"

namespace perdure::flow {

/// "executor "b" is new; executor "a": another retry policy; edge "a" -> "b" is gone". Empty when nothing differs that
/// the hash counts.
[[nodiscard]] std::string difference(const core::plan& before, const core::plan& after);

}  // namespace perdure::flow
