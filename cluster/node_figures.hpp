// What a node does right now, in more detail than node_stats: for those who watch over it.
// Concurrency: any thread. It looks at every open run and every deadline, up to a limit: not for each request.
#pragma once

#include <string>
#include <vector>

#include "core/duration_histogram.hpp"
#include "perdure/backend.hpp"
#include "perdure/node.hpp"

namespace perdure::cluster {

struct run_count {
  std::string tenant, workflow;
  run_status status = run_status::running;
  std::uint64_t runs = 0;
};
struct backend_figures {
  std::string name;
  backend_health health;
};

struct node_figures {
  std::vector<run_count> open_runs;     ///< of the first `scan` of them
  std::uint64_t wakeups = 0, late = 0;  ///< deadlines of runs, and those of them that are past; `scan` at most
  std::uint64_t actors = 0;
  std::uint64_t pool_queued = 0, pool_running = 0, pool_stuck = 0;
  std::uint64_t journal_bytes = 0, free_disk_bytes = 0;
  std::vector<backend_figures> backends;
};
/// How long things took in this process so far. Cheap.
struct node_latencies {
  core::duration_histogram::figures commits;  ///< until the records of one commit are on the disk
  core::duration_histogram::figures steps;    ///< each try of a step that calls something
};

/// shutting_down.
[[nodiscard]] result<node_latencies> latencies_of(const node& at);
/// shutting_down.
[[nodiscard]] result<std::vector<run_count>> count_open_runs(const node& at, std::size_t scan = 100'000);
/// shutting_down.
[[nodiscard]] result<node_figures> figures_of(const node& at, std::size_t scan = 100'000);

}  // namespace perdure::cluster
