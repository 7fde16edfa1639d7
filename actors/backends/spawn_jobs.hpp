// What the spawner process does (job_spawner.hpp): reads ids of jobs from a socket, forks a supervisor for each, and ends when
// the node's end of the socket is closed. The supervisors go on.
//
// Concurrency: one thread, system calls only, as for a supervisor (job_supervisor.hpp).
#pragma once

namespace perdure::actors {

/// Never returns. `root` is the folder of all jobs; the spawner says 0 when it is there,
/// and answers each id that comes with an errno, 0 = there is a supervisor.
[[noreturn]] void spawn_jobs(int root, int socket);

}  // namespace perdure::actors
