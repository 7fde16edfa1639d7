#include "actors/capabilities/group_reaper.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace perdure::actors {

namespace {

volatile sig_atomic_t parent_ended = 0;
void note_parent_end(int) { parent_ended = 1; }

// Everything below runs in the forked process: no allocation, no lock, no stdio.
[[noreturn]] void reap(int socket, pid_t parent, int open_limit) {
  struct sigaction on_parent_end {};
  on_parent_end.sa_handler = note_parent_end;
  sigset_t all, while_waiting;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  sigaction(SIGUSR1, &on_parent_end, nullptr);
  sigfillset(&while_waiting);
  sigdelset(&while_waiting, SIGUSR1);
  prctl(PR_SET_PDEATHSIG, SIGUSR1);
  if (getppid() != parent) _exit(0);
  setsid();
  prctl(PR_SET_NAME, "perdure-reaper");
  if (chdir("/") != 0) { /* it then holds its directory, no more */
  }

  // Holds nothing of the node open: locks, sockets, the pipes of who started it.
  dup2(socket, 0);
  if (syscall(SYS_close_range, 1U, ~0U, 0U) != 0) {
    for (int fd = 1; fd < open_limit; ++fd) ::close(fd);
  }

  std::array<std::int32_t, group_reaper::max_groups> groups;
  std::size_t count = 0;
  for (bool alive = true; alive;) {
    pollfd waiting{0, POLLIN, 0};
    ppoll(&waiting, 1, nullptr, &while_waiting);
    const bool last_round = parent_ended != 0;
    for (;;) {
      group_message what;
      const auto got = recv(0, &what, sizeof what, MSG_DONTWAIT);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) break;  // nothing more for the moment
      if (got <= 0) {
        alive = false;
        break;
      }
      if (got != static_cast<ssize_t>(sizeof what) || what.group <= 1) continue;
      std::size_t at = 0;
      while (at < count && groups[at] != what.group) ++at;
      if (what.what == group_message::verb::drop) {
        if (at < count) groups[at] = groups[--count];
      } else if (at == count && count < groups.size()) {
        groups[count++] = what.group;
      }
    }
    if (last_round) alive = false;
  }
  for (std::size_t i = 0; i < count; ++i) kill(-groups[i], SIGKILL);
  _exit(0);
}

}  // namespace

int group_reaper::ensure() {
  if (pid_ > 0) return 0;
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return errno;
  unique_fd mine = unique_fd{ends[0]}.above_streams();
  unique_fd theirs = unique_fd{ends[1]}.above_streams();
  if (!mine || !theirs) return EMFILE;
  rlimit open_files{};
  getrlimit(RLIMIT_NOFILE, &open_files);
  const int open_limit = static_cast<int>(open_files.rlim_cur < 1'048'576 ? open_files.rlim_cur : 1'048'576);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) return errno;
  if (child == 0) reap(theirs.get(), parent, open_limit);
  pid_ = child;
  socket_ = std::move(mine);
  return 0;
}

bool group_reaper::lost() {
  if (pid_ <= 0) return false;
  siginfo_t ended{};
  const int answer = waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG);
  if (answer == 0 && ended.si_pid == 0) return false;
  pid_ = -1;
  socket_.reset();
  return true;
}

void group_reaper::tell(group_message what) const noexcept {
  if (!socket_) return;
  while (send(socket_.get(), &what, sizeof what, MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

void group_reaper::close() noexcept {
  // Not only closed: a process that the host forked without exec may hold a copy, and its end would never be seen.
  if (socket_) shutdown(socket_.get(), SHUT_RDWR);
  socket_.reset();
  if (pid_ > 0) {
    kill(pid_, SIGCONT);  // somebody may have stopped it
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  pid_ = -1;
}

}  // namespace perdure::actors
