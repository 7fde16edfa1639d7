// How the end of a streamed body is told: by its length, by chunks, or by the end of the connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace perdure::tools::gateway {

class body_frame {
 public:
  body_frame() = default;
  body_frame(bool may_chunk, std::optional<std::uint64_t> length) : left_(length), chunked_(may_chunk && !length) {}

  /// Else the connection's end is the body's.
  [[nodiscard]] bool has_end() const { return chunked_ || left_.has_value(); }
  /// The last headers, and the empty line after them.
  void end_head(std::string& head) const;
  void add(std::string& to, std::string_view bytes);
  /// False: less came than its length said.
  [[nodiscard]] bool end(std::string& to) const;

 private:
  std::optional<std::uint64_t> left_;
  bool chunked_ = false;
};

}  // namespace perdure::tools::gateway
