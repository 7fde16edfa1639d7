// `perdure serve` in a process of its own, and clients of it that cost little: what the benches over HTTP share.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "tools/bench/bench.hpp"

namespace perdure::tools::bench {

/// Ends with its owner.
class served_node {
 public:
  /// With the documents of the folder; any number of open runs.
  [[nodiscard]] static result<served_node> start(const std::filesystem::path& data, const std::filesystem::path& workflows);
  served_node(served_node&& other) noexcept;
  served_node& operator=(served_node&&) = delete;
  ~served_node() { stop(); }

  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// A request with the first key; the body may be empty.
  [[nodiscard]] std::string request(std::string_view method, std::string_view path, std::string_view body = {},
                                    std::string_view accept = "*/*") const;
  /// RssAnon of the server.
  [[nodiscard]] std::uint64_t anonymous_bytes() const;
  /// Waits until it has ended in order.
  void stop();

 private:
  served_node() = default;
  pid_t pid_ = -1;
  std::uint16_t port_ = 0;
  std::string key_;
};

/// A connection that stays. One request at a time.
class http_client {
 public:
  [[nodiscard]] static result<http_client> connect(std::uint16_t port);
  http_client(http_client&& other) noexcept : fd_(std::exchange(other.fd_, -1)), in_(std::move(other.in_)) {}
  http_client& operator=(http_client&&) = delete;
  ~http_client();

  [[nodiscard]] int socket() const { return fd_; }
  [[nodiscard]] bool send(std::string_view request) const;
  /// Takes what has come, waiting for the first byte. 0: there is more to come; else the status of a whole answer; -1: the
  /// connection is gone. `body` gets the answer's when it is not null. An answer in chunks counts as whole after its headers.
  [[nodiscard]] int take(std::string* body = nullptr);
  /// Sends and waits for the answer: its status, or -1.
  [[nodiscard]] int ask(std::string_view request, std::string* body = nullptr);

 private:
  explicit http_client(int fd) : fd_(fd) {}
  int fd_ = -1;
  std::string in_;
};

}  // namespace perdure::tools::bench
