// Answers with the bytes of a file, or a range of them, piece by piece.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "perdure/error.hpp"
#include "tools/gateway/http.hpp"

namespace perdure::tools::gateway {

struct byte_source {
  std::uint64_t size = 0;
  std::string type, name;
  std::string etag;  ///< without quotes; changes with the bytes
  bool attachment = true;
  /// At most so many bytes from an offset on; 0 at the end. On threads that may block, one call at a time.
  std::function<result<std::size_t>(std::uint64_t offset, char* into, std::size_t size)> read;
};

struct byte_range {
  std::uint64_t from = 0, size = 0;
};
/// What a Range header asks for of so many bytes. Nothing: all of them (no such header, several ranges, another unit).
/// limit_exceeded: none of them is there.
[[nodiscard]] result<std::optional<byte_range>> read_range(std::string_view header, std::uint64_t size);

/// With 200, 206, 304 or 416; an If-Range that names other bytes gives all. A source that fails on the way ends the connection.
void answer_bytes(const std::shared_ptr<exchange>& at, byte_source what, std::size_t piece_bytes);

/// Whether a browser may show it by itself: no page, no script.
[[nodiscard]] bool may_be_shown(std::string_view type);
/// "attachment; filename=…", for any name.
[[nodiscard]] std::string content_disposition(bool attachment, std::string_view name);

}  // namespace perdure::tools::gateway
