#include "persistence/lmdb/directory_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>

#include "persistence/lmdb/file_error.hpp"

namespace perdure::persistence {

namespace {
constexpr int tries = 10;
constexpr std::chrono::milliseconds between_tries{20};
}  // namespace

result<directory_lock> directory_lock::take(const std::filesystem::path& directory) {
  const auto path = directory / "lock";
  file_descriptor file{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  if (!file) return file_error("cannot open", path, errno);
  for (int left = tries; ::flock(file.get(), LOCK_EX | LOCK_NB) != 0; std::this_thread::sleep_for(between_tries)) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return error{errc::io_error, "cannot lock " + path.string() + ": " + std::strerror(errno)};
    if (--left > 0) continue;
    char holder[32] = {};
    const auto size = ::pread(file.get(), holder, sizeof holder - 1, 0);
    std::string name{holder, size > 0 ? static_cast<std::size_t>(size) : 0};
    while (!name.empty() && name.back() == '\n') name.pop_back();
    return error{errc::locked, directory.string() + " is held by " + (name.empty() ? "another process" : "process " + name)};
  }
  return directory_lock{std::move(file)};
}

void directory_lock::sign() const {
  const auto pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(file_.get(), 0) != 0 || ::pwrite(file_.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    // The lock is what counts; a full disk must not keep anybody out of his directory.
  }
}

}  // namespace perdure::persistence
