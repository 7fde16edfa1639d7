// The control group of one process job, for its supervisor (job_cgroup.hpp says what for): system calls only.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace perdure::actors {

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
