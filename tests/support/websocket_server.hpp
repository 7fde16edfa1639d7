// A WebSocket server on a free port of loopback, for tests of what calls one: each connection is handed to a function.
//
// Concurrency: a thread per connection; the function is called by them, and its reads and writes throw when the server ends.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace perdure::test {

class websocket_server {
 public:
  using stream = boost::beast::websocket::stream<boost::asio::ip::tcp::socket>;
  struct session {
    stream& at;
    std::string target, authorization;
    void send(const std::string& text, bool binary = false) {
      at.binary(binary);
      at.write(boost::asio::buffer(text));
    }
    /// The next message; empty when the other side is gone.
    std::string receive() {
      boost::beast::flat_buffer buffer;
      boost::system::error_code bad;
      at.read(buffer, bad);
      return bad ? std::string{} : boost::beast::buffers_to_string(buffer.data());
    }
  };
  using handler = std::function<void(session&)>;

  explicit websocket_server(handler what) : what_(std::move(what)) {
    accepting_ = std::thread{[this] { accept_all(); }};
  }
  ~websocket_server() {
    ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
    accepting_.join();
    {
      const std::lock_guard lock{mutex_};
      for (const int each : open_) ::shutdown(each, SHUT_RDWR);
    }
    for (auto& each : connections_) each.join();
  }
  websocket_server(const websocket_server&) = delete;
  websocket_server& operator=(const websocket_server&) = delete;

  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()); }
  [[nodiscard]] std::string url(const std::string& path = "/") const { return "ws://" + address() + path; }
  /// Connections so far, and those that have ended.
  [[nodiscard]] int opened() const { return opened_; }
  [[nodiscard]] int ended() const { return ended_; }

 private:
  void accept_all() {
    while (true) {
      boost::system::error_code bad;
      auto socket = acceptor_.accept(bad);
      if (bad) return;
      connections_.emplace_back([this, held = std::move(socket)]() mutable { serve(std::move(held)); });
    }
  }
  void serve(boost::asio::ip::tcp::socket socket) {
    const int handle = socket.native_handle();
    {
      const std::lock_guard lock{mutex_};
      open_.push_back(handle);
    }
    try {
      boost::beast::flat_buffer buffer;
      boost::beast::http::request<boost::beast::http::string_body> request;
      boost::beast::http::read(socket, buffer, request);
      stream at{std::move(socket)};
      at.accept(request);
      ++opened_;
      session here{at, std::string{request.target()}, std::string{request[boost::beast::http::field::authorization]}};
      what_(here);
      forget(handle);
      boost::system::error_code ignored;
      at.close(boost::beast::websocket::close_code::normal, ignored);
    } catch (const boost::system::system_error&) {
      forget(handle);
    }
    ++ended_;
  }
  void forget(int handle) {
    const std::lock_guard lock{mutex_};
    std::erase(open_, handle);
  }

  handler what_;
  boost::asio::io_context io_{1};
  boost::asio::ip::tcp::acceptor acceptor_{io_, {boost::asio::ip::address_v4::loopback(), 0}};
  std::thread accepting_;
  std::vector<std::thread> connections_;
  std::mutex mutex_;
  std::vector<int> open_;
  std::atomic<int> opened_{0}, ended_{0};
};

}  // namespace perdure::test
