// Lengths of time in bodies of requests.
#pragma once

#include <string_view>

#include "perdure/payload.hpp"
#include "perdure/time.hpp"

namespace perdure::tools::gateway {

/// Seconds as a number, or a text as the command line takes it: 90s, 250ms, 15m, 2h, 1d. null is 0; anything else is more, or
/// invalid_argument, which names the member.
[[nodiscard]] result<duration> read_length(std::string_view member, const json::value& given);

}  // namespace perdure::tools::gateway
