// http_exchange: the way back of one request: what handlers do with it, carried to the connection it came by.
//
// Operation: whatever is for the connection is posted to the server's thread; one that has gone on to another request, or is
// closed, does not expect it any more. Concurrency: any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "tools/gateway/http_server.hpp"

namespace perdure::tools::gateway {

/// A connection as the exchange of its request sees it; the server's thread only.
class connection_port {
 public:
  virtual ~connection_port() = default;
  /// Whether the request with this number is still to be answered.
  [[nodiscard]] virtual bool expects(std::uint64_t number) const = 0;
  virtual void on_drain(std::function<void()> call) = 0;
  virtual void on_revoked(std::function<void()> call) = 0;
  virtual void send(const request& in, std::string_view caller, const response& what) = 0;
  virtual void begin_stream(const request& in, std::string_view caller, const response& head, std::string ping) = 0;
  virtual void stream_write(std::string_view bytes) = 0;
  virtual void stream_end() = 0;
  [[nodiscard]] virtual std::size_t stream_pending() const = 0;
  virtual void stream_calls(std::function<void()> room, std::function<void()> gone) = 0;
};

/// What all exchanges of a server have; any thread.
class server_port {
 public:
  virtual ~server_port() = default;
  virtual void post(std::function<void()> call) = 0;
  virtual void work(std::function<void()> call) = 0;
  [[nodiscard]] virtual bool has_room_for_stream() const = 0;
  [[nodiscard]] virtual const server_options& options() const = 0;
};

[[nodiscard]] std::shared_ptr<exchange> make_exchange(request in, std::shared_ptr<server_port> server,
                                                      std::shared_ptr<connection_port> of, std::uint64_t number);

}  // namespace perdure::tools::gateway
