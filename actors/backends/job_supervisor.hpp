// The supervisor of one process job: a process of its own that outlives the node. It starts the program, keeps what it writes
// and how it ends, and ends it when asked.
//
// Operation: forked by the spawner process (spawn_jobs.hpp). It first claims the job by a lock on its file, which nobody gets who
// comes second, and writes who it is: a job is started once however often somebody asks for it. SIGUSR1 says that there may be
// a `cancel` file.
// Concurrency: one thread.
// Limitations: it may be a fork of a process that had threads, so it uses system calls only: no allocation, no lock, no stdio.
// When it is killed itself, the program's first process is killed with it, and the job is lost.
#pragma once

namespace perdure::actors {

/// Never returns. `root` is the folder of all jobs, `id` a text of job_id_size characters.
[[noreturn]] void supervise_job(int root, const char* id);

}  // namespace perdure::actors
