// A free port of loopback whose connections are served by threads: what servers of tests have in common.
//
// Operation: from its beginning on every connection is given to the function, in a thread of its own, and closed after it. The
// end waits for all of them, so the function looks at `over` wherever it would wait. Concurrency: `over` may be asked by any
// thread. Declare it last: its threads use what stands before it.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <stdexcept>
#include <thread>
#include <vector>

namespace perdure::test {

[[nodiscard]] inline sockaddr_in loopback_at(int port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  out.sin_port = htons(static_cast<std::uint16_t>(port));
  return out;
}

class loopback_listener {
 public:
  using connection_handler = std::function<void(int connection)>;
  explicit loopback_listener(connection_handler serve) : serve_(std::move(serve)) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto address = loopback_at(0);
    socklen_t size = sizeof address;
    if (::bind(socket_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(socket_, 128) != 0 ||
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("no port for the test's server");
    }
    port_ = ntohs(address.sin_port);
    accepting_ = std::thread{[this] { accept_all(); }};
  }
  ~loopback_listener() {
    over_ = true;
    accepting_.join();
    for (auto& each : connections_) each.join();
    ::close(socket_);
  }
  loopback_listener(const loopback_listener&) = delete;
  loopback_listener& operator=(const loopback_listener&) = delete;

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] bool over() const { return over_; }
  /// Until there is something to read, or it is over; false: it is over.
  [[nodiscard]] bool wait_for(int connection) const {
    pollfd watched{connection, POLLIN, 0};
    while (!over_ && ::poll(&watched, 1, 20) == 0) {
    }
    return !over_;
  }

 private:
  void accept_all() {
    while (!over_) {
      pollfd watched{socket_, POLLIN, 0};
      if (::poll(&watched, 1, 20) <= 0) continue;
      const int connection = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) continue;
      connections_.emplace_back([this, connection] {
        serve_(connection);
        ::close(connection);
      });
    }
  }

  connection_handler serve_;
  int socket_ = -1, port_ = 0;
  std::atomic<bool> over_{false};
  std::vector<std::thread> connections_;
  std::thread accepting_;
};

}  // namespace perdure::test
