// A method of a gRPC service as a .proto text describes it: JSON to the bytes of its messages and back.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "perdure/error.hpp"
#include "perdure/payload.hpp"

namespace perdure::actors {

/// Immutable; any thread.
class proto_method {
 public:
  virtual ~proto_method() = default;
  /// `service` with its package, or without. invalid_argument: the text is no proto file (with line and column), imports what is
  /// not at hand, or has no such service or method.
  [[nodiscard]] static result<std::shared_ptr<const proto_method>> find(const std::string& proto, const std::string& service,
                                                                        const std::string& method);
  /// "/package.Service/Method".
  [[nodiscard]] virtual const std::string& path() const = 0;
  [[nodiscard]] virtual bool takes_stream() const = 0;
  [[nodiscard]] virtual bool gives_stream() const = 0;
  /// invalid_argument: it does not fit the message.
  [[nodiscard]] virtual result<std::string> encode(const json::value& arguments) const = 0;
  [[nodiscard]] virtual result<json::value> decode(std::string_view message) const = 0;
};

}  // namespace perdure::actors
