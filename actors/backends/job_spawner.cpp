#include "actors/backends/job_spawner.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "actors/backends/job_files.hpp"
#include "actors/backends/job_supervisor.hpp"

namespace perdure::actors {

namespace {

// Below, in the forked process: system calls only.
constexpr int root_at = 3, socket_at = 4;

[[noreturn]] void spawn_jobs(int root, int socket) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  struct sigaction ignored {};
  ignored.sa_handler = SIG_IGN;
  sigaction(SIGCHLD, &ignored, nullptr);  // nobody waits for the supervisors
  setsid();
  prctl(PR_SET_NAME, "perdure-spawner");
  // Both may be one of the numbers that they are to have.
  root = fcntl(root, F_DUPFD, 10);
  socket = fcntl(socket, F_DUPFD, 10);
  const int null = open("/dev/null", O_RDWR);
  if (root < 0 || socket < 0 || null < 0) _exit(1);
  for (int fd = 0; fd < 3; ++fd) dup2(null, fd);
  dup2(root, root_at);
  dup2(socket, socket_at);
  if (syscall(SYS_close_range, 5U, ~0U, 0U) != 0) {
    rlimit open_files{};
    getrlimit(RLIMIT_NOFILE, &open_files);
    const int most = static_cast<int>(open_files.rlim_cur < 1'048'576 ? open_files.rlim_cur : 1'048'576);
    for (int fd = 5; fd < most; ++fd) ::close(fd);
  }
  if (chdir("/") != 0) { /* it then holds its folder, no more */
  }
  for (;;) {
    char id[job_id_size];
    const auto got = recv(socket_at, id, sizeof id, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) _exit(0);
    if (got != static_cast<ssize_t>(sizeof id)) continue;
    const pid_t child = fork();
    if (child == 0) {
      ::close(socket_at);
      supervise_job(root_at, id);
    }
    const std::int32_t answer = child < 0 ? errno : 0;
    while (send(socket_at, &answer, sizeof answer, MSG_NOSIGNAL) < 0 && errno == EINTR) {
    }
  }
}

}  // namespace

result<void> job_spawner::ensure(int root) {
  if (socket_) return {};
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return error{errc::overloaded, std::string{"no socket to the spawner of jobs: "} + std::strerror(errno)};
  unique_fd mine = unique_fd{ends[0]}.above_streams();
  const unique_fd theirs = unique_fd{ends[1]}.above_streams();
  if (!mine || !theirs) return error{errc::overloaded, "no file descriptor is left for the spawner of jobs"};
  const pid_t child = fork();
  if (child < 0) return error{errc::overloaded, std::string{"the spawner of jobs cannot be forked: "} + std::strerror(errno)};
  if (child == 0) spawn_jobs(root, theirs.get());
  pid_ = child;
  socket_ = std::move(mine);
  return {};
}

result<void> job_spawner::start(int root, const std::string& id) {
  for (int tries = 0; tries < 2; ++tries) {
    if (auto there = ensure(root); !there) return there;
    const auto sent = send(socket_.get(), id.data(), job_id_size, MSG_NOSIGNAL);
    std::int32_t answer = 0;
    auto got = ssize_t{-1};
    while (sent == static_cast<ssize_t>(job_id_size) && (got = recv(socket_.get(), &answer, sizeof answer, 0)) < 0 &&
           errno == EINTR) {
    }
    if (got == static_cast<ssize_t>(sizeof answer)) {
      if (answer == 0) return {};
      return error{errc::overloaded, std::string{"no process for a job: "} + std::strerror(answer)};
    }
    close();  // somebody ended it
  }
  return error{errc::overloaded, "the spawner of jobs does not answer"};
}

void job_spawner::close() noexcept {
  if (socket_) shutdown(socket_.get(), SHUT_RDWR);
  socket_.reset();
  if (pid_ > 0) {
    kill(pid_, SIGCONT);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  pid_ = -1;
}

}  // namespace perdure::actors
