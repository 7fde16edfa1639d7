#include "persistence/lmdb/file_error.hpp"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace perdure::persistence {

namespace {

std::string user_name(uid_t user) {
  std::array<char, 4096> room{};
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(user, &entry, room.data(), room.size(), &found) == 0 && found != nullptr) return found->pw_name;
  return "user " + std::to_string(user);
}

}  // namespace

std::string owner_of(const std::filesystem::path& path, int errno_code) {
  if (errno_code != EACCES && errno_code != EPERM) return {};
  struct stat known {};
  // What refuses may be a folder on the way there.
  for (auto at = std::filesystem::absolute(path); ::stat(at.c_str(), &known) != 0; at = at.parent_path()) {
    if (at == at.parent_path()) return {};
  }
  if (known.st_uid == ::geteuid()) return {};
  return " (it belongs to " + user_name(known.st_uid) + ", and this process runs as " + user_name(::geteuid()) +
         ": run it as that user, or take another data directory)";
}

error file_error(const std::string& doing, const std::filesystem::path& path, int errno_code) {
  const bool full = errno_code == ENOSPC || errno_code == EDQUOT || errno_code == EFBIG;
  return {full ? errc::disk_full : errc::io_error, doing + " " + path.string() + ": " + std::strerror(errno_code) +
                                                       (full ? "; make room, and try again" : "") + owner_of(path, errno_code)};
}

}  // namespace perdure::persistence
