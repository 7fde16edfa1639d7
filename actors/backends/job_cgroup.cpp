#include "actors/backends/job_cgroup.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "actors/backends/job_group.hpp"
#include "actors/backends/job_syscalls.hpp"
#include "actors/capabilities/fd.hpp"

namespace perdure::actors {

namespace {

/// Where version 2 is mounted, and this process's group within.
std::filesystem::path own_group(std::string& why) {
  std::ifstream mounts{"/proc/self/mountinfo"};
  std::filesystem::path point, root;
  for (std::string line; std::getline(mounts, line);) {
    const auto dash = line.find(" - cgroup2 ");
    if (dash == std::string::npos) continue;
    std::istringstream in{line};
    std::string number, parent, device, from, where;
    if (in >> number >> parent >> device >> from >> where) {
      root = from;
      point = where;
      break;
    }
  }
  if (point.empty()) {
    why = "no cgroup v2 is mounted";
    return {};
  }
  std::ifstream groups{"/proc/self/cgroup"};
  for (std::string line; std::getline(groups, line);) {
    if (!line.starts_with("0::")) continue;
    const std::filesystem::path own{line.substr(3)};
    const auto inside = own.lexically_relative(root);
    if (inside.empty() || *inside.begin() == "..") break;
    return inside == "." ? point : point / inside;
  }
  why = "the group of this process is not beneath the mounted ones";
  return {};
}

void pass_on(const std::filesystem::path& path) {
  const unique_fd folder{open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!folder) return;
  // One by one: one that is not to be had must not keep the others away.
  for (const char* each : {"+memory", "+pids", "+cpu"})
    write_text(folder.get(), "cgroup.subtree_control", each, std::strlen(each));
}

}  // namespace

job_cgroups make_job_cgroups(const std::filesystem::path& path) {
  pass_on(path.parent_path());
  if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return {{}, path.string() + ": " + std::strerror(errno)};
  if (access((path / "cgroup.procs").c_str(), W_OK) != 0) return {{}, path.string() + ": " + std::strerror(errno)};
  pass_on(path);
  return {path, {}};
}

job_cgroups find_job_cgroups() {
  std::string why;
  const auto own = own_group(why);
  return own.empty() ? job_cgroups{{}, why} : make_job_cgroups(own / "perdure-jobs");
}

void end_job_cgroup(const std::filesystem::path& base, const std::string& id) {
  if (base.empty()) return;
  const unique_fd group{open((base / id).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!group) return;
  kill_job_cgroup(group.get());
  remove_job_cgroup(group.get(), base.c_str(), id.c_str());
}

}  // namespace perdure::actors
