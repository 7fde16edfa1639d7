// What a request that could not be read is answered.
#pragma once

#include <boost/system/error_code.hpp>

#include <optional>
#include <string>

#include "tools/gateway/http_limits.hpp"

namespace perdure::tools::gateway {

struct parse_refusal {
  unsigned status = 400;
  std::string message;
};
/// Nothing: the connection is gone, and nobody is there to be told.
[[nodiscard]] std::optional<parse_refusal> refusal_of(const boost::system::error_code& bad, const http_limits& limits);

}  // namespace perdure::tools::gateway
