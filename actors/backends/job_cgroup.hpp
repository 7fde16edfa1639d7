// Control groups (version 2) of process jobs: limits of all processes of a job together, and an end that none escapes.
//
// Operation: the node looks once whether its own group lets it make others beneath (`find_job_cgroups`); a supervisor makes
// one for its job (job_group.hpp), puts the program into it before it starts, and removes it at the end. What a group can
// limit depends on the controllers that its parent passes on; one without any still ends all of a job's processes at once.
// Concurrency: none of its own.
// Limitations: version 1 is not used. A system whose manager runs the node in a group with processes passes no controllers
// on (with systemd: Delegate=yes and DelegateSubgroup=, or a slice of its own).
#pragma once

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

}  // namespace perdure::actors
