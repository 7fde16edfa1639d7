#include "cluster/control_server.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <deque>
#include <list>
#include <mutex>
#include <thread>

#include "cluster/job_verbs.hpp"
#include "core/json_text.hpp"

namespace perdure::cluster {

namespace {

constexpr const char* socket_name = "control.sock";
/// Of a server that stops: for clients to take their last answers.
constexpr std::chrono::milliseconds to_take_answers{1000};

error system_error(std::string what) { return {errc::io_error, std::move(what) + ": " + std::strerror(errno)}; }

/// Closes its descriptor.
class descriptor {
 public:
  explicit descriptor(int fd = -1) : fd_(fd) {}
  descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

std::string line_of(const json::object& message) {
  std::string out;
  try {
    core::write_json_text(out, message, limits::json_depth + core::envelope_depth);
  } catch (const step_error& wrong) {
    out.clear();
    core::write_json_text(out, json::object{{"error", to_wire(error{errc::limit_exceeded, wrong.what()})}});
  }
  out += '\n';
  return out;
}

/// Wakes the server's thread; outlives it in callbacks that are on their way.
struct doorbell {
  descriptor fd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  void ring() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(fd.get(), &one, sizeof one);
  }
};

/// What a client's subscription has said and the server's thread has not yet sent. Shared with the callback.
struct mailbox {
  struct item {
    run_seq seq = 0;
    bool ends = false;  ///< the run's last event
    std::string line;
    bool broken = false;  ///< no event: the next one cannot be read, and the line says why
  };
  std::mutex mutex;
  std::deque<item> items;
  std::size_t bytes = 0;
  bool full = false;  ///< events after the last one here were refused

  void put(item next) {
    const std::lock_guard lock(mutex);
    if (full) return;
    full = bytes >= control_outbox_bytes;
    if (full) return;
    bytes += next.line.size();
    items.push_back(std::move(next));
  }
  std::optional<item> take(bool& missed) {
    const std::lock_guard lock(mutex);
    missed = items.empty() && full;
    if (items.empty()) return std::nullopt;
    auto next = std::move(items.front());
    items.pop_front();
    bytes -= next.line.size();
    return next;
  }
};

/// A client's `follow`, `stored` or `wait`.
struct following {
  run_ref run;
  run_seq last = 0;             ///< of the last event taken out of the box
  run_seq until = ~run_seq{0};  ///< stored: the last event that it sends
  bool sends_events = true;     ///< wait only looks for the end
  std::shared_ptr<mailbox> box;
  subscription held;
};

/// A command on its way. Shared with its thread.
struct command_job {
  std::mutex mutex;
  std::optional<std::string> line;  ///< the answer

  [[nodiscard]] bool is_done() {
    const std::lock_guard lock(mutex);
    return line.has_value();
  }
};
struct command_thread {
  std::shared_ptr<command_job> job;
  std::thread thread;
};

struct client {
  descriptor fd;
  std::string in;
  std::string out;
  std::optional<following> follow;
  std::shared_ptr<command_job> command;
  [[nodiscard]] bool is_busy() const { return follow || command; }
  bool gone = false;
};

}  // namespace

result<control_address> open_control_address(const std::filesystem::path& directory) {
  const auto fd = ::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return system_error(directory.string());
  return control_address{fd, "/proc/self/fd/" + std::to_string(fd) + "/" + socket_name};
}

class control_server::impl {
 public:
  impl(std::filesystem::path directory, control_target node, watch_run watch, descriptor listener)
      : path_(std::move(directory) / socket_name), node_(std::move(node)), watch_(std::move(watch)),
        listener_(std::move(listener)), thread_([this] { serve(); }) {}

  ~impl() {
    stop();
    last_moment_ = std::chrono::steady_clock::now() + to_take_answers;
    answered_ = true;
    bell_->ring();
    thread_.join();
    for (auto& each : commands_) each.thread.join();
  }

  void stop() {
    if (stopping_.exchange(true)) return;
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
    bell_->ring();
  }

 private:
  void serve() {
    std::vector<pollfd> polled;
    while (true) {
      const bool stopping = stopping_;
      if (stopping) clients_.remove_if([](client& each) { return leaves(each); });
      if (stopping && (clients_.empty() || (answered_ && std::chrono::steady_clock::now() >= last_moment_))) break;
      polled.assign({{bell_->fd.get(), POLLIN, 0}});
      polled.push_back({stopping ? -1 : listener_.get(), POLLIN, 0});
      for (const auto& each : clients_) {
        const auto wants = (each.out.empty() ? 0 : POLLOUT) | (each.is_busy() || stopping ? 0 : POLLIN);
        polled.push_back({each.fd.get(), static_cast<short>(wants), 0});
      }
      const int patience = stopping ? static_cast<int>(to_take_answers.count()) / 10 : -1;
      if (::poll(polled.data(), polled.size(), patience) < 0 && errno != EINTR) return;
      if (polled[0].revents != 0) quiet_bell();
      auto at = polled.begin() + 2;
      for (auto& each : clients_) {
        const auto events = (at++)->revents;
        if ((events & (POLLERR | POLLNVAL)) != 0 || ((events & POLLHUP) != 0 && each.is_busy())) each.gone = true;
        if (!each.gone && (events & (POLLIN | POLLHUP)) != 0) receive(each);
        turn_of(each);
      }
      if (polled[1].revents != 0) accept_client();
      clients_.remove_if([](const client& each) { return each.gone; });
      if (!stopping) join_commands();
    }
    clients_.clear();
  }

  /// Of a server that stops: whoever waits for the answer to a command is told it first, and whoever follows what has come.
  static bool leaves(client& each) {
    if (each.follow) move_last_events(each);
    return !each.command && each.out.empty();
  }

  void quiet_bell() const {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(bell_->fd.get(), &count, sizeof count);
  }

  void accept_client() {
    descriptor fd{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (fd.get() < 0) return;
    if (clients_.size() < control_clients) {
      clients_.push_back({.fd = std::move(fd)});
      return;
    }
    client refused{.fd = std::move(fd)};
    say(refused, {{"error", to_wire(error{errc::overloaded, std::to_string(control_clients) +
                                                                " clients are connected to this node (limit control_clients); "
                                                                "end some of them, or try again later"})}});
    send(refused);
  }

  static void receive(client& from) {
    std::array<char, 16384> bytes;
    const auto got = ::recv(from.fd.get(), bytes.data(), bytes.size(), 0);
    if (got > 0) {
      from.in.append(bytes.data(), static_cast<std::size_t>(got));
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
      from.gone = true;
    }
  }

  /// Answers what was received, as far as no follow holds it up; moves events; sends.
  void turn_of(client& who) {
    if (who.follow) move_events(who);
    if (who.command && who.command->is_done()) {
      who.out += *who.command->line;
      who.command.reset();
    }
    while (!who.gone && !who.is_busy() && !stopping_) {
      const auto end = who.in.find('\n');
      if (end == std::string::npos) {
        if (who.in.size() > control_request_bytes) {
          say(who, {{"error", to_wire(error{errc::limit_exceeded,
                                            "a request line over " + std::to_string(control_request_bytes) + " bytes"})}});
          who.in.clear();
          send(who);
          who.gone = true;
        }
        break;
      }
      const auto line = who.in.substr(0, end);
      who.in.erase(0, end + 1);
      try {
        answer(who, line);
      } catch (const std::exception& wrong) {  // a stored payload that is damaged, say
        say(who, {{"error", to_wire(error{errc::corrupt, wrong.what()})}});
      }
    }
    send(who);
  }

  static void say(client& to, const json::object& message) { to.out += line_of(message); }
  template <class T>
  static void say_result(client& to, const result<T>& what) {
    if (what) {
      say(to, {{"ok", *what}});
    } else {
      say(to, {{"error", to_wire(what.error())}});
    }
  }

  static void send(client& to) {
    while (!to.out.empty() && !to.gone) {
      const auto sent = ::send(to.fd.get(), to.out.data(), to.out.size(), MSG_NOSIGNAL);
      if (sent > 0) {
        to.out.erase(0, static_cast<std::size_t>(sent));
      } else if (errno == EINTR) {
        continue;
      } else {
        if (errno != EAGAIN) to.gone = true;
        return;
      }
    }
  }

  void answer(client& who, std::string_view line) {
    const auto read = core::read_json_text(line, limits::json_depth + core::envelope_depth);
    if (!read || !read->is_object()) {
      return say(who, {{"error", to_wire(read ? error{errc::invalid_argument, "a request is a JSON object"} : read.error())}});
    }
    const auto& request = read->get_object();
    const auto verb = text(request, "do");
    if (verb == "list") return say_result(who, list(request));
    if (verb == "stats") return say(who, {{"ok", to_wire(node_.stats())}});
    if (verb == "show") return say_result(who, show(request));
    if (verb == "events") return say_result(who, events(request));
    if (is_job_verb(verb)) return begin_command(who, [node = node_, request] { return answer_about_jobs(node, request); });
    if (verb == "follow" || verb == "stored" || verb == "wait") return begin_follow(who, request, verb);
    auto command = command_from_wire(request);
    if (!command) return say(who, {{"error", to_wire(command.error())}});
    begin_command(who, [node = node_, what = std::move(*command)] { return carry_out(node, what); });
  }

  template <class Work>
  void begin_command(client& who, Work work) {
    if (commands_.size() >= control_commands) {
      return say(who, {{"error", to_wire(error{errc::overloaded, std::to_string(control_commands) +
                                                                     " commands wait for their answers (limit control_commands); "
                                                                     "try again later"})}});
    }
    who.command = std::make_shared<command_job>();
    commands_.push_back({who.command, std::thread([job = who.command, bell = bell_, work = std::move(work)] {
                           std::string line;
                           try {
                             const auto done = work();
                             line = line_of(done ? json::object{{"ok", *done}} : json::object{{"error", to_wire(done.error())}});
                           } catch (const std::exception& wrong) {
                             line = line_of({{"error", to_wire(error{errc::corrupt, wrong.what()})}});
                           }
                           {
                             const std::lock_guard lock(job->mutex);
                             job->line = std::move(line);
                           }
                           bell->ring();
                         })});
  }

  void join_commands() {
    commands_.remove_if([](command_thread& each) {
      if (!each.job->is_done()) return false;
      each.thread.join();
      return true;
    });
  }

  static std::string text(const json::object& in, std::string_view name) {
    const auto* found = in.if_contains(name);
    return found != nullptr && found->is_string() ? std::string{found->get_string()} : std::string{};
  }
  static std::uint64_t number(const json::object& in, std::string_view name, std::uint64_t otherwise) {
    const auto* found = in.if_contains(name);
    boost::system::error_code bad;
    if (found == nullptr || !found->is_number()) return otherwise;
    const auto value = found->to_number<std::uint64_t>(bad);
    return bad ? otherwise : value;
  }

  [[nodiscard]] result<run_ref> find(const json::object& request) const {
    const auto id = run_id::parse(text(request, "run_id"));
    if (!id) return error{errc::invalid_argument, "run_id is not a run's id"};
    return node_.get(*id);
  }

  [[nodiscard]] result<json::object> list(const json::object& request) const {
    const auto options = list_options_from_wire(request);
    if (!options) return options.error();
    const auto page = node_.list(*options);
    if (!page) return page.error();
    return to_wire(*page);
  }

  [[nodiscard]] result<json::object> show(const json::object& request) const {
    const auto run = find(request);
    if (!run) return run.error();
    const auto info = run->status();
    if (!info) return info.error();
    return to_wire(*info);
  }

  [[nodiscard]] result<json::array> events(const json::object& request) const {
    const auto run = find(request);
    if (!run) return run.error();
    const auto limit = std::min<std::uint64_t>(number(request, "limit", 1000), 1000);
    const auto found = run->events(number(request, "after", 0), limit);
    if (!found) return found.error();
    json::array out;
    for (const auto& each : *found) out.push_back(to_wire(each));
    return out;
  }

  void begin_follow(client& who, const json::object& request, std::string_view verb) {
    const auto run = find(request);
    if (!run) return say(who, {{"error", to_wire(run.error())}});
    const auto info = run->status();
    if (!info) return say(who, {{"error", to_wire(info.error())}});
    const bool sends_events = verb != "wait";
    const auto after = sends_events ? number(request, "after", 0) : info->seq;
    const bool over = is_terminal(info->status) || verb == "stored";
    if (over && info->seq <= after) return say(who, {{"ok", to_wire(*info)}});
    who.follow = following{.run = *run, .last = after, .sends_events = sends_events};
    if (verb == "stored") who.follow->until = info->seq;
    subscribe(who);
  }

  void subscribe(client& who) {
    auto& follow = *who.follow;
    follow.held.cancel();
    follow.box = std::make_shared<mailbox>();
    auto on_event = [box = follow.box, bell = bell_, sends = follow.sends_events](const run_event& event) {
      box->put({event.seq, event.kind == "run_ended", sends ? line_of({{"event", to_wire(event)}}) : std::string{}});
      bell->ring();
    };
    auto on_broken = [box = follow.box, bell = bell_, last = follow.last](const error& why) {
      box->put({.seq = last, .line = line_of({{"error", to_wire(why)}}), .broken = true});
      bell->ring();
    };
    auto held = watch_ ? watch_(follow.run, on_event, follow.last, on_broken) : follow.run.subscribe(on_event, follow.last);
    if (held) {
      follow.held = std::move(*held);
      return;
    }
    say(who, {{"error", to_wire(held.error())}});
    who.follow.reset();
  }

  /// From the subscription's box to the client's outbox, as long as that has room.
  void move_events(client& who) {
    auto& follow = *who.follow;
    bool missed = false;
    while (who.out.size() < control_outbox_bytes) {
      const auto next = follow.box->take(missed);
      if (!next) break;
      who.out += next->line;
      if (!next->broken) follow.last = next->seq;
      if (next->broken || next->ends || next->seq >= follow.until) {
        next->broken ? who.follow.reset() : end_follow(who);
        // Requests that came meanwhile are answered in the next turn.
        if (!who.in.empty()) bell_->ring();
        return;
      }
    }
    if (missed) subscribe(who);
  }

  static void move_last_events(client& who) {
    bool missed = false;
    while (const auto next = who.follow->box->take(missed)) {
      who.out += next->line;
      if (!next->broken && !next->ends && next->seq < who.follow->until) continue;
      next->broken ? who.follow.reset() : end_follow(who);
      return send(who);
    }
    who.follow.reset();
    send(who);
  }

  static void end_follow(client& who) {
    const auto info = who.follow->run.status();
    who.follow.reset();
    if (info) {
      say(who, {{"ok", to_wire(*info)}});
    } else {
      say(who, {{"error", to_wire(info.error())}});
    }
  }

  std::filesystem::path path_;
  control_target node_;
  watch_run watch_;
  descriptor listener_;
  std::shared_ptr<doorbell> bell_ = std::make_shared<doorbell>();
  std::atomic<bool> stopping_{false}, answered_{false};
  std::chrono::steady_clock::time_point last_moment_{};  ///< set before answered_
  std::list<client> clients_;
  std::list<command_thread> commands_;
  std::thread thread_;
};

result<std::unique_ptr<control_server>> control_server::start(const std::filesystem::path& directory, control_target node,
                                                              watch_run watch) {
  auto address = open_control_address(directory);
  if (!address) return address.error();
  const descriptor held{address->directory};
  const auto shown = (directory / socket_name).string();
  struct stat found {};
  if (::fstatat(held.get(), socket_name, &found, AT_SYMLINK_NOFOLLOW) == 0) {
    if (!S_ISSOCK(found.st_mode)) return error{errc::io_error, shown + " is in the way: it is not a socket; remove it"};
    ::unlinkat(held.get(), socket_name, 0);
  }
  descriptor listener{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (listener.get() < 0) return system_error("cannot make a socket");
  // The mode of the descriptor becomes that of the file, so that nobody else can connect at any moment.
  if (::fchmod(listener.get(), 0600) != 0) return system_error("cannot restrict " + shown);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  address->path.copy(name.sun_path, sizeof name.sun_path - 1);
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0)
    return system_error("cannot bind " + shown);
  if (::listen(listener.get(), 16) != 0) return system_error("cannot listen at " + shown);
  return std::unique_ptr<control_server>(
      new control_server(std::make_unique<impl>(directory, std::move(node), std::move(watch), std::move(listener))));
}

control_server::control_server(std::unique_ptr<impl> held) : impl_(std::move(held)) {}
control_server::~control_server() = default;
void control_server::stop() { impl_->stop(); }

}  // namespace perdure::cluster
