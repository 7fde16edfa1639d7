#include "actors/capabilities/jq_workers.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <boost/json.hpp>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <vector>

#include "actors/capabilities/fd.hpp"
#include "core/json_text.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

namespace {

using clock = std::chrono::steady_clock;

/// Answers are JSON text of at most the result's limit, and what JSON adds to it.
constexpr std::size_t answer_bytes = 2 * limits::expression_result_bytes;

/// Levels of a result and of what envelops it.
constexpr std::size_t most_levels = 512;

/// One process and the socket that is its standard input and output.
class worker {
 public:
  worker(pid_t pid, unique_fd channel) : pid_(pid), channel_(std::move(channel)) {}
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;
  ~worker() {
    channel_.reset();
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

  static result<std::unique_ptr<worker>> start(const std::string& program) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return problem("socketpair", errno);
    auto ours = unique_fd{ends[0]}, theirs = unique_fd{ends[1]};
    ours = std::move(ours).above_streams();
    theirs = std::move(theirs).above_streams();
    ::posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_adddup2(&files, theirs.get(), 0);
    ::posix_spawn_file_actions_adddup2(&files, theirs.get(), 1);
    ::posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    std::string name = program, verb = "__jq";
    char* arguments[] = {name.data(), verb.data(), nullptr};
    char* environment[] = {nullptr};
    pid_t pid = 0;
    const int failed = ::posix_spawn(&pid, program.c_str(), &files, nullptr, arguments, environment);
    ::posix_spawn_file_actions_destroy(&files);
    if (failed != 0) return problem("starting " + program, failed);
    return std::make_unique<worker>(pid, std::move(ours));
  }

  /// The answer's line; empty when the process is over its time or has ended.
  std::string exchange(std::string_view request, clock::time_point end) {
    while (!request.empty()) {
      if (!ready(POLLOUT, end)) return {};
      const auto sent = ::send(channel_.get(), request.data(), request.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0 && errno != EAGAIN && errno != EINTR) return {};
      if (sent > 0) request.remove_prefix(static_cast<std::size_t>(sent));
    }
    std::string answer;
    std::vector<char> part(64U << 10);
    while (answer.size() <= answer_bytes && ready(POLLIN, end)) {
      const auto got = ::recv(channel_.get(), part.data(), part.size(), MSG_DONTWAIT);
      if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return {};
      if (got < 0) continue;
      answer.append(part.data(), static_cast<std::size_t>(got));
      if (answer.back() == '\n') return answer;
    }
    return {};
  }

 private:
  static error problem(const std::string& what, int number) { return {errc::io_error, what + ": " + std::strerror(number)}; }
  bool ready(short what, clock::time_point end) const {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - clock::now()).count();
    ::pollfd watched{channel_.get(), what, 0};
    return left > 0 && ::poll(&watched, 1, static_cast<int>(left)) >= 0 && clock::now() < end;
  }

  pid_t pid_;
  unique_fd channel_;
};

}  // namespace

struct jq_workers::state {
  options chosen;
  std::mutex mutex;
  std::condition_variable freed;
  std::vector<std::unique_ptr<worker>> idle;
  std::size_t busy = 0;
};

jq_workers::jq_workers(options chosen) : state_(std::make_unique<state>()) { state_->chosen = std::move(chosen); }
jq_workers::~jq_workers() = default;

result<json::object> jq_workers::ask(const json::object& request) {
  std::unique_ptr<worker> mine;
  {
    std::unique_lock lock{state_->mutex};
    if (!state_->freed.wait_for(lock, state_->chosen.time, [this] { return state_->busy < state_->chosen.workers; })) {
      return error{errc::limit_exceeded, "all jq workers are busy"};
    }
    ++state_->busy;
    if (!state_->idle.empty()) {
      mine = std::move(state_->idle.back());
      state_->idle.pop_back();
    }
  }
  const auto give_back = [&] {
    {
      const std::lock_guard lock{state_->mutex};
      --state_->busy;
      if (mine) state_->idle.push_back(std::move(mine));
    }
    state_->freed.notify_one();
  };
  if (!mine) {
    auto started = worker::start(state_->chosen.program);
    if (!started) {
      give_back();
      return started.error();
    }
    mine = std::move(*started);
  }
  const auto end = clock::now() + state_->chosen.time;
  const auto line = mine->exchange(json::serialize(request) + "\n", end);
  if (line.empty()) mine.reset();
  give_back();
  if (line.empty()) {
    return error{errc::limit_exceeded,
                 clock::now() >= end ? "the expression took longer than " + std::to_string(state_->chosen.time.count()) + " ms"
                                     : "the expression took its process down (too much memory, or an error of jq)"};
  }
  auto answer = core::read_json_text(line, most_levels);
  if (!answer || !answer->is_object()) return error{errc::io_error, "a jq worker gave no answer that can be read"};
  if (const auto* why = answer->as_object().if_contains("error")) {
    return error{errc::invalid_argument, std::string{why->is_string() ? std::string_view{why->get_string()} : "it failed"}};
  }
  return std::move(answer->as_object());
}

}  // namespace perdure::actors
