#include "tools/gateway/parse_errors.hpp"

#include <boost/beast/http/error.hpp>

namespace perdure::tools::gateway {

std::optional<parse_refusal> refusal_of(const boost::system::error_code& bad, const http_limits& limits) {
  using boost::beast::http::error;
  if (bad == error::end_of_stream) return std::nullopt;
  if (bad == error::header_limit || bad == error::buffer_overflow)
    return parse_refusal{431, "the headers are over the limit header_bytes of " + std::to_string(limits.header_bytes)};
  if (bad == error::body_limit)
    return parse_refusal{413, "the body is over the limit body_bytes of " + std::to_string(limits.body_bytes)};
  if (bad.category() != make_error_code(error::bad_method).category()) return std::nullopt;
  return parse_refusal{400, "this is no HTTP request: " + bad.message()};
}

}  // namespace perdure::tools::gateway
