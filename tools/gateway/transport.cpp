#include "tools/gateway/transport.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace perdure::tools::gateway {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using io_executor = asio::io_context::executor_type;
using socket_type = asio::basic_stream_socket<tcp, io_executor>;
using acceptor_type = asio::basic_socket_acceptor<tcp, io_executor>;
using clock_type = std::chrono::steady_clock;
using timer_type = asio::basic_waitable_timer<clock_type, asio::wait_traits<clock_type>, io_executor>;
using error_code = boost::system::error_code;

std::string address_of(const socket_type& socket) {
  error_code bad;
  const auto peer = socket.remote_endpoint(bad);
  return bad ? std::string{} : peer.address().to_string();
}

class plain_transport : public transport {
 public:
  explicit plain_transport(socket_type socket) : socket_(std::move(socket)) {}

  [[nodiscard]] std::string peer() const override { return address_of(socket_); }
  [[nodiscard]] bool secure() const override { return false; }
  void begin(done call) override {
    asio::post(socket_.get_executor(), [call = std::move(call)] { call({}, 0); });
  }
  void read_some(char* to, std::size_t most, done call) override {
    socket_.async_read_some(asio::buffer(to, most), std::move(call));
  }
  void write(std::string_view head, std::string_view body, done call) override {
    const std::array<asio::const_buffer, 2> pieces{asio::buffer(head), asio::buffer(body)};
    asio::async_write(socket_, pieces, std::move(call));
  }
  void cancel() override {
    error_code ignored;
    socket_.cancel(ignored);
  }
  void end_writing() override {
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
  }
  void close() override {
    error_code ignored;
    socket_.close(ignored);
  }
  void turn_away(std::string_view text) override {
    error_code ignored;
    socket_.non_blocking(true, ignored);
    socket_.write_some(asio::buffer(text), ignored);
    end_writing();
  }

 private:
  socket_type socket_;
};

// OpenSSL's own way to a socket would raise SIGPIPE where the other side has gone.

int socket_of(BIO* at) { return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(at))); }

extern "C" int send_to_socket(BIO* at, const char* bytes, int size) {
  BIO_clear_retry_flags(at);
  const auto sent = ::send(socket_of(at), bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) BIO_set_retry_write(at);
  return static_cast<int>(sent);
}

extern "C" int read_of_socket(BIO* at, char* to, int most) {
  BIO_clear_retry_flags(at);
  const auto got = ::recv(socket_of(at), to, static_cast<std::size_t>(most), 0);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) BIO_set_retry_read(at);
  return static_cast<int>(got);
}

extern "C" long control_socket_bio(BIO*, int what, long, void*) { return what == BIO_CTRL_FLUSH ? 1 : 0; }

BIO* bio_of_socket(int fd) {
  static BIO_METHOD* const method = [] {
    auto* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "perdure socket");
    BIO_meth_set_write(made, send_to_socket);
    BIO_meth_set_read(made, read_of_socket);
    BIO_meth_set_ctrl(made, control_socket_bio);
    return made;
  }();
  auto* out = BIO_new(method);
  if (out == nullptr) return nullptr;
  BIO_set_data(out, reinterpret_cast<void*>(static_cast<std::intptr_t>(fd)));
  BIO_set_init(out, 1);
  return out;
}

// OpenSSL is asked first; when it wants the socket to be ready, that is waited for and it is asked again. So a silent
// connection holds no buffer of its own.
class tls_transport : public transport {
 public:
  tls_transport(socket_type socket, SSL* ssl) : socket_(std::move(socket)), ssl_(ssl, SSL_free) {
    error_code ignored;
    socket_.non_blocking(true, ignored);
    auto* way = bio_of_socket(socket_.native_handle());
    SSL_set_bio(ssl_.get(), way, way);
  }

  [[nodiscard]] std::string peer() const override { return address_of(socket_); }
  [[nodiscard]] bool secure() const override { return true; }
  void begin(done call) override {
    if (is_gone(call)) return;
    const int came = SSL_accept(ssl_.get());
    if (came == 1) return succeed(std::move(call), 0);
    if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST) say_plainly();
    retry(came, std::move(call), [this](done again) { begin(std::move(again)); });
  }
  void read_some(char* to, std::size_t most, done call) override {
    if (is_gone(call)) return;
    std::size_t got = 0;
    const int came = SSL_read_ex(ssl_.get(), to, most, &got);
    if (came == 1) return succeed(std::move(call), got);
    retry(came, std::move(call), [this, to, most](done again) { read_some(to, most, std::move(again)); });
  }
  void write(std::string_view head, std::string_view body, done call) override {
    // In one piece, so that a short answer is one record and one packet.
    out_.assign(head).append(body);
    written_ = 0;
    write_on(std::move(call));
  }
  void cancel() override {
    error_code ignored;
    socket_.cancel(ignored);
  }
  void end_writing() override {
    say_goodbye();
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
  }
  void close() override {
    say_goodbye();
    error_code ignored;
    socket_.close(ignored);
  }
  void turn_away(std::string_view) override { end_writing(); }

 private:
  /// Once closed, the socket's number may be another connection's: OpenSSL must not touch it any more.
  bool is_gone(const done& call) {
    ERR_clear_error();
    if (socket_.is_open()) return false;
    fail(call, asio::error::operation_aborted);
    return true;
  }
  void succeed(done call, std::size_t bytes) {
    asio::post(socket_.get_executor(), [call = std::move(call), bytes] { call({}, bytes); });
  }
  void fail(done call, const error_code& why) {
    asio::post(socket_.get_executor(), [call = std::move(call), why] { call(why, 0); });
  }
  template <class Again>
  void retry(int came, done call, Again again) {
    const auto when_ready = [&](tcp::socket::wait_type what) {
      socket_.async_wait(
          what, [call = std::move(call), again](const error_code& bad) mutable { bad ? call(bad, 0) : again(std::move(call)); });
    };
    switch (SSL_get_error(ssl_.get(), came)) {
      case SSL_ERROR_WANT_READ: return when_ready(tcp::socket::wait_read);
      case SSL_ERROR_WANT_WRITE: return when_ready(tcp::socket::wait_write);
      case SSL_ERROR_ZERO_RETURN: return fail(std::move(call), asio::error::eof);
      default: failed_ = true; return fail(std::move(call), asio::error::connection_reset);
    }
  }
  void write_on(done call) {
    while (written_ < out_.size()) {
      if (is_gone(call)) return;
      std::size_t taken = 0;
      const int came = SSL_write_ex(ssl_.get(), out_.data() + written_, out_.size() - written_, &taken);
      if (came != 1) return retry(came, std::move(call), [this](done again) { write_on(std::move(again)); });
      written_ += taken;
    }
    const auto all = written_;
    out_ = {};
    succeed(std::move(call), all);
  }
  /// The client did not know that it has to speak TLS here.
  void say_plainly() {
    static constexpr std::string_view text =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 28\r\nConnection: close\r\n\r\n"
        "this port is for https only\n";
    const int fd = socket_.native_handle();
    ::send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::shutdown(fd, SHUT_WR);
    // What is unread when a socket is closed takes the answer away from the client.
    std::array<char, 4096> unread{};
    for (int i = 0; i < 16 && ::recv(fd, unread.data(), unread.size(), MSG_DONTWAIT) > 0; ++i) continue;
  }
  void say_goodbye() {
    if (failed_ || !socket_.is_open() || SSL_is_init_finished(ssl_.get()) == 0) return;
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    failed_ = true;
  }

  socket_type socket_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
  std::string out_;
  std::size_t written_ = 0;
  bool failed_ = false;  // nothing more may be said
};

class tcp_listener : public listener {
 public:
  tcp_listener(asio::io_context& io, std::unique_ptr<tls_keys> keys) : keys_(std::move(keys)), acceptor_(io), pause_(io) {}

  result<void> listen(const std::string& address, std::uint16_t port) {
    error_code bad;
    const auto at = asio::ip::make_address(address, bad);
    if (bad) return error{errc::invalid_argument, "\"" + address + "\" is no IP address"};
    const tcp::endpoint where{at, port};
    const auto failed = [&] {
      return error{errc::io_error, "cannot listen at " + address + ":" + std::to_string(port) + ": " + bad.message()};
    };
    if (acceptor_.open(where.protocol(), bad)) return failed();
    if (acceptor_.set_option(tcp::acceptor::reuse_address{true}, bad)) return failed();
    if (acceptor_.bind(where, bad)) return failed();
    if (acceptor_.listen(backlog, bad)) return failed();
    port_ = acceptor_.local_endpoint(bad).port();
    return {};
  }

  [[nodiscard]] std::uint16_t port() const override { return port_; }
  void accept(std::function<void(std::unique_ptr<transport>)> call) override {
    call_ = std::move(call);
    accept_next();
  }
  void close() override {
    error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
  }
  result<bool> look_again() override {
    if (!keys_) return false;
    return keys_->look_again();
  }

 private:
  static constexpr int backlog = 4096;
  static constexpr std::chrono::milliseconds breath{100};

  void accept_next() {
    acceptor_.async_accept([this](const error_code& bad, socket_type socket) {
      if (bad == asio::error::operation_aborted || !acceptor_.is_open()) return;
      if (bad) {  // no file descriptors left, most likely
        pause_.expires_after(breath);
        return pause_.async_wait([this](const error_code& cancelled) {
          if (!cancelled) accept_next();
        });
      }
      error_code ignored;
      socket.set_option(tcp::no_delay{true}, ignored);
      if (auto made = wrapped(std::move(socket))) call_(std::move(made));
      accept_next();
    });
  }
  std::unique_ptr<transport> wrapped(socket_type socket) {
    if (!keys_) return std::make_unique<plain_transport>(std::move(socket));
    auto* ssl = SSL_new(keys_->current().get());
    if (ssl == nullptr) return nullptr;
    return std::make_unique<tls_transport>(std::move(socket), ssl);
  }

  std::unique_ptr<tls_keys> keys_;
  std::function<void(std::unique_ptr<transport>)> call_;
  std::uint16_t port_ = 0;
  acceptor_type acceptor_;
  timer_type pause_;
};

}  // namespace

result<std::unique_ptr<listener>> listener::open(asio::io_context& io, const std::string& address, std::uint16_t port,
                                                 const tls_files& files) {
  std::unique_ptr<tls_keys> keys;
  if (!files.empty()) {
    auto read = tls_keys::load(files);
    if (!read) return read.error();
    keys = std::move(*read);
  }
  auto made = std::make_unique<tcp_listener>(io, std::move(keys));
  if (auto listens = made->listen(address, port); !listens) return listens.error();
  return std::unique_ptr<listener>(std::move(made));
}

}  // namespace perdure::tools::gateway
