// The capability "grpc": unary calls, and calls that are answered by a stream, of services that a .proto text describes.
//
// Operation: a call is one HTTP/2 request of the http capability, which also does the authentication; messages are framed here.
// Spec: {proto, service, method, host, port?, arguments?, authentication?, public?}. Result: the answer as JSON, an array of them
// for a stream. Concurrency: as capability. Limitations: no calls that take a stream; no compression.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "actors/capabilities/capability.hpp"

namespace perdure::actors {

[[nodiscard]] std::shared_ptr<capability> make_grpc_capability(std::shared_ptr<capability> http);

/// What a call of the method would be refused with; empty = it can be called.
[[nodiscard]] std::optional<std::string> why_not_callable(const std::string& proto, const std::string& service,
                                                          const std::string& method);

}  // namespace perdure::actors
