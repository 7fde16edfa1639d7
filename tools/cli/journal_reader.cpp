#include "tools/cli/journal_reader.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "persistence/lmdb/damaged_page.hpp"

namespace perdure::tools::cli {

namespace {
constexpr int damaged_page = 86;  ///< no exit code of a command
}

std::string damaged_file(const std::filesystem::path& data) {
  return "a page of " + (data / "journal.mdb").string() +
         " is damaged, or the file is cut off: what lies behind it cannot be read. Restore the directory from a copy; a disk "
         "that "
         "damages files should be replaced";
}

int read_apart(const common_options& how, const std::function<int()>& read) {
  return read_apart(read, [&] { return fail(how, {errc::corrupt, damaged_file(how.data)}); });
}

int read_apart(const std::function<int()>& read, const std::function<int()>& damaged) {
  const auto parent = ::getpid();
  const auto child = ::fork();
  if (child < 0) return read();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(exit_failed);
    persistence::exit_on_damaged_page(damaged_page);
    std::signal(SIGBUS, [](int) { ::_exit(damaged_page); });
    std::signal(SIGSEGV, [](int) { ::_exit(damaged_page); });
    return read();
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) != damaged_page) return WEXITSTATUS(status);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE) return exit_fine;  // its reader went away: all that it wanted is there
  const bool stopped =
      WIFSIGNALED(status) && (WTERMSIG(status) == SIGINT || WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGKILL);
  if (stopped) return exit_failed;
  return damaged();
}

}  // namespace perdure::tools::cli
