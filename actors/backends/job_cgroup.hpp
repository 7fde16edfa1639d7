// Control groups (version 2) of process jobs: limits of all processes of a job together, and an end that none escapes.
//
// Operation: the node looks once whether its own group lets it make others beneath (`find_job_cgroups`); a supervisor makes
// one for its job, puts the program into it before it starts, and removes it at the end. What a group can limit depends on
// the controllers that its parent passes on; one without any still ends all of a job's processes at once.
// Concurrency: none of its own. The functions with a folder's number use system calls only: they run in the forked process.
// Limitations: version 1 is not used. A system whose manager runs the node in a group with processes passes no controllers
// on (with systemd: Delegate=yes and DelegateSubgroup=, or a slice of its own).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>

namespace perdure::actors {

/// Where groups of jobs are made; empty = nowhere, `why` says the reason.
struct job_cgroups {
  std::filesystem::path path;
  std::string why;
};
[[nodiscard]] job_cgroups find_job_cgroups();
/// The same beneath a group that is known: makes it, and passes on what it has.
[[nodiscard]] job_cgroups make_job_cgroups(const std::filesystem::path& path);
/// Ends all processes of a job whose supervisor is gone, and removes its group.
void end_job_cgroup(const std::filesystem::path& base, const std::string& id);

// In the supervisor:

enum cgroup_limit : std::uint32_t { limits_memory = 1, limits_processes = 2 };
/// Makes the group of a job and opens it; below 0: there is none. `limited` gets what it limits.
[[nodiscard]] int open_job_cgroup(const char* base, const char* id, std::uint64_t memory_bytes, std::uint64_t processes,
                                  std::uint32_t& limited);
/// Forks a process that is in it from the beginning; below 0: the system cannot do that.
[[nodiscard]] pid_t fork_into_cgroup(int group);
/// Puts the calling process into it. Takes milliseconds: the system waits for all its processors.
bool enter_job_cgroup(int group);
/// Ends all of its processes.
void kill_job_cgroup(int group);
/// 0 = not known.
[[nodiscard]] std::uint64_t read_cgroup_number(int group, const char* file, const char* key = nullptr);
/// After its last process; tries for a moment.
void remove_job_cgroup(int group, const char* base, const char* id);

}  // namespace perdure::actors
