// multipart_reader: takes a multipart/form-data body (RFC 7578) apart as it comes.
//
// Operation: `feed` pieces of any size; the callbacks tell of parts in their order. Only what may still become a boundary is
// kept. Concurrency: one thread at a time. Limitations: no nested multiparts, no transfer encodings.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "perdure/error.hpp"

namespace perdure::tools::gateway {

struct form_part {
  std::string name;                     ///< of the field
  std::optional<std::string> filename;  ///< as the client gave it
  std::string type;                     ///< Content-Type; empty = none
};

class multipart_reader {
 public:
  struct callbacks {
    std::function<result<void>(const form_part&)> begin;
    std::function<result<void>(std::string_view)> data;
    std::function<result<void>()> end;
  };
  multipart_reader(std::string_view boundary, callbacks calls);

  /// invalid_argument: it is no such body. An error of a callback is given on; nothing may be fed after either.
  [[nodiscard]] result<void> feed(std::string_view piece);
  /// The last boundary has come; what follows it is left out.
  [[nodiscard]] bool complete() const { return at_ == place::behind; }

  static constexpr std::size_t header_bytes = 16U << 10;  ///< of one part

 private:
  enum class place : std::uint8_t { before, boundary, headers, data, behind };
  [[nodiscard]] result<bool> step();

  callbacks calls_;
  std::string delimiter_, kept_;
  place at_ = place::before;
};

/// Of a Content-Type header: the boundary of multipart/form-data; nothing when it is another type or has none.
[[nodiscard]] std::optional<std::string> boundary_of(std::string_view content_type);
/// A parameter of a header's value: `name="value"`, `name=value`, and `name*=UTF-8''value`, which goes first.
[[nodiscard]] std::optional<std::string> header_parameter(std::string_view value, std::string_view name);

}  // namespace perdure::tools::gateway
