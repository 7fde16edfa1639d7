#include "actors/capabilities/child.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

namespace perdure::actors {

namespace {

// The paths to try, as execvp would.
std::vector<std::string> candidates_of(const child_program& what) {
  if (what.program.find('/') != std::string::npos) return {what.program};
  std::vector<std::string> out;
  const auto path = what.environment.find("PATH");
  std::string_view rest = path == what.environment.end() ? std::string_view{} : std::string_view{path->second};
  while (!rest.empty()) {
    const auto colon = rest.find(':');
    const auto folder = rest.substr(0, colon);
    // An empty entry means the current directory to a shell; here it means nothing.
    if (!folder.empty()) out.push_back(std::string{folder} + "/" + what.program);
    if (colon == std::string_view::npos) break;
    rest.remove_prefix(colon + 1);
  }
  return out;
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (auto& each : strings) out.push_back(each.data());
  out.push_back(nullptr);
  return out;
}

// All that the forked child needs, as plain pointers.
struct child_side {
  pid_t parent;
  int input, output, error, report;
  int open_limit;
  const char* directory;
  char* const* candidates;
  char* const* arguments;
  char* const* environment;
  const group_reaper* reaper;
};

[[noreturn]] void give_up(const child_side& my, launch_failure::stage at, int error) {
  const launch_failure why{at, error};
  while (write(my.report, &why, sizeof why) < 0 && errno == EINTR) {
  }
  _exit(127);
}

[[noreturn]] void become_program(const child_side& my) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != my.parent) _exit(127);  // the node died before the line above took effect
  setsid();
  my.reaper->tell({group_message::verb::add, static_cast<std::int32_t>(getpid())});

  struct sigaction by_default {};
  by_default.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) sigaction(number, &by_default, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);

  if (dup2(my.input, 0) < 0 || dup2(my.output, 1) < 0 || dup2(my.error, 2) < 0) {
    give_up(my, launch_failure::stage::resources, errno);
  }
  if (syscall(SYS_close_range, 3U, ~0U, static_cast<unsigned>(CLOSE_RANGE_CLOEXEC)) != 0) {
    for (int fd = 3; fd < my.open_limit; ++fd) fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  if (my.directory != nullptr && chdir(my.directory) != 0) give_up(my, launch_failure::stage::directory, errno);

  int error = ENOENT;
  for (char* const* path = my.candidates; *path != nullptr; ++path) {
    execve(*path, my.arguments, my.environment);
    if (errno == EACCES) error = EACCES;  // keep looking, as a shell does, but say this if nothing better is found
    if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) give_up(my, launch_failure::stage::exec, errno);
  }
  give_up(my, launch_failure::stage::exec, error);
}

// Standard input is a file in memory: nobody has to feed it, and a child that does not read it breaks no pipe.
unique_fd open_input(const std::optional<std::string>& input) {
  if (!input) return unique_fd{open("/dev/null", O_RDONLY | O_CLOEXEC)}.above_streams();
  unique_fd file = unique_fd{memfd_create("perdure-input", MFD_CLOEXEC)}.above_streams();
  if (!file) return file;
  std::string_view rest = *input;
  while (!rest.empty()) {
    const auto wrote = write(file.get(), rest.data(), rest.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return {};
    rest.remove_prefix(static_cast<std::size_t>(wrote));
  }
  if (lseek(file.get(), 0, SEEK_SET) != 0) return {};
  return file;
}

struct pipe_ends {
  unique_fd read, write;
};

bool open_pipe(pipe_ends& out) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return false;
  out.read = unique_fd{ends[0]}.above_streams();
  out.write = unique_fd{ends[1]}.above_streams();
  return out.read && out.write && fcntl(out.read.get(), F_SETFL, O_NONBLOCK) == 0;
}

}  // namespace

std::optional<launch_failure> launch(const child_program& what, const group_reaper& reaper, launched_child& out) {
  const auto no_room = [] { return launch_failure{launch_failure::stage::resources, errno}; };
  const unique_fd input = open_input(what.input);
  if (!input) return no_room();
  pipe_ends output, error, report;
  if (!open_pipe(output) || !open_pipe(error) || !open_pipe(report)) return no_room();

  auto candidates = candidates_of(what);
  std::vector<std::string> arguments{what.program};
  arguments.insert(arguments.end(), what.arguments.begin(), what.arguments.end());
  std::vector<std::string> environment;
  for (const auto& [name, value] : what.environment) environment.push_back(name + "=" + value);
  const auto candidate_pointers = pointers_to(candidates);
  const auto argument_pointers = pointers_to(arguments);
  const auto environment_pointers = pointers_to(environment);
  rlimit open_files{};
  getrlimit(RLIMIT_NOFILE, &open_files);

  const child_side side{
      .parent = getpid(),
      .input = input.get(),
      .output = output.write.get(),
      .error = error.write.get(),
      .report = report.write.get(),
      .open_limit = static_cast<int>(open_files.rlim_cur < 1'048'576 ? open_files.rlim_cur : 1'048'576),
      .directory = what.directory ? what.directory->c_str() : nullptr,
      .candidates = candidate_pointers.data(),
      .arguments = argument_pointers.data(),
      .environment = environment_pointers.data(),
      .reaper = &reaper,
  };
  const pid_t child = fork();
  if (child < 0) return no_room();
  if (child == 0) become_program(side);

  out.pid = child;
  out.ended = unique_fd{static_cast<int>(syscall(SYS_pidfd_open, child, 0U))};
  out.output = std::move(output.read);
  out.error = std::move(error.read);
  out.report = std::move(report.read);
  return std::nullopt;
}

}  // namespace perdure::actors
