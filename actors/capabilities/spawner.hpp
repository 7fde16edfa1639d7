// spawner: runs child programs to their end, from one long-lived thread.
//
// Operation: all children are forked by the spawner's thread, because the kernel's death signal to a child fires when the
// *thread* that forked it ends. The thread polls the children's output and their ends. A stop sends SIGTERM to the
// child's group, after its grace SIGKILL; what is left of a group when its leader ends is killed too. Should the node
// die, the group_reaper kills what is registered. There is no SIGCHLD handler: the host may have its own.
// Concurrency: `start` and `stop_all` from any thread; `done` is called on the spawner's thread.
// Limitations: a program that leaves its group (setsid, double fork into a session of its own) escapes; a host that
// waits for any child (waitpid(-1)) or ignores SIGCHLD takes exit codes away, which is reported as such.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <variant>

#include "actors/capabilities/child.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

/// How a program ended.
struct child_exit {
  int code = 0;  ///< exit code, or the signal's number
  bool by_signal = false;
  bool stopped = false;          ///< it was asked to end by us
  std::string output, error;     ///< bytes, each at most limits::process_output_bytes
  std::uint64_t cut_output = 0;  ///< bytes that did not fit
  std::uint64_t cut_error = 0;
};
/// It ended, but nobody can tell how: something else in this process took its exit code.
struct child_lost {};
/// It was stopped before it began, or refused: the spawner is stopped or `waiting` programs wait already.
struct child_refused {
  enum class reason { stopped, shutting_down, too_many } why = reason::stopped;
};
using child_end = std::variant<child_exit, launch_failure, child_lost, child_refused>;

struct child_request {
  child_program what;
  std::chrono::milliseconds grace{5'000};  ///< from SIGTERM to SIGKILL
  std::stop_token stop;
  std::function<void(child_end)> done;  ///< exactly once; must not block or throw
};

class spawner {
 public:
  struct options {
    std::size_t running = limits::child_processes;
    std::size_t waiting = limits::waiting_processes;
    std::chrono::milliseconds shutdown_grace{2'000};  ///< caps every child's grace once stop_all was called
    std::function<void(std::string_view)> log;        ///< may be empty; the spawner's thread
  };

  /// Begins the thread and forks the reaper; do it early, while the process is small.
  explicit spawner(options chosen);
  /// stop_all, then waits until every child has ended (bounded: what SIGKILL does not end in 5 s is left to the reaper).
  ~spawner();
  spawner(const spawner&) = delete;
  spawner& operator=(const spawner&) = delete;

  void start(child_request request);
  void stop_all();
  /// Children that run.
  [[nodiscard]] std::size_t running() const;

 private:
  struct state;
  std::shared_ptr<state> state_;
};

}  // namespace perdure::actors
