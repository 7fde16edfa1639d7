#include "persistence/blobs.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "perdure/limits.hpp"
#include "persistence/durable_file.hpp"
#include "persistence/file_descriptor.hpp"

namespace perdure::persistence {

namespace {

namespace fs = std::filesystem;

error system_error(int code, std::string_view doing, const fs::path& path) {
  const bool full = code == ENOSPC || code == EDQUOT;
  return {full ? errc::disk_full : errc::io_error, std::string{doing} + " " + path.string() + ": " + std::strerror(code)};
}

result<payload> check(std::string text, const core::digest& hash) {
  if (core::sha256({text}) != hash) return error{errc::corrupt, "blob " + core::to_hex(hash) + " is damaged"};
  return payload::trusted(std::move(text));
}

/// From now on it counts as just put.
bool is_there(const fs::path& path, std::size_t size) {
  struct stat known {};
  return ::stat(path.c_str(), &known) == 0 && known.st_size == static_cast<off_t>(size) &&
         ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0) == 0;
}

bool is_older(const fs::path& path, duration age) {
  struct stat known {};
  if (::stat(path.c_str(), &known) != 0) return false;
  const auto touched = std::chrono::seconds{known.st_mtim.tv_sec} + std::chrono::nanoseconds{known.st_mtim.tv_nsec};
  return std::chrono::system_clock::now().time_since_epoch() - touched >= age;
}

/// The digest whose hexadecimal digits these are.
std::optional<core::digest> digest_of(std::string_view name) {
  core::digest hash{};
  if (name.size() != 2 * hash.size()) return std::nullopt;
  for (std::size_t i = 0; i < hash.size(); ++i) {
    const auto* digits = name.data() + 2 * i;
    if (std::from_chars(digits, digits + 2, hash[i], 16).ptr != digits + 2) return std::nullopt;
  }
  return hash;
}

std::optional<error> check_size(std::string_view text) {
  if (text.size() <= limits::payload_bytes) return std::nullopt;
  return error{errc::payload_too_large, "a payload of " + std::to_string(text.size()) + " bytes; the limit payload_bytes is " +
                                            std::to_string(limits::payload_bytes)};
}

}  // namespace

file_blobs::file_blobs(std::filesystem::path directory, bool read_only)
    : directory_(std::move(directory)), read_only_(read_only) {
  if (!read_only_) sweep();
}

fs::path file_blobs::path_of(const core::digest& hash) const {
  const auto name = core::to_hex(hash);
  return directory_ / name.substr(0, 2) / name.substr(2);
}

result<core::digest> file_blobs::put(std::string_view text) {
  if (read_only_) return error{errc::unsupported, "the journal is open for reading only"};
  if (auto too_large = check_size(text)) return *too_large;
  const auto hash = core::sha256({text});
  const auto path = path_of(hash);
  if (const std::lock_guard removing{removing_}; is_there(path, text.size())) {
    // Whoever wrote it may not have come to its last step yet.
    if (auto synced = sync_folder(path.parent_path()); !synced) return synced.error();
    return hash;
  }
  if (auto made = make_folder(path.parent_path()); !made) return made.error();
  if (auto written = put_file(path, text); !written) return written.error();
  return hash;
}

result<payload> file_blobs::get(const core::digest& hash) {
  const auto path = path_of(hash);
  const file_descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file && errno == ENOENT) return error{errc::not_found, "there is no blob " + core::to_hex(hash)};
  struct stat known {};
  if (!file || ::fstat(file.get(), &known) != 0) return system_error(errno, "cannot open", path);
  if (known.st_size < 0 || static_cast<std::size_t>(known.st_size) > limits::payload_bytes) {
    return error{errc::corrupt, "blob " + core::to_hex(hash) + " has an impossible size"};
  }
  std::string text(static_cast<std::size_t>(known.st_size), '\0');
  for (std::size_t at = 0; at < text.size();) {
    const auto got = ::read(file.get(), text.data() + at, text.size() - at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(errno, "cannot read", path);
    if (got == 0) text.resize(at);
    at += static_cast<std::size_t>(got);
  }
  return check(std::move(text), hash);
}

/// Names with a dot are temporary files of a process that ended before it could rename them.
void file_blobs::sweep() const {
  std::error_code ignored;
  for (const auto& folder : fs::directory_iterator{directory_, ignored}) {
    for (const auto& file : fs::directory_iterator{folder.path(), ignored}) {
      if (file.path().filename().string().find('.') != std::string::npos) fs::remove(file.path(), ignored);
    }
  }
}

std::vector<core::digest> file_blobs::untouched_for(duration age) {
  std::vector<core::digest> found;
  std::error_code ignored;
  for (const auto& folder : fs::directory_iterator{directory_, ignored}) {
    for (const auto& file : fs::directory_iterator{folder.path(), ignored}) {
      const auto hash = digest_of(folder.path().filename().string() + file.path().filename().string());
      if (hash && is_older(file.path(), age)) found.push_back(*hash);
    }
  }
  return found;
}

bool file_blobs::remove(const core::digest& hash, duration age) {
  if (read_only_) return false;
  const auto path = path_of(hash);
  const std::lock_guard removing{removing_};
  return is_older(path, age) && ::unlink(path.c_str()) == 0;
}

void file_blobs::touch(const core::digest& hash) {
  if (!read_only_) ::utimensat(AT_FDCWD, path_of(hash).c_str(), nullptr, 0);
}

result<core::digest> memory_blobs::put(std::string_view text) {
  if (auto too_large = check_size(text)) return *too_large;
  const auto hash = core::sha256({text});
  const std::lock_guard lock{mutex_};
  kept_[hash] = {payload::trusted(std::string{text}), clock::now()};
  return hash;
}

result<payload> memory_blobs::get(const core::digest& hash) {
  const std::lock_guard lock{mutex_};
  const auto at = kept_.find(hash);
  if (at == kept_.end()) return error{errc::not_found, "there is no blob " + core::to_hex(hash)};
  return at->second.text;
}

std::vector<core::digest> memory_blobs::untouched_for(duration age) {
  const std::lock_guard lock{mutex_};
  std::vector<core::digest> found;
  for (const auto& [hash, blob] : kept_) {
    if (clock::now() - blob.touched >= age) found.push_back(hash);
  }
  return found;
}

bool memory_blobs::remove(const core::digest& hash, duration age) {
  const std::lock_guard lock{mutex_};
  const auto at = kept_.find(hash);
  if (at == kept_.end() || clock::now() - at->second.touched < age) return false;
  kept_.erase(at);
  return true;
}

void memory_blobs::touch(const core::digest& hash) {
  const std::lock_guard lock{mutex_};
  if (const auto at = kept_.find(hash); at != kept_.end()) at->second.touched = clock::now();
}

}  // namespace perdure::persistence
