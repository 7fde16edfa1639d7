// group_reaper: kills the process groups of a node that died.
//
// A child asks the kernel to be killed with its parent, but its own children are not: `sh -c 'sleep 1000 & wait'` would
// leave the sleep behind when the node gets a SIGKILL. So a second, tiny process is told of every group, and kills those
// that are still registered when the node's end of their socket closes.
// Operation: after fork it uses system calls only; it is in a session of its own, so that a Ctrl-C does not reach it.
// Concurrency: used from the spawner's thread only, which has signals blocked and must outlive it (the kernel signals
// the end of the forking thread, which is the second way in which it learns that the node is gone).
// Limitations: it keeps the memory pages that the process had at the fork, so make it early. A child that leaves its
// group by setsid() is not found.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "actors/capabilities/fd.hpp"

namespace perdure::actors {

/// What travels on the socket; a registered child sends `add` itself, before it starts its program.
struct group_message {
  enum class verb : std::int32_t { add = 1, drop = 2 };
  verb what = verb::add;
  std::int32_t group = 0;
};

class group_reaper {
 public:
  static constexpr std::size_t max_groups = 4096;

  group_reaper() = default;
  group_reaper(const group_reaper&) = delete;
  group_reaper& operator=(const group_reaper&) = delete;
  ~group_reaper() { close(); }

  /// Starts it if it does not run. 0, or the errno of what failed.
  [[nodiscard]] int ensure();
  /// True when it was started and has ended since (somebody killed it); after it, register all groups again.
  [[nodiscard]] bool lost();
  /// To poll: hangs up when the reaper has ended.
  [[nodiscard]] int socket() const noexcept { return socket_.get(); }
  /// Async-signal-safe. What cannot be sent is lost: the reaper is gone then, see `lost`.
  void tell(group_message what) const noexcept;
  /// Ends it. Groups that are still registered are killed.
  void close() noexcept;

 private:
  unique_fd socket_;
  pid_t pid_ = -1;
};

}  // namespace perdure::actors
