// http_server: HTTP/1.1 over TCP. Reads requests, hands them to threads that may block, writes the answers back in order.
//
// Operation: one thread does all reading and writing; `handle` is called on one of `threads` others. A connection has one
// request in hand at a time, so pipelined ones are answered in their order. What is malformed, too slow or over a limit is
// answered here, in the form that `refuse` gives it.
// Concurrency: any thread.
// Limitations: one thread for all sockets, TLS included; enough until about 100,000 requests a second without TLS.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "perdure/error.hpp"
#include "tools/gateway/http.hpp"
#include "tools/gateway/http_limits.hpp"
#include "tools/gateway/tls_keys.hpp"

namespace perdure::tools::gateway {

/// One answered request, for the access log.
struct access_record {
  const request* in = nullptr;
  std::string caller;
  unsigned status = 0;
  std::uint64_t bytes = 0;
  std::chrono::microseconds took{0};
};

struct server_options {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0 = a free one
  tls_files tls;           ///< empty = plain HTTP
  unsigned threads = 64;
  http_limits limits;
  std::function<void(std::shared_ptr<exchange>)> handle;
  /// The answer that refuses a request whose client waits with the body until it is told to send it; a thread that may block.
  /// May be empty.
  std::function<std::optional<response>(const request& head)> refuses{};
  /// Whether the body of the request with this head is to go to a sink; the server's thread. May be empty.
  std::function<bool(std::string_view method, std::string_view target)> wants_sink{};
  /// The sink, or the answer that refuses the request before its body is read; a thread that may block.
  std::function<std::variant<std::shared_ptr<body_sink>, response>(const request& head)> open_sink{};
  /// The body of an answer that the server itself gives. `target` may be empty: it was not read.
  std::function<response(unsigned status, std::string_view message, const request& in)> refuse;
  std::function<void(const request& in, std::vector<field>& out)> more_headers;  ///< of any answer; may be empty
  std::function<void(const access_record&)> access;                              ///< may be empty; the server's thread
};

struct server_figures {
  std::uint64_t connections = 0, requests = 0, streams = 0;  ///< now
  std::uint64_t accepted = 0, answered = 0;                  ///< ever
};

class http_server {
 public:
  /// io_error, invalid_argument: cannot listen there, or the files of TLS are no good.
  [[nodiscard]] static result<std::unique_ptr<http_server>> start(server_options how);
  ~http_server();

  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] server_figures figures() const;
  /// As tls_keys::look_again.
  [[nodiscard]] result<bool> look_at_certificate();
  /// Tells everything that waits or streams that no more work is taken; from now on answers close their connections.
  void drain();
  [[nodiscard]] bool draining() const;
  /// Tells streams that their caller may not have them any more, where `good` says so of the caller's name.
  void end_streams_unless(const std::function<bool(const std::string& caller)>& good);
  /// Until all requests are answered and all streams have ended; false when that takes longer.
  bool wait_idle(std::chrono::milliseconds limit);
  /// Closes all connections and ends the threads; what `handle` still does is waited for.
  void stop();

  class impl;

 private:
  explicit http_server(std::unique_ptr<impl> held);
  std::unique_ptr<impl> impl_;
};

}  // namespace perdure::tools::gateway
