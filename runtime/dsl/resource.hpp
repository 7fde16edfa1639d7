// External resources of documents: addresses, and the port to where they are.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "perdure/error.hpp"
#include "perdure/payload.hpp"

namespace perdure::dsl {

/// The path that a file address names: "file:///a/b" is absolute, "file://a/b" is relative to the document. Empty for
/// addresses of other kinds.
[[nodiscard]] std::optional<std::string> file_of(std::string_view uri);

/// "https" of "https://…"; empty when it is no address.
[[nodiscard]] std::string_view scheme_of(std::string_view uri);

/// "NAME/VERSION" of "catalog://NAME/VERSION", a function of the default catalog; empty for other addresses. Documents cannot
/// write such an address themselves.
[[nodiscard]] std::optional<std::string> catalog_entry_of(std::string_view uri);

/// Implementations may block, and may be called from any thread.
class resource_host {
 public:
  virtual ~resource_host() = default;
  /// A path as an absolute one: relative ones begin at the document's folder.
  [[nodiscard]] virtual std::string locate(const std::string& path) const = 0;
  /// The text of a file of at most limits::document_bytes. not_found, limit_exceeded, io_error.
  virtual result<std::string> read(const std::string& path) = 0;
};

/// JSON, or YAML 1.2, as a value; `invalid_argument` says where it is wrong.
[[nodiscard]] result<json::value> read_value(std::string_view text, const std::string& name);

}  // namespace perdure::dsl
