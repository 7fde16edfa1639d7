#include "actors/backends/spawn_jobs.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "actors/backends/job_records.hpp"
#include "actors/backends/job_supervisor.hpp"

namespace perdure::actors {

namespace {
constexpr int root_at = 3, socket_at = 4;
}

void spawn_jobs(int root, int socket) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  // Programs of jobs get them as they are here.
  struct sigaction how {};
  how.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) sigaction(number, &how, nullptr);
  how.sa_handler = SIG_IGN;
  sigaction(SIGCHLD, &how, nullptr);  // nobody waits for the supervisors
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
    for (int fd = 5; fd < most; ++fd) close(fd);
  }
  if (chdir("/") != 0) { /* it then holds its folder, no more */
  }
  const auto answer = [](std::int32_t word) {
    while (send(socket_at, &word, sizeof word, MSG_NOSIGNAL) < 0 && errno == EINTR) {
    }
  };
  answer(0);  // it is there
  for (;;) {
    char id[job_id_size];
    const auto got = recv(socket_at, id, sizeof id, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) _exit(0);
    if (got != static_cast<ssize_t>(sizeof id)) continue;
    const pid_t child = fork();
    if (child == 0) {
      close(socket_at);
      supervise_job(root_at, id);
    }
    answer(child < 0 ? errno : 0);
  }
}

}  // namespace perdure::actors
