// The message by which the interpreter of a document hands over to another activation: those who look at a run take the tasks
// that are open then for the other one's.
#pragma once

#include <string_view>

namespace perdure::core {

inline constexpr std::string_view resume_message = "perdure.resume_point/v1";

}  // namespace perdure::core
