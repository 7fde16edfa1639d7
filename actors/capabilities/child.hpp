// Starts one child program: everything is prepared before the fork, between fork and exec there are system calls only.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actors/capabilities/fd.hpp"
#include "actors/capabilities/group_reaper.hpp"

namespace perdure::actors {

/// What to start. Strings must not contain NUL. The environment is complete: nothing is inherited.
struct child_program {
  std::string program;                 ///< a path, or a name that is looked up in the environment's PATH
  std::vector<std::string> arguments;  ///< without the program's own name
  std::map<std::string, std::string> environment;
  std::optional<std::string> directory;
  std::optional<std::string> input;  ///< standard input; none = /dev/null
};

/// Why a program did not start: which step failed and the system's reason.
struct launch_failure {
  enum class stage : std::int32_t { resources = 1, directory = 2, exec = 3 };
  stage at = stage::resources;
  std::int32_t error = 0;
};

struct launched_child {
  pid_t pid = -1;    ///< also its process group and session
  unique_fd ended;   ///< readable once it ended; empty on kernels without pidfd
  unique_fd output;  ///< read ends, non-blocking
  unique_fd error;
  unique_fd report;  ///< gives a launch_failure when the program could not be executed, else only its end
};

/// Forks. The child is the leader of a session and group of its own, registered with the reaper, gets SIGKILL when the
/// calling thread ends, and has all signals at their defaults. The calling thread must have signals blocked, so that no
/// handler of the host runs in the child. `out` is filled when the fork succeeded.
[[nodiscard]] std::optional<launch_failure> launch(const child_program& what, const group_reaper& reaper, launched_child& out);

}  // namespace perdure::actors
