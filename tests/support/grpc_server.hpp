// A gRPC server on a free port of loopback, without TLS, for tests of what calls one: the least of HTTP/2 that a client needs.
//
// Concurrency: a thread per connection; the handler is called by them. Limitations: requests' headers are not looked at, so
// neither is the path; flow control only as far as small messages need it.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "support/loopback_listener.hpp"

namespace perdure::test {

struct grpc_answer {
  std::vector<std::string> messages;
  int status = 0;
  std::string message;
};

class grpc_server {
 public:
  /// Gets the request's message as its bytes.
  using handler = std::function<grpc_answer(const std::string&)>;
  explicit grpc_server(handler what) : what_(std::move(what)), listener_([this](int connection) { serve(connection); }) {}
  grpc_server(const grpc_server&) = delete;
  grpc_server& operator=(const grpc_server&) = delete;
  [[nodiscard]] int port() const { return listener_.port(); }
  [[nodiscard]] std::size_t calls() const { return calls_; }

 private:
  enum frame_type : unsigned { data = 0, headers = 1, settings = 4, ping = 6 };
  enum frame_flag : unsigned { end_stream = 1, ack = 1, end_headers = 4, padded = 8 };

  bool take(int connection, std::size_t bytes, std::string& out) const {
    out.clear();
    while (out.size() < bytes) {
      char part[4096];
      const auto got =
          listener_.wait_for(connection) ? ::recv(connection, part, std::min(sizeof part, bytes - out.size()), 0) : 0;
      if (got <= 0) return false;
      out.append(part, static_cast<std::size_t>(got));
    }
    return true;
  }
  static std::uint32_t number(const std::string& of, std::size_t at, std::size_t bytes) {
    std::uint32_t out = 0;
    for (std::size_t i = 0; i < bytes; ++i) out = out << 8 | static_cast<unsigned char>(of[at + i]);
    return out;
  }
  static std::string big_endian(std::uint32_t value, int bytes) {
    std::string out;
    for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 0xff);
    return out;
  }
  static void send(int connection, unsigned type, unsigned flags, std::uint32_t stream, const std::string& payload) {
    const auto text = big_endian(static_cast<std::uint32_t>(payload.size()), 3) + static_cast<char>(type) +
                      static_cast<char>(flags) + big_endian(stream, 4) + payload;
    for (std::size_t sent = 0; sent < text.size();) {
      const auto now = ::send(connection, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (now <= 0) return;
      sent += static_cast<std::size_t>(now);
    }
  }
  /// A header as HPACK has it, not indexed, not compressed.
  static std::string header(const std::string& name, const std::string& value) {
    return std::string(1, '\0') + static_cast<char>(name.size()) + name + static_cast<char>(value.size()) + value;
  }
  static std::string framed(const std::string& message) {
    return std::string(1, '\0') + big_endian(static_cast<std::uint32_t>(message.size()), 4) + message;
  }
  void serve(int connection) {
    std::string head, payload;
    std::map<std::uint32_t, std::string> bodies;
    if (take(connection, 24, head)) send(connection, settings, 0, 0, {});  // after the client's preface
    while (take(connection, 9, head)) {
      const auto type = static_cast<unsigned char>(head[3]), flags = static_cast<unsigned char>(head[4]);
      const auto stream = number(head, 5, 4) & 0x7fffffffU;
      if (!take(connection, number(head, 0, 3), payload) && number(head, 0, 3) != 0) break;
      if (type == settings && (flags & ack) == 0) send(connection, settings, ack, 0, {});
      if (type == ping && (flags & ack) == 0) send(connection, ping, ack, 0, payload);
      if (type == data) {
        const std::size_t padding = (flags & padded) != 0 ? static_cast<unsigned char>(payload[0]) + 1U : 0U;
        const std::size_t begin = padding > 0 ? 1 : 0;
        bodies[stream] += payload.substr(begin, payload.size() - padding);
      }
      if ((type == data || type == headers) && (flags & end_stream) != 0) answer(connection, stream, bodies[stream]);
    }
  }
  void answer(int connection, std::uint32_t stream, const std::string& body) {
    ++calls_;
    const auto given = what_(body.size() > 5 ? body.substr(5) : std::string{});
    send(connection, headers, end_headers, stream, "\x88" + header("content-type", "application/grpc"));  // 0x88: ":status 200"
    for (const auto& each : given.messages) send(connection, data, 0, stream, framed(each));
    send(connection, headers, end_headers | end_stream, stream,
         header("grpc-status", std::to_string(given.status)) + header("grpc-message", given.message));
  }

  handler what_;
  std::atomic<std::size_t> calls_{0};
  loopback_listener listener_;
};

}  // namespace perdure::test
