// Replays all runs of a directory over the code at hand.
#include "cluster/replay_all.hpp"

namespace perdure {

namespace {

broken_run broken(const run_summary& of, run_seq seq, std::string what) {
  return {of.id, of.workflow, of.version, seq, std::move(what)};
}

std::string text_of(const cluster::parting& where) {
  std::string out = "at seq " + std::to_string(where.seq);
  if (where.activation != 0)
    out += ", activation " + std::to_string(where.activation) + " attempt " + std::to_string(where.attempt);
  if (where.step) out += ", step " + std::to_string(*where.step);
  return out + ": the journal has " + where.recorded + "; the code now: " + where.replayed;
}

}  // namespace

namespace cluster {

result<replay_summary> replay_all(persistence::journal& from, bool ended_too, const find_definition& find,
                                  const std::function<void(std::uint64_t)>& progress) {
  replay_summary out;
  persistence::row_query query{.open_only = !ended_too, .limit = 1000, .newest_first = false};
  while (true) {
    const auto rows = from.rows(query);
    for (const auto& row : rows) {
      ++out.runs;
      if (progress) progress(out.runs);
      const run_summary run{.id = row.id, .workflow = row.workflow, .version = row.version};
      core::run_state named;
      named.id = row.id;
      named.workflow = row.workflow;
      named.version = row.version;
      named.definition_hash = row.definition_hash;
      if (find(named) == nullptr) {
        ++out.unregistered;
        continue;
      }
      const auto report = replay_run(from, row.id, 0, find);
      if (!report) {
        out.broken.push_back(broken(run, row.seq, report.error().message));
      } else if (!report->partings.empty()) {
        out.broken.push_back(broken(run, report->partings.front().seq, text_of(report->partings.front())));
      } else {
        ++out.agreeing;
      }
    }
    if (rows.size() < query.limit) return out;
    query.after = rows.back().id;
  }
}

}  // namespace cluster

result<replay_summary> replay_runs(const replay_options& options, const std::vector<workflow>& workflows) {
  const node_options defaults;
  auto journal = persistence::open_lmdb_journal(options.data_dir, persistence::open_mode::read_only, defaults.max_map_bytes, 0);
  if (!journal) return journal.error();
  return cluster::replay_all(**journal, options.ended_too, [&](const core::run_state& state) -> const detail::definition* {
    for (const auto& each : workflows) {
      if (each.name() == state.workflow && each.version() == state.version) return &each.definition();
    }
    return nullptr;
  });
}

}  // namespace perdure
