#include "tools/cli/control_client.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "cluster/control_server.hpp"
#include "core/json_text.hpp"
#include "persistence/lmdb/file_error.hpp"
#include "tools/cli/command.hpp"

namespace perdure::tools::cli {

namespace {

/// A connected socket; not_found when nobody listens.
result<int> connect_socket(const std::filesystem::path& data) {
  auto address = cluster::open_control_address(data);
  if (!address) return error{errc::not_found, address.error().message};
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  address->path.copy(name.sun_path, sizeof name.sun_path - 1);
  const bool connected = fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
  const int why = errno;
  ::close(address->directory);
  if (connected) return fd;
  if (fd >= 0) ::close(fd);
  const auto code = why == ENOENT || why == ECONNREFUSED ? errc::not_found : errc::io_error;
  const auto socket = data / "control.sock";
  return error{code, socket.string() + ": " + std::strerror(why) + persistence::owner_of(socket, why)};
}

}  // namespace

result<std::unique_ptr<control_client>> control_client::connect(const std::filesystem::path& data) {
  const auto fd = connect_socket(data);
  if (!fd) return fd.error();
  return std::unique_ptr<control_client>(new control_client(data, *fd));
}

control_client::~control_client() { ::close(fd_); }

result<void> control_client::send(const json::object& request) {
  const auto line = json_text(request) + "\n";
  for (std::size_t at = 0; at < line.size();) {
    const auto sent = ::send(fd_, line.data() + at, line.size() - at, MSG_NOSIGNAL);
    if (sent > 0) {
      at += static_cast<std::size_t>(sent);
    } else if (errno != EINTR) {
      return error{errc::shutting_down, std::string{"the node closed the control connection: "} + std::strerror(errno)};
    }
  }
  return {};
}

result<json::object> control_client::receive(const std::stop_token& stop) {
  std::size_t searched = 0;
  while (true) {
    const auto end = in_.find('\n', searched);
    if (end != std::string::npos) {
      auto read = core::read_json_text(std::string_view{in_}.substr(0, end), limits::json_depth + core::envelope_depth);
      in_.erase(0, end + 1);
      if (!read) return read.error();
      if (!read->is_object()) return error{errc::internal, "the node's answer is not an object"};
      return std::move(read->get_object());
    }
    searched = in_.size();
    if (stop.stop_requested()) return error{errc::timeout, "stopped"};
    pollfd waits{fd_, POLLIN, 0};
    if (::poll(&waits, 1, 100) <= 0) continue;  // nothing came, or a signal did
    std::array<char, 65536> bytes;
    const auto got = ::recv(fd_, bytes.data(), bytes.size(), 0);
    if (got > 0) {
      in_.append(bytes.data(), static_cast<std::size_t>(got));
    } else if (got == 0 || errno != EINTR) {
      return error{errc::shutting_down, "the node closed the control connection; its runs go on when it is started again"};
    }
  }
}

result<json::value> control_client::ask(const json::object& request) {
  if (auto sent = send(request); !sent) return sent.error();
  return answer();
}

result<json::value> control_client::answer() {
  auto answer = receive();
  if (!answer) return answer.error();
  if (auto* ok = answer->if_contains("ok")) return std::move(*ok);
  const auto* why = answer->if_contains("error");
  return cluster::error_from_wire(why != nullptr ? *why : json::value(nullptr));
}

result<run_page> control_client::list(const list_options& options) {
  auto request = cluster::to_wire(options);
  request["do"] = "list";
  const auto answer = ask(request);
  if (!answer) return answer.error();
  return cluster::page_from_wire(*answer);
}

result<run_summary> control_client::summary(const run_id& run) {
  const auto answer = ask({{"do", "show"}, {"run_id", run.str()}});
  if (!answer) return answer.error();
  return cluster::summary_from_wire(*answer);
}

result<void> control_client::take_events(const json::object& request, const take_event& take, const std::stop_token& stop) {
  if (auto sent = send(request); !sent) return sent.error();
  while (true) {
    auto line = receive(stop);
    if (!line && line.error().code != errc::timeout) return line.error();
    bool wanted = line.has_value();
    if (wanted) {
      const auto* event = line->if_contains("event");
      const auto* why = line->if_contains("error");
      if (why != nullptr) return cluster::error_from_wire(*why);
      if (event == nullptr) return {};
      const auto read = cluster::event_from_wire(*event);
      if (!read) return read.error();
      wanted = take(*read);
    }
    if (wanted) continue;
    const auto fresh = connect_socket(data_);
    if (!fresh) return fresh.error();
    ::close(std::exchange(fd_, *fresh));
    in_.clear();
    return {};
  }
}

result<void> control_client::stored(const run_id& run, run_seq after, const take_event& take) {
  return take_events({{"do", "stored"}, {"run_id", run.str()}, {"after", after}}, take, {});
}

result<void> control_client::follow(const run_id& run, run_seq after, const take_event& take, std::stop_token stop) {
  return take_events({{"do", "follow"}, {"run_id", run.str()}, {"after", after}}, take, stop);
}

namespace {

result<client::done> done_of(const result<json::value>& answer) {
  if (!answer) return answer.error();
  const auto* id = answer->is_object() ? answer->get_object().if_contains("run_id") : nullptr;
  const auto run = id != nullptr && id->is_string() ? run_id::parse(id->get_string()) : std::nullopt;
  if (!run) return error{errc::internal, "the node's answer names no run"};
  return client::done{*run, false};
}

}  // namespace

result<client::done> control_client::command(const cluster::run_command& what) { return done_of(ask(cluster::to_wire(what))); }

std::vector<result<client::done>> control_client::commands(const std::vector<cluster::run_command>& what) {
  std::vector<result<done>> out;
  // All questions before the first answer, so that none waits for the way of another.
  for (const auto& each : what) {
    if (auto sent = send(cluster::to_wire(each)); !sent) return {what.size(), sent.error()};
  }
  for (std::size_t i = 0; i < what.size(); ++i) {
    out.push_back(done_of(answer()));
    if (out.back() || out.back().error().code != errc::shutting_down) continue;
    const auto gone = out.back().error();
    out.resize(what.size(), gone);
    break;
  }
  return out;
}

result<json::value> control_client::about_jobs(const json::object& question) { return ask(question); }

result<json::object> control_client::stats() {
  auto answer = ask({{"do", "stats"}});
  if (!answer) return answer.error();
  if (!answer->is_object()) return error{errc::internal, "the node's answer is not an object"};
  return std::move(answer->get_object());
}

}  // namespace perdure::tools::cli
