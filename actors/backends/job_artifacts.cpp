#include "actors/backends/job_artifacts.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "actors/backends/beneath.hpp"
#include "core/hashing.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

namespace {

constexpr int most_depth = 64;
constexpr std::size_t most_entries = 1'000'000;
constexpr std::size_t hashed_at_once = 1U << 20;
constexpr std::int64_t settled_ns = 1'000'000'000;

std::vector<std::string> parts_of(const std::string& path) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at <= path.size();) {
    auto end = path.find('/', at);
    if (end == std::string::npos) end = path.size();
    if (end > at) out.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

using parts = std::vector<std::string>;

/// Row by row, so that many ** take no time without end.
bool fits(const parts& pattern, const parts& path) {
  std::vector<bool> reached(path.size() + 1, false);
  reached[0] = true;
  for (const auto& each : pattern) {
    std::vector<bool> next(path.size() + 1, false);
    if (each == "**") {
      bool any = false;
      for (std::size_t i = 0; i <= path.size(); ++i) next[i] = any = any || reached[i];
    } else {
      for (std::size_t i = 0; i < path.size(); ++i) next[i + 1] = reached[i] && fnmatch(each.c_str(), path[i].c_str(), 0) == 0;
    }
    reached.swap(next);
  }
  return reached[path.size()];
}

std::string media_type_of(const std::string& name) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 16> known{{
      {".txt", "text/plain"},
      {".log", "text/plain"},
      {".md", "text/markdown"},
      {".csv", "text/csv"},
      {".html", "text/html"},
      {".json", "application/json"},
      {".xml", "application/xml"},
      {".yaml", "application/yaml"},
      {".pdf", "application/pdf"},
      {".gz", "application/gzip"},
      {".zip", "application/zip"},
      {".tar", "application/x-tar"},
      {".png", "image/png"},
      {".jpg", "image/jpeg"},
      {".svg", "image/svg+xml"},
      {".zst", "application/zstd"},
  }};
  for (const auto& [end, type] : known) {
    if (name.ends_with(end)) return std::string{type};
  }
  return "application/octet-stream";
}

class walker {
 public:
  explicit walker(const std::vector<std::string>& patterns) {
    for (const auto& each : patterns) patterns_.push_back(parts_of(each));
  }

  /// What goes on beneath links and special files is not looked at.
  std::optional<error> walk(int folder, const std::string& prefix, int depth) {
    const std::unique_ptr<DIR, int (*)(DIR*)> entries{fdopendir(folder), closedir};
    if (!entries) return error{errc::io_error, std::string{"a folder cannot be read: "} + std::strerror(errno)};
    while (const auto* each = readdir(entries.get())) {
      const std::string name{each->d_name};
      if (name == "." || name == "..") continue;
      if (++seen_ > most_entries)
        return error{errc::limit_exceeded, "the job's folder has over " + std::to_string(most_entries) + " files"};
      struct stat what {};
      if (fstatat(dirfd(entries.get()), name.c_str(), &what, AT_SYMLINK_NOFOLLOW) != 0) continue;
      const auto path = prefix + name;
      if (S_ISDIR(what.st_mode) && depth < most_depth) {
        const int inner = openat(dirfd(entries.get()), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (inner < 0) continue;
        if (auto bad = walk(inner, path + "/", depth + 1)) return bad;
      } else if (S_ISREG(what.st_mode) && wanted(path)) {
        if (found.size() == limits::job_artifacts) {
          return error{errc::limit_exceeded, "the job left more than " + std::to_string(limits::job_artifacts) +
                                                 " artifacts (limit job_artifacts); let it put them into an archive"};
        }
        found.push_back(path);
      }
    }
    return std::nullopt;
  }
  [[nodiscard]] bool wanted(const std::string& path) const {
    const auto all = parts_of(path);
    return std::any_of(patterns_.begin(), patterns_.end(), [&](const parts& each) { return fits(each, all); });
  }

  std::vector<std::string> found;

 private:
  std::vector<parts> patterns_;
  std::size_t seen_ = 0;
};

class file_reader final : public artifact_reader {
 public:
  file_reader(unique_fd file, job_artifact what) : file_(std::move(file)), what_(std::move(what)) {}
  const job_artifact& what() const override { return what_; }
  result<std::size_t> read(std::uint64_t offset, char* into, std::size_t size) override {
    std::size_t out = 0;
    while (out < size) {
      const auto got = pread(file_.get(), into + out, size - out, static_cast<off_t>(offset + out));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return error{errc::io_error, "\"" + what_.name + "\": " + std::strerror(errno)};
      if (got == 0) break;
      out += static_cast<std::size_t>(got);
    }
    return out;
  }

 private:
  unique_fd file_;
  job_artifact what_;
};

}  // namespace

result<void> known_hashes::describe(int file, job_artifact& what) {
  struct stat now {};
  if (fstat(file, &now) != 0) return error{errc::io_error, "\"" + what.name + "\": " + std::strerror(errno)};
  const auto ns = [](const timespec& at) { return std::int64_t{at.tv_sec} * 1'000'000'000 + at.tv_nsec; };
  const identity is{now.st_dev, now.st_ino, static_cast<std::uint64_t>(now.st_size), ns(now.st_mtim), ns(now.st_ctim)};
  {
    const std::lock_guard lock{mutex_};
    if (const auto known = known_.find(is); known != known_.end()) {
      what.size_bytes = is.size;
      what.sha256 = known->second;
      return {};
    }
  }
  core::hash_stream hash;
  std::string buffer(hashed_at_once, '\0');
  what.size_bytes = 0;
  while (true) {
    const auto got = pread(file, buffer.data(), buffer.size(), static_cast<off_t>(what.size_bytes));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return error{errc::io_error, "\"" + what.name + "\": " + std::strerror(errno)};
    if (got == 0) break;
    hash.add({buffer.data(), static_cast<std::size_t>(got)});
    what.size_bytes += static_cast<std::uint64_t>(got);
  }
  what.sha256 = hash.hex();
  // One that was written just now may be written again within the same tick of the file system's clock.
  timespec today{};
  clock_gettime(CLOCK_REALTIME, &today);
  if (what.size_bytes != is.size || ns(today) - is.changed_ns < settled_ns) return {};
  const std::lock_guard lock{mutex_};
  if (known_.size() >= limits::job_artifacts) known_.clear();
  known_.emplace(is, what.sha256);
  return {};
}

bool fits_pattern(const std::string& pattern, const std::string& path) { return fits(parts_of(pattern), parts_of(path)); }

result<std::vector<job_artifact>> list_artifacts(int folder, const std::vector<std::string>& patterns, known_hashes& hashes) {
  std::vector<job_artifact> out;
  if (patterns.empty()) return out;
  const int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (again < 0) return error{errc::io_error, std::string{"the job's folder cannot be read: "} + std::strerror(errno)};
  walker all{patterns};
  if (auto bad = all.walk(again, "", 0)) return *bad;
  std::sort(all.found.begin(), all.found.end());
  for (const auto& name : all.found) {
    const auto file = open_beneath(folder, name);
    if (!file) continue;  // the job took it away meanwhile
    job_artifact each{.name = name, .media_type = media_type_of(name)};
    if (auto read = hashes.describe(file->get(), each); !read) return read.error();
    out.push_back(std::move(each));
  }
  return out;
}

result<std::shared_ptr<artifact_reader>> read_artifact(int folder, const std::vector<std::string>& patterns,
                                                       const std::string& name, known_hashes& hashes) {
  auto file = open_beneath(folder, name);
  if (!file) return file.error();
  if (!walker{patterns}.wanted(name)) return error{errc::not_found, "\"" + name + "\" is not one of the job's artifacts"};
  job_artifact what{.name = name, .media_type = media_type_of(name)};
  if (auto read = hashes.describe(file->get(), what); !read) return read.error();
  return std::shared_ptr<artifact_reader>{std::make_shared<file_reader>(std::move(*file), std::move(what))};
}

}  // namespace perdure::actors
