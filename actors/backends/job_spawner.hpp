// job_spawner: the process that forks the supervisors of jobs, so that a job is no child of the node and outlives it.
//
// Operation: started when the first job comes, as a program of its own that this library carries (spawner_image.hpp): the fork of
// a small process costs a tenth of the fork of the node. Where the system does not execute a file of memory, it is a fork of
// the node. It gets ids of jobs through a socket (spawn_jobs.hpp), and ends when the node's end is closed.
// Concurrency: one thread at a time.
#pragma once

#include <sys/types.h>

#include <string>

#include "actors/capabilities/fd.hpp"
#include "perdure/error.hpp"

namespace perdure::actors {

class job_spawner {
 public:
  job_spawner() = default;
  job_spawner(const job_spawner&) = delete;
  job_spawner& operator=(const job_spawner&) = delete;
  ~job_spawner() { close(); }

  /// Has a supervisor started for the job of that id in the folder `root`. Started twice does no harm. overloaded: the system has
  /// no room for another process.
  [[nodiscard]] result<void> start(int root, const std::string& id);
  void close() noexcept;

 private:
  [[nodiscard]] result<void> ensure(int root);
  unique_fd socket_;
  pid_t pid_ = -1;
};

}  // namespace perdure::actors
