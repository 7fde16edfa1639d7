// request_reader: makes requests of the bytes that one connection brings, within the limits.
//
// Operation: `begin`, then `read` up to the end of the head, then up to the end of the body, or piece by piece; whenever it wants
// more, put bytes into `room` and say how many `came`. What is left over belongs to the next request. A body takes as much memory
// as has come of it, whatever was announced. Concurrency: one thread.
#pragma once

#include <boost/system/error_code.hpp>

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "tools/gateway/http.hpp"
#include "tools/gateway/http_limits.hpp"

namespace perdure::tools::gateway {

class request_reader {
 public:
  /// The limits outlive it.
  explicit request_reader(const http_limits& limits);
  ~request_reader();
  request_reader(const request_reader&) = delete;
  request_reader& operator=(const request_reader&) = delete;

  /// Whether bytes are there that belong to the next request.
  [[nodiscard]] bool has_bytes() const;
  /// A new request.
  void begin();
  /// Lets go of the request in hand; `shrink` of the memory that nothing is in.
  void forget();
  void shrink();

  enum class until : std::uint8_t { head, body, piece };
  enum class progress : std::uint8_t { more, there, failed };
  [[nodiscard]] progress read(until what);
  /// Where the next bytes go; some room, unless `read` failed.
  [[nodiscard]] std::span<char> room();
  void came(std::size_t bytes);
  /// Instead of bytes came the end of the connection, or an error: that may be what ends a request.
  [[nodiscard]] progress broke(const boost::system::error_code& how);
  /// What failed.
  [[nodiscard]] const boost::system::error_code& why() const;

  /// Whether all of the request is there.
  [[nodiscard]] bool done() const;

  // Once the head is there:
  [[nodiscard]] unsigned version() const;  ///< 11 = HTTP/1.1
  [[nodiscard]] bool keep_alive() const;
  [[nodiscard]] std::string_view method() const;
  [[nodiscard]] std::string_view target() const;
  [[nodiscard]] std::size_t hosts() const;  ///< headers of that name
  [[nodiscard]] std::string_view expects() const;
  /// False: it is announced to be longer, which is `why`.
  [[nodiscard]] bool limit_body(std::uint64_t bytes);
  [[nodiscard]] std::string take_piece();
  /// What there is of the request: before its head nothing, before its end no body.
  [[nodiscard]] request take();

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace perdure::tools::gateway
