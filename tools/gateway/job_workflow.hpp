// The workflow behind a job that is submitted by itself: a run that submits it, waits for its end, and has that for its output.
#pragma once

#include <string_view>

#include "perdure/workflow.hpp"

namespace perdure::tools::gateway {

inline constexpr std::string_view job_workflow = "perdure.job";
[[nodiscard]] workflow make_job_workflow();

}  // namespace perdure::tools::gateway
