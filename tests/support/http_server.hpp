// A small HTTP/1.1 server on a free port of loopback, for tests of what calls one: each request is handed to a function.
//
// Concurrency: a thread per connection; the function is called by them. Limitations: no chunked requests, no TLS.
#pragma once

#include <algorithm>
#include <cctype>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "support/loopback_listener.hpp"

namespace perdure::test {

struct server_request {
  std::string method, path, query, body;       ///< the path is as it came, escaped
  std::map<std::string, std::string> headers;  ///< names in small letters
};
struct server_response {
  int status = 200;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers{{"Content-Type", "application/json"}};
  int delay_ms = 0;            ///< before it; cut short when the server ends
  bool cut = false;            ///< the connection is closed instead
  bool keep = false;           ///< the connection stays open for the next request
  std::size_t body_times = 1;  ///< the body is sent so often, as one
};

class http_server {
 public:
  using handler = std::function<server_response(const server_request&)>;
  explicit http_server(handler what) : what_(std::move(what)), listener_([this](int connection) { serve(connection); }) {}
  http_server(const http_server&) = delete;
  http_server& operator=(const http_server&) = delete;

  [[nodiscard]] std::string url(const std::string& path = "") const {
    return "http://127.0.0.1:" + std::to_string(port()) + path;
  }
  [[nodiscard]] int port() const { return listener_.port(); }
  /// What came, in the order of its end.
  [[nodiscard]] std::vector<server_request> requests() const {
    const std::lock_guard lock{mutex_};
    return seen_;
  }

 private:
  bool more(int connection, std::string& text) const {
    char part[4096];
    const auto got = listener_.wait_for(connection) ? ::recv(connection, part, sizeof part, 0) : 0;
    if (got > 0) text.append(part, static_cast<std::size_t>(got));
    return got > 0;
  }
  void serve(int connection) {
    std::string text;
    for (bool again = true; again;) {
      std::size_t end = std::string::npos;
      while ((end = text.find("\r\n\r\n")) == std::string::npos && more(connection, text)) {
      }
      if (end == std::string::npos) break;
      auto request = parse(text.substr(0, end));
      const auto length = request.headers.contains("content-length") ? std::stoul(request.headers.at("content-length")) : 0UL;
      request.body = text.substr(end + 4);
      while (request.body.size() < length && more(connection, request.body)) {
      }
      text = request.body.substr(std::min<std::size_t>(length, request.body.size()));
      request.body.resize(std::min<std::size_t>(length, request.body.size()));
      again = answer(connection, request);
    }
  }
  static server_request parse(const std::string& head) {
    server_request out;
    std::size_t at = head.find("\r\n");
    const auto line = head.substr(0, at);
    const auto first = line.find(' '), second = line.find(' ', first + 1);
    out.method = line.substr(0, first);
    out.path = line.substr(first + 1, second - first - 1);
    if (const auto mark = out.path.find('?'); mark != std::string::npos) {
      out.query = out.path.substr(mark + 1);
      out.path.resize(mark);
    }
    while (at != std::string::npos) {
      const auto next = head.find("\r\n", at + 2);
      const auto one = head.substr(at + 2, next == std::string::npos ? next : next - at - 2);
      const auto colon = one.find(':');
      auto name = one.substr(0, colon);
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      if (colon != std::string::npos) out.headers[name] = one.substr(std::min(one.find_first_not_of(' ', colon + 1), one.size()));
      at = next;
    }
    return out;
  }
  /// Whether there may be another request.
  bool answer(int connection, const server_request& request) {
    const auto given = what_(request);
    {
      const std::lock_guard lock{mutex_};
      seen_.push_back(request);
    }
    for (int waited = 0; waited < given.delay_ms && !listener_.over(); waited += 5)
      std::this_thread::sleep_for(std::chrono::milliseconds{5});
    if (given.cut) return false;
    auto text = "HTTP/1.1 " + std::to_string(given.status) + " Told\r\n" + (given.keep ? "" : "Connection: close\r\n");
    for (const auto& [name, value] : given.headers) text += name + ": " + value + "\r\n";
    if (given.status != 204 && given.status != 304)
      text += "Content-Length: " + std::to_string(given.body.size() * given.body_times) + "\r\n";
    bool good = put(connection, text + "\r\n");
    for (std::size_t i = 0; good && request.method != "HEAD" && i < given.body_times; ++i) good = put(connection, given.body);
    return good && given.keep;
  }
  static bool put(int connection, const std::string& text) {
    for (std::size_t sent = 0; sent < text.size();) {
      const auto now = ::send(connection, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (now <= 0) return false;
      sent += static_cast<std::size_t>(now);
    }
    return true;
  }

  handler what_;
  mutable std::mutex mutex_;
  std::vector<server_request> seen_;
  loopback_listener listener_;
};

}  // namespace perdure::test
