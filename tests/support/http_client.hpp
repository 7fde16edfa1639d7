// An HTTP/1.1 client that lets a test send any bytes and see every byte of the answer; and a server to talk to.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/openapi.hpp"
#include "support/program.hpp"

namespace perdure::test {

struct http_answer {
  int status = 0;                              ///< 0: the connection ended, or nothing came in time
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;

  [[nodiscard]] json::value json() const { return payload::parse_text(body).value().value(); }
  [[nodiscard]] std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string{} : found->second;
  }
};

struct sse_frame {
  std::string id, event, data;
  bool comment = false;
};

/// One connection.
class http_connection {
 public:
  explicit http_connection(std::uint16_t port) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int one = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) close();
  }
  http_connection(const http_connection&) = delete;
  http_connection& operator=(const http_connection&) = delete;
  ~http_connection() { close(); }

  [[nodiscard]] bool open() const { return fd_ >= 0; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    ended_ = true;
  }
  /// Gone at once, without a word that all was taken.
  void reset() {
    const linger at_once{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
  }
  /// No more is sent; answers still come.
  void half_close() const { ::shutdown(fd_, SHUT_WR); }

  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  /// False: nothing came within the limit, or the end.
  bool more(std::chrono::milliseconds limit) {
    pollfd waits{fd_, POLLIN, 0};
    if (fd_ < 0 || ::poll(&waits, 1, static_cast<int>(limit.count())) <= 0) return false;
    char bytes[65536];
    const auto got = ::recv(fd_, bytes, sizeof bytes, 0);
    if (got <= 0) {
      ended_ = true;
      return false;
    }
    in_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }
  /// The server has closed, within the limit.
  bool ends(std::chrono::milliseconds limit) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (!ended_ && std::chrono::steady_clock::now() < until) more(std::chrono::milliseconds{50});
    return ended_;
  }

  /// Status line and headers; the body is read by the others.
  http_answer read_head(std::chrono::seconds limit = std::chrono::seconds{20}) {
    http_answer out;
    const auto end = find("\r\n\r\n", limit);
    if (end == std::string::npos) return out;
    const auto head = in_.substr(0, end);
    in_.erase(0, end + 4);
    if (head.starts_with("HTTP/1.")) out.status = std::atoi(head.c_str() + 9);
    for (std::size_t at = head.find("\r\n"); at != std::string::npos;) {
      const auto next = head.find("\r\n", at + 2);
      const auto line = head.substr(at + 2, next == std::string::npos ? next : next - at - 2);
      const auto colon = line.find(": ");
      std::string name = line.substr(0, colon);
      for (auto& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      if (colon != std::string::npos) out.headers[name] = line.substr(colon + 2);
      at = next;
    }
    return out;
  }
  http_answer read(std::chrono::seconds limit = std::chrono::seconds{20}, bool bodyless = false) {
    auto out = read_head(limit);
    if (out.status == 0 || out.status == 100 || out.status == 204 || bodyless) return out;
    if (out.header("transfer-encoding") == "chunked") {
      while (auto piece = read_chunk(limit)) {
        if (piece->empty()) break;
        out.body += *piece;
      }
      return out;
    }
    const auto size = static_cast<std::size_t>(std::atoll(out.header("content-length").c_str()));
    const auto until = std::chrono::steady_clock::now() + limit;
    while (in_.size() < size && !ended_ && std::chrono::steady_clock::now() < until) more(std::chrono::milliseconds{100});
    if (in_.size() < size) out.status = 0;  // the connection ended inside of it
    out.body = in_.substr(0, size);
    in_.erase(0, size);
    return out;
  }
  /// So many bytes of a body, or less when they do not come.
  std::string read_body(std::size_t size, std::chrono::milliseconds limit = std::chrono::seconds{5}) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (in_.size() < size && !ended_ && std::chrono::steady_clock::now() < until) more(std::chrono::milliseconds{100});
    auto out = in_.substr(0, size);
    in_.erase(0, out.size());
    return out;
  }
  /// Empty text: the last chunk. Nothing: none came in time.
  std::optional<std::string> read_chunk(std::chrono::milliseconds limit) {
    const auto line = find("\r\n", limit);
    if (line == std::string::npos) return std::nullopt;
    const auto size = std::strtoull(in_.c_str(), nullptr, 16);
    const auto until = std::chrono::steady_clock::now() + limit;
    while (in_.size() < line + 2 + size + 2) {
      if (ended_ || std::chrono::steady_clock::now() > until) return std::nullopt;
      more(std::chrono::milliseconds{100});
    }
    auto out = in_.substr(line + 2, size);
    in_.erase(0, line + 2 + size + 2);
    return out;
  }
  /// The next frame of a stream that read_head began. Nothing: the end, or none came in time.
  std::optional<sse_frame> read_frame(std::chrono::milliseconds limit = std::chrono::seconds{20}) {
    const auto until = std::chrono::steady_clock::now() + limit;
    std::size_t end = 0;
    while ((end = stream_.find("\n\n")) == std::string::npos) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
      if (left.count() <= 0) return std::nullopt;
      auto piece = read_chunk(left);
      if (!piece || piece->empty()) return std::nullopt;
      stream_ += *piece;
    }
    sse_frame out;
    const auto text = stream_.substr(0, end + 1);
    stream_.erase(0, end + 2);
    for (std::size_t at = 0; at < text.size();) {
      const auto stop = text.find('\n', at);
      const auto line = text.substr(at, stop - at);
      at = stop + 1;
      if (line.starts_with(":")) out.comment = true;
      if (line.starts_with("id: ")) out.id = line.substr(4);
      if (line.starts_with("event: ")) out.event = line.substr(7);
      if (line.starts_with("data: ")) out.data += line.substr(6);
    }
    return out;
  }
  [[nodiscard]] const std::string& unread() const { return in_; }

 private:
  std::size_t find(std::string_view what, std::chrono::milliseconds limit) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (true) {
      const auto at = in_.find(what);
      if (at != std::string::npos || ended_ || std::chrono::steady_clock::now() > until) return at;
      more(std::chrono::milliseconds{100});
    }
  }
  int fd_ = -1;
  std::string in_, stream_;
  bool ended_ = false;
};

using http_headers = std::vector<std::pair<std::string, std::string>>;

inline std::string http_request(const std::string& method, const std::string& target, const http_headers& headers = {},
                                const std::string& body = {}) {
  auto out = method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n";
  for (const auto& [name, value] : headers) out += name + ": " + value + "\r\n";
  if (!body.empty() || method == "POST" || method == "PUT") out += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return out + "\r\n" + body;
}

/// `perdure serve` on a free port, and its first key.
class served {
 public:
  explicit served(const workplace& here, std::vector<std::string> more = {}) : here_(here), more_(std::move(more)) { start(); }

  /// Starts it (again).
  void start() {
    std::vector<std::string> command{"serve", "--listen", "127.0.0.1:0", "--json"};
    command.insert(command.end(), more_.begin(), more_.end());
    node_ = here_.start(command);
    const auto ready = workplace::eventually([&] { return !node_->running() || node_->said().find('\n') != std::string::npos; });
    if (!ready || !node_->running())
      throw std::runtime_error("the server did not start: " + node_->finish(std::chrono::seconds{1}).err);
    told_ = payload::parse_text(node_->said()).value().value();
    const auto url = text_of(told_.at("listening"));
    port_ = static_cast<std::uint16_t>(std::atoi(url.c_str() + url.rfind(':') + 1));
    const auto key = slurp(here_.path("data") / "admin.key");
    admin_ = key.substr(0, key.find('\n'));
  }
  [[nodiscard]] program& node() { return *node_; }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] const std::string& admin() const { return admin_; }
  [[nodiscard]] const json::value& told() const { return told_; }

  [[nodiscard]] http_answer call(const std::string& method, const std::string& target, const std::string& body = {},
                                 http_headers headers = {}) const {
    return call_as(admin_, method, target, body, std::move(headers));
  }
  /// An empty key sends none. The status is -1 when openapi.yaml says otherwise than the answer.
  [[nodiscard]] http_answer call_as(const std::string& key, const std::string& method, const std::string& target,
                                    const std::string& body = {}, http_headers headers = {}) const {
    http_connection to{port_};
    if (!key.empty()) headers.emplace_back("Authorization", "Bearer " + key);
    to.send(http_request(method, target, headers, body));
    auto out = to.read(std::chrono::seconds{30}, method == "HEAD");
    if (out.status == 0 || out.status == 405) return out;
    const auto wrong = openapi::document().problem(method, target, out.status, out.header("content-type"), out.body);
    if (!wrong.empty()) {  // not thrown: clients are threads, too
      std::cerr << "openapi.yaml: " << wrong << "\n";
      out.status = -1;
    }
    return out;
  }
  /// A key made by the command line beside it: its text.
  [[nodiscard]] std::string key(std::vector<std::string> options = {}) const {
    std::vector<std::string> command{"keys", "create", "--json"};
    command.insert(command.end(), options.begin(), options.end());
    return text_of(here_.call(command).json().at("key"));
  }

 private:
  const workplace& here_;
  std::vector<std::string> more_;
  std::unique_ptr<program> node_;
  json::value told_;
  std::uint16_t port_ = 0;
  std::string admin_;
};

}  // namespace perdure::test
