#include "cluster/node_figures.hpp"

#include <map>
#include <tuple>

#include "cluster/node_impl.hpp"

namespace perdure::cluster {

namespace {

const error closing{errc::shutting_down, "the node is closing"};

std::vector<run_count> open_runs(const persistence::journal& journal, std::size_t scan) {
  std::map<std::tuple<std::string, std::string, run_status>, std::uint64_t> found;
  persistence::row_query query{.open_only = true, .limit = limits::reader_records};
  for (std::size_t seen = 0; seen < scan;) {
    const auto rows = journal.rows(query);
    for (const auto& each : rows) ++found[{each.tenant, each.workflow, each.status}];
    seen += rows.size();
    if (rows.size() < query.limit) break;
    query.after = rows.back().id;
  }
  std::vector<run_count> out;
  for (const auto& [which, runs] : found) out.push_back({std::get<0>(which), std::get<1>(which), std::get<2>(which), runs});
  return out;
}

void count_wakeups(const persistence::journal& journal, timestamp now, std::size_t scan, node_figures& out) {
  std::optional<std::pair<timestamp, run_id>> after;
  while (out.wakeups < scan) {
    const auto some = journal.wakeups(timestamp::max(), after, limits::reader_records);
    out.wakeups += some.size();
    for (const auto& [due, run] : some) out.late += due < now ? 1 : 0;
    if (some.size() < limits::reader_records) return;
    after = some.back();
  }
}

}  // namespace

result<node_latencies> latencies_of(const node& at) {
  auto& inner = at.internals();
  const auto held = inner.enter();
  if (!held) return closing;
  const auto& count = inner.shared().count;
  return node_latencies{count.commits_took.read(), count.steps_took.read()};
}

result<std::vector<run_count>> count_open_runs(const node& at, std::size_t scan) {
  auto& inner = at.internals();
  const auto held = inner.enter();
  if (!held) return closing;
  return open_runs(*inner.shared().journal, scan);
}

result<node_figures> figures_of(const node& at, std::size_t scan) {
  auto& inner = at.internals();
  const auto held = inner.enter();
  if (!held) return closing;
  auto& shared = inner.shared();
  node_figures out;
  out.open_runs = open_runs(*shared.journal, scan);
  count_wakeups(*shared.journal, shared.clock.now(), scan, out);
  out.actors = inner.router().home_system().registry().running();
  const auto pool = shared.pool.now();
  out.pool_queued = pool.queued;
  out.pool_running = pool.running;
  out.pool_stuck = pool.stuck;
  const auto room = shared.journal->space();
  out.journal_bytes = room.used_bytes;
  out.free_disk_bytes = room.free_disk_bytes;
  for (const auto& name : inner.jobs()->names()) {
    if (auto health = inner.jobs()->health(name)) out.backends.push_back({name, *health});
  }
  return out;
}

}  // namespace perdure::cluster
