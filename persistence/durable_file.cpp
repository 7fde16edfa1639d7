#include "persistence/durable_file.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "persistence/file_descriptor.hpp"

namespace perdure::persistence {

namespace {

namespace fs = std::filesystem;

error system_error(int code, std::string_view doing, const fs::path& path) {
  const bool full = code == ENOSPC || code == EDQUOT;
  return {full ? errc::disk_full : errc::io_error, std::string{doing} + " " + path.string() + ": " + std::strerror(code)};
}

/// A name that no other process and no other call of this one uses.
fs::path temporary_of(const fs::path& path) {
  static std::atomic<std::uint64_t> next{1};
  return fs::path{path} += "." + std::to_string(::getpid()) + "-" + std::to_string(next++) + ".new";
}

result<void> write_synced(const fs::path& path, std::string_view text) {
  ::unlink(path.c_str());  // of an earlier process with this number
  const file_descriptor file{::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!file) return system_error(errno, "cannot make", path);
  while (!text.empty()) {
    const auto written = ::write(file.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error(errno, "cannot write", path);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(file.get()) != 0) return system_error(errno, "cannot sync", path);
  return {};
}

/// Empty when there is no such file.
result<std::string> read_key(const fs::path& path, std::size_t bytes) {
  const file_descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file && errno == ENOENT) return std::string{};
  if (!file) return system_error(errno, "cannot open", path);
  std::string out(bytes + 1, '\0');
  std::size_t size = 0;
  while (size < out.size()) {
    const auto got = ::read(file.get(), out.data() + size, out.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(errno, "cannot read", path);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size != bytes) return error{errc::corrupt, path.string() + ": is no key of " + std::to_string(bytes) + " bytes"};
  out.resize(size);
  return out;
}

}  // namespace

result<std::string> random_key(std::size_t bytes) {
  std::string out(bytes, '\0');
  if (::getrandom(out.data(), out.size(), 0) != static_cast<ssize_t>(out.size()))
    return error{errc::io_error, std::string{"no random bytes: "} + std::strerror(errno)};
  return out;
}

result<void> sync_folder(const fs::path& path) {
  const file_descriptor folder{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!folder || ::fsync(folder.get()) != 0) return system_error(errno, "cannot sync", path);
  return {};
}

result<void> make_folder(const fs::path& path) {
  if (::mkdir(path.c_str(), 0700) == 0) return sync_folder(path.parent_path().empty() ? fs::path{"."} : path.parent_path());
  if (errno == EEXIST) return {};
  if (errno != ENOENT || path.parent_path().empty() || path.parent_path() == path)
    return system_error(errno, "cannot make", path);
  if (auto above = make_folder(path.parent_path()); !above) return above;
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return system_error(errno, "cannot make", path);
  return sync_folder(path.parent_path());
}

result<void> put_file(const fs::path& path, std::string_view text) {
  const auto fresh = temporary_of(path);
  auto written = write_synced(fresh, text);
  if (written && ::rename(fresh.c_str(), path.c_str()) != 0) written = system_error(errno, "cannot rename", fresh);
  if (!written) {
    ::unlink(fresh.c_str());
    return written;
  }
  return sync_folder(path.parent_path());
}

result<std::string> key_file(const fs::path& path, std::size_t bytes) {
  for (int tries = 0; tries < 2; ++tries) {
    auto there = read_key(path, bytes);
    if (!there || !there->empty()) return there;
    const auto key = random_key(bytes);
    if (!key) return key;
    if (auto made = make_folder(path.parent_path()); !made) return made.error();
    // Linked, not renamed: it must not take the place of one that somebody uses already.
    const auto fresh = temporary_of(path);
    auto written = write_synced(fresh, *key);
    if (written && ::link(fresh.c_str(), path.c_str()) != 0 && errno != EEXIST)
      written = system_error(errno, "cannot make", path);
    ::unlink(fresh.c_str());
    if (!written) return written.error();
    if (auto synced = sync_folder(path.parent_path()); !synced) return synced.error();
  }
  return error{errc::io_error, path.string() + ": cannot be read"};
}

}  // namespace perdure::persistence
