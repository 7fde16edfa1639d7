#include "actors/backends/beneath.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace perdure::actors {

namespace {

error refused(const std::string& name, const std::string& why) { return {errc::invalid_argument, "\"" + name + "\" " + why}; }

/// Part by part, for kernels without openat2: no part may be a link.
int open_by_parts(int folder, const std::string& name, int flags, mode_t mode) {
  unique_fd here{fcntl(folder, F_DUPFD_CLOEXEC, 3)};
  std::size_t at = 0;
  for (std::size_t slash = name.find('/'); here && slash != std::string::npos; at = slash + 1, slash = name.find('/', at)) {
    here = unique_fd{openat(here.get(), name.substr(at, slash - at).c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
  }
  return here ? openat(here.get(), name.substr(at).c_str(), flags | O_NOFOLLOW, mode) : -1;
}

int open_in(int folder, const std::string& name, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const auto got = syscall(SYS_openat2, folder, name.c_str(), &how, sizeof how);
  if (got >= 0 || (errno != ENOSYS && errno != EPERM)) return static_cast<int>(got);
  return open_by_parts(folder, name, flags, mode);
}

error why_not(const std::string& name) {
  if (errno == ENOENT || errno == ENOTDIR) return {errc::not_found, "there is no file \"" + name + "\""};
  if (errno == ELOOP || errno == EXDEV) return refused(name, "leads out of the job's folder, or through a symbolic link");
  if (errno == ENXIO || errno == EISDIR) return refused(name, "is not a regular file");
  if (errno == EEXIST) return refused(name, "is there already");
  if (errno == ENOSPC) return {errc::disk_full, "\"" + name + "\": no room"};
  return {errc::io_error, "\"" + name + "\": " + std::strerror(errno)};
}

}  // namespace

bool is_plain_name(const std::string& name) {
  if (name.empty() || name.size() > 4'096 || name.find('\0') != std::string::npos) return false;
  for (std::size_t at = 0; at <= name.size();) {
    auto end = name.find('/', at);
    if (end == std::string::npos) end = name.size();
    const auto part = name.substr(at, end - at);
    if (part.empty() || part == "." || part == "..") return false;
    at = end + 1;
  }
  return true;
}

result<unique_fd> open_beneath(int folder, const std::string& name) {
  if (!is_plain_name(name)) return refused(name, "is not the name of a file beneath the job's folder");
  // A pipe without a writer would hold up the reader.
  unique_fd file{open_in(folder, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0)};
  if (!file) return why_not(name);
  struct stat what {};
  if (fstat(file.get(), &what) != 0) return why_not(name);
  if (!S_ISREG(what.st_mode)) return refused(name, "is not a regular file");
  return file;
}

result<unique_fd> create_beneath(int folder, const std::string& name) {
  if (!is_plain_name(name)) return refused(name, "is not the name of a file beneath the job's folder");
  unique_fd here{fcntl(folder, F_DUPFD_CLOEXEC, 3)};
  std::size_t at = 0;
  for (std::size_t slash = name.find('/'); here && slash != std::string::npos; at = slash + 1, slash = name.find('/', at)) {
    const auto part = name.substr(at, slash - at);
    if (mkdirat(here.get(), part.c_str(), 0700) != 0 && errno != EEXIST) return why_not(name);
    here = unique_fd{openat(here.get(), part.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
  }
  if (!here) return why_not(name);
  unique_fd file{openat(here.get(), name.substr(at).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
  if (!file) return why_not(name);
  return file;
}

}  // namespace perdure::actors
