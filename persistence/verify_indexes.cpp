#include "persistence/verify_indexes.hpp"

#include <iterator>

#include "persistence/archive_reader.hpp"
#include "persistence/keys.hpp"
#include "persistence/projection.hpp"

namespace perdure::persistence {

namespace {

/// What each entry of an index table must agree with: the stored row of its run.
struct index_rule {
  table in;
  std::string_view name;
  bool (*holds)(const projected_row&, std::string_view key);
};

bool same_workflow(const projected_row& row, std::string_view key) {
  return key.starts_with(workflow_prefix(row.facts.workflow));
}

constexpr index_rule index_rules[] = {
    {table::wakeups, "wake-up", [](const projected_row& row, std::string_view key) { return row.head.wakeup == due_of(key); }},
    {table::active, "active", [](const projected_row& row, std::string_view) { return row.head.active; }},
    {table::by_status, "status",
     [](const projected_row& row, std::string_view key) { return static_cast<char>(row.head.status) == key.front(); }},
    {table::by_workflow, "workflow", same_workflow},
};

/// Counts of what the stored rows ask for, to find entries that are missing.
std::size_t expected_entries(const index_rule& rule, const projected_row& row) {
  if (rule.in == table::wakeups) return row.head.wakeup ? 1 : 0;
  if (rule.in == table::active) return row.head.active ? 1 : 0;
  return 1;
}

}  // namespace

void check_indexes(read_view& view, verify_report& report) {
  const auto rows = view.walk(table::rows);
  std::size_t expected[std::size(index_rules)] = {};
  for (bool more = rows->seek({}); more; more = rows->next()) {
    const auto run = run_at_end(rows->key()).value_or(run_id{});
    const auto row = decode_row(run, rows->value());
    if (!row) {
      report.problems.push_back({run, 0, row.error().message});
      continue;
    }
    for (std::size_t i = 0; i < std::size(index_rules); ++i) expected[i] += expected_entries(index_rules[i], *row);
  }
  for (std::size_t i = 0; i < std::size(index_rules); ++i) {
    const auto& rule = index_rules[i];
    std::size_t there = 0;
    const auto at = view.walk(rule.in);
    for (bool more = at->seek({}); more; more = at->next(), ++there) {
      const auto run = run_at_end(at->key()).value_or(run_id{});
      const auto bytes = view.get(table::rows, run_key(run));
      const auto row = bytes ? decode_row(run, *bytes) : result<projected_row>{error{errc::not_found, {}}};
      if (!row || !rule.holds(*row, at->key())) {
        report.problems.push_back({run, 0, "an entry of the " + std::string{rule.name} + " index agrees with no row"});
      }
    }
    if (there < expected[i]) {
      report.problems.push_back(
          {{}, 0, "the " + std::string{rule.name} + " index lacks " + std::to_string(expected[i] - there) + " entries"});
    }
  }
}

/// Of runs with one key the latest has it. When that is removed, the key is nobody's: a missing entry means something only
/// where no run was ever removed.
void check_keys(read_view& view, verify_report& report) {
  constexpr auto id_bytes = run_id{}.bytes.size();
  const auto problem = [&](const run_id& run, std::string what) { report.problems.push_back({run, 0, std::move(what)}); };
  const bool all_are_there = read_archive_head(view).removed_runs == 0;
  const auto rows = view.walk(table::rows);
  for (bool more = rows->seek({}); more; more = rows->next()) {
    const auto run = run_at_end(rows->key()).value_or(run_id{});
    const auto row = decode_row(run, rows->value());
    if (!row || row->facts.key.empty()) continue;  // a damaged row was named already
    const auto& facts = row->facts;
    const auto entry = view.get(table::keys, scoped_key(facts.tenant, facts.key));
    if (!entry) {
      if (all_are_there) problem(run, "the run's key leads to no run");
    } else if (entry->size() > id_bytes && value_number(entry->substr(id_bytes)) < facts.first_lsn) {
      problem(run, "the run's key leads to an earlier run");
    }
  }
  const auto at = view.walk(table::keys);
  for (bool more = at->seek({}); more; more = at->next()) {
    const auto entry = at->value();
    const auto run = run_at_end(entry.substr(0, id_bytes)).value_or(run_id{});
    const auto bytes = view.get(table::rows, run_key(run));
    const auto row = bytes ? decode_row(run, *bytes) : result<projected_row>{error{errc::not_found, {}}};
    const bool agrees = row && entry.size() == id_bytes + sizeof(lsn_t) && !row->facts.key.empty() &&
                        scoped_key(row->facts.tenant, row->facts.key) == at->key() &&
                        value_number(entry.substr(id_bytes)) == row->facts.first_lsn;
    if (!agrees) problem(run, "an entry of the key index agrees with no row");
  }
}

}  // namespace perdure::persistence
