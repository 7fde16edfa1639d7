// http_client: HTTP requests to their end, many at once, on one thread.
//
// Operation: libcurl's multi interface; requests beyond `running` wait in order. DNS is asked by libcurl beside the thread.
// A request ends with an answer or a failure, also when it is stopped; what is over a limit is cut off at once.
// Concurrency: `start` and `stop_all` from any thread; `done` is called on the client's thread.
// Limitations: bodies are in memory, so they have a limit. Connections are kept open for the next request to the same host.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "perdure/limits.hpp"

namespace perdure::actors {

using http_headers = std::vector<std::pair<std::string, std::string>>;

/// What a client shows a server of itself, as PEM text.
struct client_certificate {
  std::string certificate, key, password;
};

struct http_request {
  std::string method = "GET";
  std::string url;  ///< http or https, already escaped
  http_headers headers;
  std::optional<std::string> body;
  bool http2 = false;   ///< from the first byte on, also without TLS; what comes after the body counts as headers
  bool follow = false;  ///< redirects, up to limits::http_redirects
  /// For the server the request names, not for others that it redirects to.
  std::optional<std::pair<std::string, std::string>> digest;  ///< user and password of digest authentication
  std::optional<client_certificate> certificate;              ///< then no redirect is followed
  std::chrono::milliseconds time{limits::http_time};
  bool only_public = false;  ///< no loopback, link-local, private or other special address, looked at after DNS
  /// On a connection of its own: on an older one libcurl sends it a second time when that breaks before an answer came.
  bool once = false;
  /// Gets the body of an answer with a status of 200 to 299 as it comes, instead of the answer; false = that was enough. On the
  /// client's thread; must not block for long.
  std::function<bool(long status, std::string_view bytes)> take;
  /// Sees the body of such an answer as it comes, besides. On the client's thread; must not block or throw.
  std::function<void(const http_headers& headers, std::string_view bytes)> see;
  std::stop_token stop;
};

struct http_response {
  long status = 0;
  std::string reason;    ///< as the server wrote it; may be empty
  http_headers headers;  ///< of the last answer, in the server's order
  std::string body;
  std::string url;  ///< where it came from, after redirects
};

struct http_failure {
  enum class kind {
    refused,      ///< the request itself: a bad address, an address that is not allowed, too many wait
    unreachable,  ///< no connection, or it broke
    too_late,     ///< over its time
    too_large,    ///< the answer is over a limit
    stopped,
  } what = kind::unreachable;
  std::string message;
  bool sent = true;  ///< the server may have seen the request, or a part of it
};
using http_end = std::variant<http_response, http_failure>;

/// Whether an address is one of the internet's, as text ("10.0.0.1", "::1") says.
[[nodiscard]] bool is_public_address(const std::string& text);

class http_client {
 public:
  struct options {
    std::size_t running = limits::http_calls;
    std::size_t waiting = limits::waiting_http_calls;
  };
  explicit http_client(options chosen);
  http_client() : http_client(options{}) {}
  /// stop_all, then waits for the thread.
  ~http_client();
  http_client(const http_client&) = delete;
  http_client& operator=(const http_client&) = delete;

  /// `done` exactly once; must not block or throw.
  void start(http_request what, std::function<void(http_end)> done);
  /// Ends all requests as stopped, and refuses later ones.
  void stop_all();

 private:
  struct state;
  std::shared_ptr<state> state_;
};

}  // namespace perdure::actors
