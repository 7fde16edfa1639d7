#include "tools/bench/served.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <vector>

extern char** environ;

namespace perdure::tools::bench {

result<served_node> served_node::start(const std::filesystem::path& data, const std::filesystem::path& workflows) {
  // The clients' sockets are this process's.
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) return error{errc::io_error, "cannot make a pipe"};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::vector<std::string> words{"perdure",  "serve",       "--data",        data.string(), "--workflows", workflows.string(),
                                 "--listen", "127.0.0.1:0", "--tenant-runs", "0",           "--json"};
  std::vector<char*> arguments;
  for (auto& each : words) arguments.push_back(each.data());
  arguments.push_back(nullptr);
  served_node out;
  const int failed = ::posix_spawn(&out.pid_, "/proc/self/exe", &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (failed != 0) out.pid_ = -1;
  std::string said;
  char byte = 0;
  while (failed == 0 && ::read(ends[0], &byte, 1) == 1 && byte != '\n') said += byte;
  ::close(ends[0]);
  const auto told = payload::parse_text(said);
  const auto answer = told ? told->value() : json::value{};
  if (!answer.is_object()) return error{errc::internal, "perdure serve did not start"};
  const auto& where = answer.get_object().at("listening").as_string();
  out.port_ = static_cast<std::uint16_t>(std::atoi(where.c_str() + where.rfind(':') + 1));
  std::ifstream{data / "admin.key"} >> out.key_;
  return out;
}

served_node::served_node(served_node&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), port_(other.port_), key_(std::move(other.key_)) {}

std::string served_node::request(std::string_view method, std::string_view path, std::string_view body,
                                 std::string_view accept) const {
  std::string out{method};
  out.append(" ").append(path).append(" HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ").append(key_);
  out.append("\r\nAccept: ").append(accept);
  if (!body.empty()) out.append("\r\nContent-Type: application/json\r\nContent-Length: ").append(std::to_string(body.size()));
  return out.append("\r\n\r\n").append(body);
}

std::uint64_t served_node::anonymous_bytes() const { return bench::anonymous_bytes(pid_); }

void served_node::stop() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGTERM);
  ::waitpid(std::exchange(pid_, -1), nullptr, 0);
}

result<http_client> http_client::connect(std::uint16_t port) {
  http_client out{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int one = 1;
  if (out.fd_ < 0 || ::connect(out.fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
    return error{errc::io_error, "cannot connect to the server; are there enough file descriptors?"};
  ::setsockopt(out.fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return out;
}

http_client::~http_client() {
  if (fd_ >= 0) ::close(fd_);
}

bool http_client::send(std::string_view request) const {
  while (!request.empty()) {
    const auto sent = ::send(fd_, request.data(), request.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    request.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

int http_client::take(std::string* body) {
  char bytes[16384];
  const auto got = ::recv(fd_, bytes, sizeof bytes, 0);
  if (got <= 0) return -1;
  in_.append(bytes, static_cast<std::size_t>(got));
  const auto end = in_.find("\r\n\r\n");
  if (end == std::string::npos) return 0;
  constexpr std::string_view length = "\r\nContent-Length: ";
  const auto at = in_.find(length);
  const auto size = at < end ? std::strtoull(in_.c_str() + at + length.size(), nullptr, 10) : 0;
  if (in_.size() < end + 4 + size) return 0;
  const int status = std::atoi(in_.c_str() + std::string_view{"HTTP/1.1 "}.size());
  if (body != nullptr) *body = in_.substr(end + 4, size);
  in_.clear();
  return status;
}

int http_client::ask(std::string_view request, std::string* body) {
  if (!send(request)) return -1;
  while (true) {
    if (const int status = take(body); status != 0) return status;
  }
}

}  // namespace perdure::tools::bench
