#include "actors/backends/job_supervisor.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "actors/backends/job_group.hpp"
#include "actors/backends/job_records.hpp"
#include "actors/backends/job_syscalls.hpp"
#include "actors/capabilities/child.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

namespace {

constexpr std::size_t out_bytes = 256U << 10;
constexpr std::size_t line_bytes = limits::job_log_line_bytes;
constexpr std::size_t most_pieces = limits::job_log_bytes / limits::job_log_piece_bytes;
constexpr std::uint64_t least_piece_bytes = out_bytes;
/// An unfinished line is kept back so long.
constexpr int line_pause_ms = 500;
/// Progress is written down at most so often.
constexpr std::int64_t progress_pause_us = 200'000;
/// How a job ended is worth waiting for room on the disk: so many seconds.
constexpr int ending_tries = 3'600;
/// Processor time of a group is looked at so often.
constexpr std::int64_t cpu_pause_us = 500'000;
/// After the program's end: what still holds its pipes has left its group.
constexpr std::int64_t drain_us = 1'000'000;

// Everything is in one object of static storage: the stack of the thread that forked may be small.
struct supervisor {
  int file = -1;  ///< of the job; holds the lock
  job_request* request = nullptr;
  char** candidates = nullptr;
  char** arguments = nullptr;
  char** environment = nullptr;
  const char* cgroups = "";
  const char* directory = "";
  std::size_t kept_size = 0;  ///< of the file, when the program runs
  const char* id = "";

  // The log:
  struct stream {
    int pipe = -1;
    std::uint8_t number = 1;
    std::size_t kept = 0;       ///< bytes of a line that is not complete
    bool within_line = false;   ///< its beginning was written already
    std::int64_t since_us = 0;  ///< when the first of the kept bytes came
    char buffer[line_bytes + 65'536];
  };
  stream streams[2];
  char out[out_bytes];
  std::size_t out_size = 0;
  int piece = -1;
  std::uint64_t offset = 0, piece_start = 0;
  std::uint64_t pieces[most_pieces + 1];
  std::size_t first_piece = 0, piece_count = 0;
  std::uint64_t piece_bytes = limits::job_log_piece_bytes;
  std::size_t kept_pieces = most_pieces;
  std::uint64_t lost = 0;

  // Progress:
  job_progress_record progress;
  bool progress_waits = false;
  std::int64_t progress_at = 0;

  // The program:
  pid_t child = -1;
  int child_ended = -1, report = -1;
  bool over = false, reaped = false, launch_failed = false;
  launch_failure failed;
  std::int64_t kill_at = 0, end_at = 0, drain_until = 0;
  std::int64_t word_at = 0;  ///< when it said something last
  std::int64_t cpu_at = 0;   ///< when its group's processor time is looked at next
  int group = -1;
  bool in_group = false;  ///< from its beginning
  job_ending ending;
};
supervisor my;  // NOLINT: a process of its own
volatile sig_atomic_t told = 0;
void note_told(int) { told = 1; }

// The log -----------------------------------------------------------------------------------------------------------

void open_piece() {
  if (my.piece >= 0) close(my.piece);
  char name[4 + log_name_digits + 1] = "log.";
  put_hex(name + 4, my.offset);
  name[4 + log_name_digits] = '\0';
  my.piece = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  my.piece_start = my.offset;
  if (my.piece_count == my.kept_pieces) {
    char oldest[4 + log_name_digits + 1] = "log.";
    put_hex(oldest + 4, my.pieces[my.first_piece]);
    oldest[4 + log_name_digits] = '\0';
    unlink(oldest);
    my.first_piece = (my.first_piece + 1) % (most_pieces + 1);
    --my.piece_count;
  }
  if (my.piece < 0) return;
  my.pieces[(my.first_piece + my.piece_count) % (most_pieces + 1)] = my.offset;
  ++my.piece_count;
}

void flush_log() {
  if (my.out_size == 0) return;
  if (my.piece < 0 || my.offset - my.piece_start >= my.piece_bytes) open_piece();
  if (my.piece >= 0 && write_all(my.piece, my.out, my.out_size)) {
    my.offset += my.out_size;
  } else {
    // What was written in part is cut off: the next frame begins at its offset.
    if (my.piece >= 0 && ftruncate(my.piece, static_cast<off_t>(my.offset - my.piece_start)) != 0) my.piece = -1;
    my.lost += my.out_size;
  }
  my.out_size = 0;
}

/// `continues` as in job_log_frame.
void put_frame(std::uint8_t stream, const char* text, std::size_t size, std::uint8_t continues, std::int64_t at) {
  if (my.out_size + sizeof(job_log_frame) + size > out_bytes) flush_log();
  job_log_frame head;
  head.stream = stream;
  head.continues = continues;
  head.size = static_cast<std::uint32_t>(size);
  head.at_us = at;
  std::memcpy(my.out + my.out_size, &head, sizeof head);
  std::memcpy(my.out + my.out_size + sizeof head, text, size);
  my.out_size += sizeof head + size;
}

// Records -----------------------------------------------------------------------------------------------------------

template <class Record>
bool put_record(Record& what, std::size_t at) {
  what.check = sum_of(what);
  return pwrite(my.file, &what, sizeof what, static_cast<off_t>(at)) == static_cast<ssize_t>(sizeof what);
}

// Progress ----------------------------------------------------------------------------------------------------------

bool read_number(const char*& at, const char* end, std::uint64_t& out) {
  if (at == end || *at < '0' || *at > '9') return false;
  out = 0;
  for (; at != end && *at >= '0' && *at <= '9'; ++at) {
    if (out > 100'000'000'000'000'000ULL) return false;
    out = out * 10 + static_cast<std::uint64_t>(*at - '0');
  }
  return true;
}

/// `::progress 5000/10000 text`
void read_progress(const char* at, std::size_t size) {
  static constexpr char word[] = "::progress ";
  if (size < sizeof word - 1 || std::memcmp(at, word, sizeof word - 1) != 0) return;
  const char* end = at + size;
  at += sizeof word - 1;
  std::uint64_t done = 0, total = 0;
  if (!read_number(at, end, done)) return;
  if (at != end && *at == '/') {
    ++at;
    if (!read_number(at, end, total)) return;
  }
  if (at != end && *at != ' ') return;
  if (done < my.progress.done) return;
  while (at != end && *at == ' ') ++at;
  my.progress.done = done;
  my.progress.total = total;
  my.progress.text.fill('\0');
  auto length = static_cast<std::size_t>(end - at);
  if (length > my.progress.text.size() - 1) length = my.progress.text.size() - 1;
  std::memcpy(my.progress.text.data(), at, length);
  my.progress_waits = true;
}

void write_progress(bool now) {
  if (!my.progress_waits) return;
  const auto at = now_us(CLOCK_MONOTONIC);
  if (!now && at - my.progress_at < progress_pause_us) return;
  my.progress_at = at;
  my.progress_waits = false;
  put_record(my.progress, offsetof(job_head, progress));
}

// Lines ---------------------------------------------------------------------------------------------------------------

void take_lines(supervisor::stream& from, std::size_t fresh, std::int64_t at) {
  const char* begin = from.buffer;
  const char* end = from.buffer + from.kept + fresh;
  const char* scan = from.buffer + from.kept;
  while (const auto* found = static_cast<const char*>(std::memchr(scan, '\n', static_cast<std::size_t>(end - scan)))) {
    auto size = static_cast<std::size_t>(found - begin);
    if (from.number == 1 && !from.within_line && *begin == ':') read_progress(begin, size);
    for (; size > line_bytes; size -= line_bytes, begin += line_bytes) put_frame(from.number, begin, line_bytes, 1, at);
    put_frame(from.number, begin, size, 0, at);
    from.within_line = false;
    begin = scan = found + 1;
  }
  for (; static_cast<std::size_t>(end - begin) >= line_bytes; begin += line_bytes) {
    put_frame(from.number, begin, line_bytes, 1, at);
    from.within_line = true;
  }
  from.kept = static_cast<std::size_t>(end - begin);
  if (from.kept > 0 && begin != from.buffer) std::memmove(from.buffer, begin, from.kept);
  from.since_us = now_us(CLOCK_MONOTONIC);
}

/// What is kept of a line goes out: it may be a question, or the end.
void put_rest(supervisor::stream& from, bool goes_on) {
  if (from.kept == 0) return;
  put_frame(from.number, from.buffer, from.kept, goes_on ? 1 : 2, now_us(CLOCK_REALTIME));
  from.within_line = goes_on;
  from.kept = 0;
}

void drain(supervisor::stream& from) {
  for (int turn = 0; turn < 64 && from.pipe >= 0; ++turn) {
    const auto got = read(from.pipe, from.buffer + from.kept, sizeof from.buffer - from.kept);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      put_rest(from, false);
      close(from.pipe);
      from.pipe = -1;
      return;
    }
    my.word_at = now_us(CLOCK_BOOTTIME);
    take_lines(from, static_cast<std::size_t>(got), now_us(CLOCK_REALTIME));
  }
}

// The program ---------------------------------------------------------------------------------------------------------

[[noreturn]] void give_up(int report, launch_failure::stage at, int error) {
  const launch_failure why{at, error};
  write_all(report, &why, sizeof why);
  _exit(127);
}

void limit(int which, std::uint64_t to) {
  if (to == 0) return;
  const rlimit both{to, to};
  setrlimit(which, &both);
}

[[noreturn]] void become_program(int input, int output, int error, int report, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  setsid();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(error, 2) < 0) give_up(report, launch_failure::stage::resources, errno);
  if (syscall(SYS_close_range, 3U, ~0U, static_cast<unsigned>(CLOSE_RANGE_CLOEXEC)) != 0) {
    for (int fd = 3; fd < 1024; ++fd) fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  if (my.group >= 0 && !my.in_group && !enter_job_cgroup(my.group)) give_up(report, launch_failure::stage::resources, errno);
  if (chdir(*my.directory != '\0' ? my.directory : "work") != 0) give_up(report, launch_failure::stage::directory, errno);
  if ((my.ending.limited & limits_memory) == 0) limit(RLIMIT_AS, my.request->memory_bytes);
  limit(RLIMIT_CPU, my.request->cpu_seconds);
  limit(RLIMIT_NOFILE, my.request->open_files);
  limit(RLIMIT_FSIZE, my.request->file_bytes);
  int why = ENOENT;
  for (char** path = my.candidates; *path != nullptr; ++path) {
    execve(*path, my.arguments, my.environment);
    if (errno == EACCES) why = EACCES;
    if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) give_up(report, launch_failure::stage::exec, errno);
  }
  give_up(report, launch_failure::stage::exec, why);
}

void not_started(launch_failure::stage at, int error) {
  my.ending.how = job_exit::not_started;
  my.ending.stage = static_cast<std::int32_t>(at);
  my.ending.code = error;
  my.over = true;
}

void started_program(pid_t child, int input, const int (&output)[2], const int (&error)[2], const int (&report)[2]) {
  // What it was given may hold secrets, and nobody needs it again.
  if (my.request->has_input != 0) unlink("input");
  if (ftruncate(my.file, static_cast<off_t>(my.kept_size)) != 0) { /* it then stays there as long as the job's folder */
  }
  close(input);
  close(output[1]);
  close(error[1]);
  close(report[1]);
  for (const int fd : {output[0], error[0], report[0]}) fcntl(fd, F_SETFL, O_NONBLOCK);
  my.child = child;
  my.child_ended = static_cast<int>(syscall(SYS_pidfd_open, child, 0U));
  my.streams[0].pipe = output[0];
  my.streams[1].pipe = error[0];
  my.report = report[0];
  my.word_at = now_us(CLOCK_BOOTTIME);
  if (my.request->wall_ms > 0) my.end_at = my.word_at + my.request->wall_ms * 1'000;
  if (my.group >= 0 && my.request->cpu_seconds > 0) my.cpu_at = my.word_at + cpu_pause_us;
}

/// The streams' numbers 0 to 2 are taken, so that no pipe has one of them.
void start_program() {
  int output[2], error[2], report[2];
  const int input = open(my.request->has_input != 0 ? "input" : "/dev/null", O_RDONLY | O_CLOEXEC);
  if (input < 0 || pipe2(output, O_CLOEXEC) != 0 || pipe2(error, O_CLOEXEC) != 0 || pipe2(report, O_CLOEXEC) != 0) {
    return not_started(launch_failure::stage::resources, errno);
  }
  if (*my.cgroups != '\0') {
    my.group = open_job_cgroup(my.cgroups, my.id, my.request->memory_bytes, my.request->processes, my.ending.limited);
    my.ending.grouped = my.group >= 0 ? 1 : 0;
  }
  const pid_t self = getpid();
  if (my.group >= 0) {
    const pid_t inside = fork_into_cgroup(my.group);
    my.in_group = inside >= 0;
    if (inside == 0) become_program(input, output[1], error[1], report[1], self);
    if (inside > 0) return started_program(inside, input, output, error, report);
  }
  // It only makes system calls until it is another program: no need of a copy of this one's memory.
  const pid_t child = vfork();
  if (child < 0) return not_started(launch_failure::stage::resources, errno);
  if (child == 0) become_program(input, output[1], error[1], report[1], self);
  started_program(child, input, output, error, report);
}

void ask_to_end() {
  if (my.kill_at != 0 || my.reaped) return;
  my.kill_at = now_us(CLOCK_BOOTTIME) + my.request->grace_ms * 1'000;
  if (my.kill_at == 0) my.kill_at = 1;
  kill(-my.child, SIGTERM);
  kill(my.child, SIGTERM);
}

void over_time(std::uint32_t why) {
  my.ending.overtime = why;
  ask_to_end();
}

/// Its time, its silence, and the processor time of all its processes.
void look_at_limits() {
  if (my.kill_at != 0) return;
  const auto now = now_us(CLOCK_BOOTTIME);
  if (my.end_at != 0 && now >= my.end_at) return over_time(1);
  if (my.request->silent_ms > 0 && now - my.word_at >= my.request->silent_ms * 1'000) return over_time(2);
  if (my.cpu_at == 0 || now < my.cpu_at) return;
  my.cpu_at = now + cpu_pause_us;
  if (read_cgroup_number(my.group, "cpu.stat", "usage_usec") >= my.request->cpu_seconds * 1'000'000) over_time(3);
}

/// What is left of its group has no business any more.
void end_group() {
  if (my.group < 0) return;
  my.ending.killed_for_memory = read_cgroup_number(my.group, "memory.events", "oom_kill");
  const auto most = static_cast<std::int64_t>(read_cgroup_number(my.group, "memory.peak"));
  if (most > 0) my.ending.most_memory_bytes = most;
  kill_job_cgroup(my.group);
}

void look_for_end() {
  siginfo_t how{};
  if (waitid(P_PID, static_cast<id_t>(my.child), &how, WEXITED | WNOHANG | WNOWAIT) != 0 || how.si_pid == 0) return;
  kill(-my.child, SIGKILL);  // its number is still its own
  end_group();
  my.ending.how = how.si_code == CLD_EXITED ? job_exit::exited : job_exit::signalled;
  my.ending.code = how.si_status;
  rusage used{};
  while (wait4(my.child, nullptr, 0, &used) < 0 && errno == EINTR) {
  }
  my.ending.user_us = static_cast<std::int64_t>(used.ru_utime.tv_sec) * 1'000'000 + used.ru_utime.tv_usec;
  my.ending.system_us = static_cast<std::int64_t>(used.ru_stime.tv_sec) * 1'000'000 + used.ru_stime.tv_usec;
  my.ending.most_memory_bytes = static_cast<std::int64_t>(used.ru_maxrss) * 1'024;
  my.ending.ended_us = now_us(CLOCK_REALTIME);
  my.reaped = true;
  my.drain_until = now_us(CLOCK_BOOTTIME) + drain_us;
  if (my.child_ended >= 0) close(my.child_ended);
  my.child_ended = -1;
}

void look_for_report() {
  launch_failure why;
  const auto got = read(my.report, &why, sizeof why);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got == static_cast<ssize_t>(sizeof why)) {
    my.launch_failed = true;
    my.failed = why;
  }
  close(my.report);
  my.report = -1;
}

int time_left() {
  auto next = std::int64_t{-1};
  const auto by = [&](std::int64_t at) {
    if (at != 0 && (next < 0 || at < next)) next = at;
  };
  const auto now = now_us(CLOCK_BOOTTIME);
  if (!my.reaped) {
    by(my.end_at);
    by(my.kill_at);
    by(my.cpu_at);
    if (my.request->silent_ms > 0 && my.kill_at == 0) by(my.word_at + my.request->silent_ms * 1'000);
    if (my.child_ended < 0) by(now + 20'000);
  } else {
    by(my.drain_until);
  }
  if (my.progress_waits) by(now + progress_pause_us);
  for (const auto& each : my.streams) {
    if (each.kept > 0) by(now + line_pause_ms * 1'000);
  }
  if (next < 0) return -1;
  const auto left = (next - now) / 1'000 + 1;
  return left < 0 ? 0 : left > 60'000 ? 60'000 : static_cast<int>(left);
}

void go_on(const sigset_t& while_waiting) {
  while (!my.over) {
    pollfd waiting[4];
    nfds_t count = 0;
    for (const int fd : {my.streams[0].pipe, my.streams[1].pipe, my.report, my.child_ended}) {
      if (fd >= 0) waiting[count++] = {fd, POLLIN, 0};
    }
    const int left = time_left();
    const timespec pause{left / 1'000, (left % 1'000) * 1'000'000L};
    ppoll(waiting, count, left < 0 ? nullptr : &pause, &while_waiting);
    if (my.report >= 0) look_for_report();
    for (auto& each : my.streams) {
      if (each.pipe >= 0) drain(each);
      if (each.kept > 0 && now_us(CLOCK_MONOTONIC) - each.since_us >= line_pause_ms * 1'000) put_rest(each, true);
    }
    flush_log();
    write_progress(false);
    if (!my.reaped) {
      if (told != 0 || my.kill_at == 0) {
        told = 0;
        if (my.kill_at == 0 && faccessat(AT_FDCWD, "cancel", F_OK, 0) == 0) {
          my.ending.asked = 1;
          ask_to_end();
        }
      }
      look_at_limits();
      if (my.kill_at != 0 && now_us(CLOCK_BOOTTIME) >= my.kill_at) {
        kill(-my.child, SIGKILL);
        kill(my.child, SIGKILL);
        if (my.group >= 0) kill_job_cgroup(my.group);
        my.kill_at = now_us(CLOCK_BOOTTIME) + 1'000'000;
      }
      look_for_end();
    }
    const bool drained = my.streams[0].pipe < 0 && my.streams[1].pipe < 0;
    if (my.reaped && my.report < 0 && (drained || now_us(CLOCK_BOOTTIME) >= my.drain_until)) my.over = true;
  }
}

// The job's folder --------------------------------------------------------------------------------------------------

bool load_request() {
  struct stat what {};
  if (fstat(my.file, &what) != 0 || what.st_size < static_cast<off_t>(sizeof(job_head))) return false;
  const auto size = static_cast<std::size_t>(what.st_size);
  auto* bytes = static_cast<char*>(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (bytes == MAP_FAILED || read_all(my.file, bytes, size) != size) return false;
  const auto* head = reinterpret_cast<const job_head*>(bytes);
  if (!is_there(head->request) || is_there(head->started) || is_there(head->ending) || bytes[size - 1] != '\0') return false;
  my.request = &reinterpret_cast<job_head*>(bytes)->request;
  const auto pointers = std::size_t{my.request->candidates} + my.request->arguments + my.request->environment + 3;
  auto** at =
      static_cast<char**>(mmap(nullptr, pointers * sizeof(char*), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (at == MAP_FAILED) return false;
  my.kept_size = sizeof(job_head) + my.request->kept_bytes + 1;
  if (my.kept_size > size) return false;
  char* text = bytes + my.kept_size;
  const char* end = bytes + size;
  const auto take = [&](char**& list, std::uint32_t count) {
    list = at;
    for (std::uint32_t i = 0; i < count; ++i) {
      if (text >= end) return false;
      *at++ = text;
      text += std::strlen(text) + 1;
    }
    *at++ = nullptr;
    return true;
  };
  const bool all = take(my.candidates, my.request->candidates) && take(my.arguments, my.request->arguments) &&
                   take(my.environment, my.request->environment);
  if (!all || text >= end) return false;
  my.cgroups = text;
  my.directory = text + std::strlen(text) + 1;
  if (my.directory >= end) return false;
  if (my.request->log_bytes > 0 && my.request->log_bytes < limits::job_log_bytes) {
    my.piece_bytes = my.request->log_bytes / 4 < least_piece_bytes ? least_piece_bytes : my.request->log_bytes / 4;
    if (my.piece_bytes > limits::job_log_piece_bytes) my.piece_bytes = limits::job_log_piece_bytes;
    const auto pieces = static_cast<std::size_t>(my.request->log_bytes / my.piece_bytes);
    my.kept_pieces = pieces < 2 ? 2 : pieces > most_pieces ? most_pieces : pieces;
  }
  return true;
}

/// Who has the lock has the job, if nobody had it before: its folder may have been asked for twice.
bool claim() {
  my.file = open("job", O_RDWR | O_CLOEXEC);
  return my.file >= 0 && flock(my.file, LOCK_EX | LOCK_NB) == 0 && load_request();
}

bool say_who() {
  job_started mine;
  mine.pid = getpid();
  char stat[1'024];
  process_facts facts;
  if (!read_facts(stat, read_file("/proc/self/stat", stat, sizeof stat), facts)) return false;
  mine.start = facts.start;
  read_file("/proc/sys/kernel/random/boot_id", mine.boot.data(), mine.boot.size() - 1);
  mine.at_us = now_us(CLOCK_REALTIME);
  my.ending.started_us = mine.at_us;
  return put_record(mine, offsetof(job_head, started));
}

bool write_ending() { return put_record(my.ending, offsetof(job_head, ending)) && fdatasync(my.file) == 0; }

void leave_ending(const char* id) {
  my.ending.lost_log_bytes = my.lost;
  for (int tries = 0; !write_ending(); ++tries) {
    if (tries == ending_tries) return;
    const timespec pause{1, 0};
    nanosleep(&pause, nullptr);
  }
  char news[16 + job_id_size] = "../ended/";
  std::memcpy(news + 9, id, job_id_size);
  news[9 + job_id_size] = '\0';
  // One of an earlier job of that key may be there yet; the file itself is no matter.
  if (link("job", news) != 0 && errno == EEXIST && unlink(news) == 0 && link("job", news) != 0) return;
}

}  // namespace

void supervise_job(int root, const char* id) {
  setsid();
  prctl(PR_SET_NAME, "perdure-job");
  struct sigaction on_told {};
  on_told.sa_handler = note_told;
  sigset_t all, while_waiting;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  sigaction(SIGUSR1, &on_told, nullptr);
  struct sigaction by_default {};
  by_default.sa_handler = SIG_DFL;
  sigaction(SIGCHLD, &by_default, nullptr);
  sigfillset(&while_waiting);
  sigdelset(&while_waiting, SIGUSR1);

  char folder[job_id_size + 1];
  std::memcpy(folder, id, job_id_size);
  folder[job_id_size] = '\0';
  const int here = openat(root, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (here < 0 || fchdir(here) != 0) _exit(1);
  close(here);
  if (!claim() || !say_who()) _exit(0);
  my.id = folder;
  my.streams[0].number = 1;
  my.streams[1].number = 2;
  if (faccessat(AT_FDCWD, "cancel", F_OK, 0) == 0) {
    my.ending.asked = 1;
    my.ending.how = job_exit::signalled;
    my.ending.code = SIGTERM;
  } else {
    start_program();
    go_on(while_waiting);
  }
  if (my.launch_failed) not_started(my.failed.at, my.failed.error);
  for (auto& each : my.streams) put_rest(each, false);
  flush_log();
  write_progress(true);
  if (my.ending.ended_us == 0) my.ending.ended_us = now_us(CLOCK_REALTIME);
  if (my.group >= 0) remove_job_cgroup(my.group, my.cgroups, folder);
  leave_ending(folder);
  _exit(0);
}

}  // namespace perdure::actors
