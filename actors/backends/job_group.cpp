#include "actors/backends/job_group.hpp"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "actors/backends/job_syscalls.hpp"

namespace perdure::actors {

namespace {

constexpr std::size_t path_bytes = 4'096;

/// "BASE/ID" without allocating.
bool path_of(char (&out)[path_bytes], const char* base, const char* id) {
  const auto first = std::strlen(base), second = std::strlen(id);
  if (first + second + 2 > path_bytes) return false;
  std::memcpy(out, base, first);
  out[first] = '/';
  std::memcpy(out + first + 1, id, second + 1);
  return true;
}

bool write_number(int folder, const char* name, std::uint64_t number) {
  char digits[24];
  std::size_t at = sizeof digits;
  do {
    digits[--at] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number > 0);
  return write_text(folder, name, digits + at, sizeof digits - at);
}

std::size_t read_text(int folder, const char* name, char* into, std::size_t size) {
  const int file = openat(folder, name, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  const auto got = read(file, into, size - 1);
  close(file);
  const auto out = got > 0 ? static_cast<std::size_t>(got) : 0;
  into[out] = '\0';
  return out;
}

void pause_ms(long count) {
  const timespec pause{0, count * 1'000'000};
  nanosleep(&pause, nullptr);
}

}  // namespace

int open_job_cgroup(const char* base, const char* id, std::uint64_t memory_bytes, std::uint64_t processes,
                    std::uint32_t& limited) {
  char path[path_bytes];
  if (!path_of(path, base, id)) return -1;
  if (mkdir(path, 0755) != 0 && errno != EEXIST) return -1;
  const int group = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (group < 0) return -1;
  if (memory_bytes > 0 && write_number(group, "memory.max", memory_bytes)) {
    limited |= limits_memory;
    write_text(group, "memory.swap.max", "0", 1);
    write_text(group, "memory.oom.group", "1", 1);
  }
  if (processes > 0 && write_number(group, "pids.max", processes)) limited |= limits_processes;
  return group;
}

pid_t fork_into_cgroup(int group) {
  clone_args how{};
  how.flags = CLONE_INTO_CGROUP;
  how.exit_signal = SIGCHLD;
  how.cgroup = static_cast<std::uint64_t>(group);
  return static_cast<pid_t>(syscall(SYS_clone3, &how, sizeof how));
}

bool enter_job_cgroup(int group) { return write_text(group, "cgroup.procs", "0", 1); }

void kill_job_cgroup(int group) {
  if (write_text(group, "cgroup.kill", "1", 1)) return;
  // Older kernels: until nothing is left that could fork.
  char text[path_bytes];
  for (int turn = 0; turn < 100; ++turn) {
    if (read_text(group, "cgroup.procs", text, sizeof text) == 0) return;
    for (char* at = text; *at != '\0';) {
      char* end = nullptr;
      const auto pid = std::strtol(at, &end, 10);
      if (end == at) break;
      if (pid > 1) kill(static_cast<pid_t>(pid), SIGKILL);
      at = *end == '\n' ? end + 1 : end;
    }
    pause_ms(1);
  }
}

std::uint64_t read_cgroup_number(int group, const char* file, const char* key) {
  char text[path_bytes];
  if (read_text(group, file, text, sizeof text) == 0) return 0;
  const char* at = text;
  if (key != nullptr) {
    const auto length = std::strlen(key);
    while (*at != '\0' && !(std::strncmp(at, key, length) == 0 && at[length] == ' ')) {
      at = std::strchr(at, '\n');
      if (at == nullptr) return 0;
      ++at;
    }
    if (*at == '\0') return 0;
    at += length + 1;
  }
  std::uint64_t out = 0;
  for (; *at >= '0' && *at <= '9'; ++at) out = out * 10 + static_cast<std::uint64_t>(*at - '0');
  return out;
}

void remove_job_cgroup(int group, const char* base, const char* id) {
  char path[path_bytes];
  if (!path_of(path, base, id)) return;
  for (int tries = 0; tries < 200 && rmdir(path) != 0 && errno == EBUSY; ++tries) {
    kill_job_cgroup(group);
    pause_ms(5);
  }
}

}  // namespace perdure::actors
