#include "actors/backends/job_spawner.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "actors/backends/job_records.hpp"
#include "actors/backends/job_syscalls.hpp"
#include "actors/backends/spawn_jobs.hpp"
#include "actors/backends/spawner_image.hpp"

namespace perdure::actors {

namespace {

/// The program as a file of memory; empty where the system has none that can be executed.
unique_fd program_file() {
  const auto image = spawner_image();
#ifdef MFD_EXEC
  unique_fd out{memfd_create("perdure-spawner", MFD_CLOEXEC | MFD_EXEC)};
  if (!out && errno == EINVAL) out = unique_fd{memfd_create("perdure-spawner", MFD_CLOEXEC)};
#else
  unique_fd out{memfd_create("perdure-spawner", MFD_CLOEXEC)};
#endif
  if (!out || !write_all(out.get(), image.data(), image.size())) return {};
  return std::move(out).above_streams();
}

/// -1: it does not start.
pid_t start_program(int root, int socket) {
  const auto file = program_file();
  if (!file) return -1;
  auto root_text = std::to_string(root), socket_text = std::to_string(socket);
  char name[] = "perdure-spawner", empty[] = "";
  char* arguments[] = {name, root_text.data(), socket_text.data(), nullptr};
  char* environment[] = {nullptr};
  // No handler of the host may run in the child: it has this process's memory.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t child = vfork();
  if (child == 0) {
    fcntl(root, F_SETFD, 0);
    fcntl(socket, F_SETFD, 0);
    syscall(SYS_execveat, file.get(), empty, arguments, environment, AT_EMPTY_PATH);
    _exit(127);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return child;
}

/// It says that it is there; what could not be executed has closed its end.
bool answers(int socket) {
  std::int32_t word = -1;
  auto got = ssize_t{-1};
  while ((got = recv(socket, &word, sizeof word, 0)) < 0 && errno == EINTR) {
  }
  return got == static_cast<ssize_t>(sizeof word);
}

void wait_for(pid_t child) {
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

result<void> job_spawner::ensure(int root) {
  for (const bool as_program : {true, false}) {
    if (socket_) return {};
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
      return error{errc::overloaded, std::string{"no socket to the spawner of jobs: "} + std::strerror(errno)};
    unique_fd mine = unique_fd{ends[0]}.above_streams();
    unique_fd theirs = unique_fd{ends[1]}.above_streams();
    if (!mine || !theirs) return error{errc::overloaded, "no file descriptor is left for the spawner of jobs"};
    // A copy of this process can do the same; each of its forks copies the tables of all this memory.
    const pid_t child = as_program ? start_program(root, theirs.get()) : fork();
    if (child == 0) spawn_jobs(root, theirs.get());
    if (child < 0 && as_program) continue;
    if (child < 0) return error{errc::overloaded, std::string{"the spawner of jobs cannot be forked: "} + std::strerror(errno)};
    theirs.reset();
    if (answers(mine.get())) {
      pid_ = child;
      socket_ = std::move(mine);
      return {};
    }
    wait_for(child);
  }
  return error{errc::overloaded, "the spawner of jobs does not start"};
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
    wait_for(pid_);
  }
  pid_ = -1;
}

}  // namespace perdure::actors
