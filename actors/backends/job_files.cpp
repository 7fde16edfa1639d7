#include "actors/backends/job_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "actors/backends/job_syscalls.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

namespace {
error system_error(const std::string& name) { return {errc::io_error, name + ": " + std::strerror(errno)}; }
}  // namespace

std::optional<process_facts> facts_of(pid_t pid) {
  const auto text = read_small(AT_FDCWD, "/proc/" + std::to_string(pid) + "/stat", 4096);
  process_facts out;
  if (!text || !read_facts(text->data(), text->size(), out)) return std::nullopt;
  return out;
}

std::array<char, 40> boot_id() {
  std::array<char, 40> out{};
  const auto text = read_small(AT_FDCWD, "/proc/sys/kernel/random/boot_id", out.size() - 1);
  if (text) std::memcpy(out.data(), text->data(), text->size());
  return out;
}

bool is_alive(const job_started& who) {
  static const auto boot = boot_id();
  if (who.boot != boot) return false;
  const auto facts = facts_of(who.pid);
  return facts && facts->start == who.start && !facts->ended;
}

result<std::string> read_small(int folder, const std::string& name, std::size_t limit) {
  const unique_fd file{openat(folder, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (!file) {
    if (errno == ENOENT) return error{errc::not_found, name + ": there is no such file"};
    return system_error(name);
  }
  // As much room as it says that it has: files of the system say nothing, and have little. A limit may be millions of bytes.
  struct stat what {};
  const auto told = fstat(file.get(), &what) == 0 && what.st_size > 0 ? static_cast<std::size_t>(what.st_size) : 0;
  std::string out(std::min(limit, told + 1'024), '\0');
  std::size_t size = 0;
  while (size < limit) {
    if (size == out.size()) out.resize(std::min(limit, 2 * out.size()));
    const auto got = read(file.get(), out.data() + size, out.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(name);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  out.resize(size);
  return out;
}

result<void> write_small(int folder, const std::string& name, std::string_view content) {
  const unique_fd file{openat(folder, name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!file) return errno == ENOSPC ? error{errc::disk_full, name + ": no room"} : system_error(name);
  while (!content.empty()) {
    const auto wrote = write(file.get(), content.data(), content.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return errno == ENOSPC ? error{errc::disk_full, name + ": no room"} : system_error(name);
    content.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return {};
}

result<void> put_small(int folder, const std::string& name, std::string_view content) {
  const auto fresh = name + ".new";
  if (auto written = write_small(folder, fresh, content); !written) return written;
  if (renameat(folder, fresh.c_str(), folder, name.c_str()) != 0) return system_error(name);
  return {};
}

bool exists(int folder, const std::string& name) {
  struct stat what {};
  return fstatat(folder, name.c_str(), &what, AT_SYMLINK_NOFOLLOW) == 0;
}

std::optional<job_head> read_head(int folder) {
  const unique_fd file{openat(folder, "job", O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (!file) return std::nullopt;
  job_head out;
  if (pread(file.get(), &out, sizeof out, 0) != static_cast<ssize_t>(sizeof out) || !is_there(out.request)) return std::nullopt;
  return out;
}

result<std::string> read_kept(int folder) {
  auto bytes = read_small(folder, "job", 4 * limits::payload_bytes);
  if (!bytes) return bytes.error();
  job_request head;
  if (bytes->size() < sizeof(job_head)) return error{errc::corrupt, "a job's file is damaged"};
  std::memcpy(&head, bytes->data(), sizeof head);
  if (!is_there(head) || bytes->size() - sizeof(job_head) < head.kept_bytes)
    return error{errc::corrupt, "a job's file is damaged"};
  return bytes->substr(sizeof(job_head), head.kept_bytes);
}

std::string encode_job(job_request request, const std::vector<std::string>& candidates, const std::vector<std::string>& arguments,
                       const std::vector<std::string>& environment, const std::string& cgroups, const std::string& directory,
                       std::string_view kept) {
  job_head head{.request = request};
  // Those of the others are not there yet.
  head.started.format = head.ending.format = head.progress.format = 0;
  head.request.candidates = static_cast<std::uint32_t>(candidates.size());
  head.request.arguments = static_cast<std::uint32_t>(arguments.size());
  head.request.environment = static_cast<std::uint32_t>(environment.size());
  head.request.kept_bytes = kept.size();
  head.request.check = sum_of(head.request);
  std::string out(reinterpret_cast<const char*>(&head), sizeof head);
  out += kept;
  out.push_back('\0');
  for (const auto* list : {&candidates, &arguments, &environment}) {
    for (const auto& each : *list) {
      out += each;
      out.push_back('\0');
    }
  }
  for (const auto* each : {&cgroups, &directory}) {
    out += *each;
    out.push_back('\0');
  }
  return out;
}

}  // namespace perdure::actors
