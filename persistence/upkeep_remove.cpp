// Removing ended runs that are old enough, or too many.
#include <algorithm>

#include "persistence/upkeep.hpp"

namespace perdure::persistence {

namespace {

/// Entries of archive_ends that are looked at for one plan: some of them cannot be removed yet.
constexpr std::size_t entries_looked_at = 1'024;

/// What is stored of one run in the archive.
struct archived_run {
  std::vector<table_change> changes;
  std::vector<core::digest> blobs;
  std::uint64_t records = 0, chunks = 0, bytes = 0, raw_bytes = 0;
};

/// Nothing when a chunk is damaged or records are missing: somebody may want to look at it, so it stays.
std::optional<archived_run> find_archived(read_view& view, const run_id& run, run_seq head) {
  archived_run out;
  const auto at = view.walk(table::archive);
  for (bool more = at->seek(run_key(run)); more && at->key().starts_with(run_key(run)); more = at->next()) {
    const auto facts = read_chunk_facts(at->key(), at->value());
    if (!facts || facts->range.first != out.records + 1) return std::nullopt;
    out.records = facts->range.last;
    ++out.chunks;
    out.bytes += at->value().size();
    out.raw_bytes += facts->raw_bytes;
    out.changes.push_back({table::archive, std::string{at->key()}, std::nullopt});
    for (const auto bucket : facts->buckets) {
      out.changes.push_back({table::archive_order, archive_order_key(bucket, run, facts->range.first), std::nullopt});
    }
    out.blobs.insert(out.blobs.end(), facts->blobs.begin(), facts->blobs.end());
  }
  if (out.records != head) return std::nullopt;
  std::sort(out.blobs.begin(), out.blobs.end());
  out.blobs.erase(std::unique(out.blobs.begin(), out.blobs.end()), out.blobs.end());
  return out;
}

/// Everything else that is stored of a run.
void erase_look_ups(read_view& view, const projected_row& row, std::vector<table_change>& to) {
  const auto& facts = row.facts;
  const auto erase = [&](table in, std::string key) { to.push_back({in, std::move(key), std::nullopt}); };
  const auto run = std::string{run_key(facts.id)};
  erase(table::rows, run);
  erase(table::by_status, status_key(row.head.status, facts.id));
  erase(table::by_workflow, workflow_prefix(facts.workflow) + run);
  if (!facts.key.empty()) {
    // A key lives as long as its run; a later run that has it now keeps it.
    const auto key = scoped_key(facts.tenant, facts.key);
    const auto holder = view.get(table::keys, key);
    if (holder && holder->starts_with(run)) to.push_back({table::keys, key, std::nullopt, facts.id});
  }
  const auto snapshots = view.walk(table::snapshots);
  for (bool more = snapshots->seek(run); more && snapshots->key().starts_with(run); more = snapshots->next()) {
    erase(table::snapshots, std::string{snapshots->key()});
  }
}

}  // namespace

std::unique_ptr<prepared_upkeep> upkeep_planner::remove(read_view& view, const archive_head& archive, timestamp now,
                                                        std::uint64_t ended) {
  const auto& keep = options_.retention;
  const bool by_age = keep.age > duration{0};
  const auto countable = ended - std::min(ended, archive.skipped_runs);
  auto too_many = keep.ended_runs != 0 && countable > keep.ended_runs ? countable - keep.ended_runs : 0;
  due_in_log_ = false;
  if (archive.ended_runs == 0 || (!by_age && too_many == 0)) return nullptr;
  auto plan = std::make_unique<prepared_upkeep>("remove");
  plan->before = plan->after = archive;
  const auto at = view.walk(table::archive_ends);
  std::size_t seen = 0;
  for (bool more = at->seek({}); more && plan->removed.size() < options_.removal_runs && seen < entries_looked_at;
       more = at->next(), ++seen) {
    const bool too_old = by_age && now - due_of(at->key()) >= keep.age;
    if (!too_old && too_many == 0) break;
    const auto run = run_at_end(at->key()).value_or(run_id{});
    const auto bytes = view.get(table::rows, run_key(run));
    const auto row = bytes ? decode_row(run, *bytes) : result<projected_row>{error{errc::not_found, {}}};
    if (row && row->head.lsn >= archive.first_lsn) {  // it has to leave the log first
      due_in_log_ = due_in_log_ || row->head.lsn >= archive.archived_lsn;
      if (too_many > 0) --too_many;
      continue;
    }
    auto found = row && !view.get(table::damaged, run_key(run)) ? find_archived(view, run, row->head.seq) : std::nullopt;
    plan->changes.push_back({table::archive_ends, std::string{at->key()}, std::nullopt});
    --plan->after.ended_runs;
    if (!found) {
      ++plan->after.skipped_runs;
      continue;
    }
    std::move(found->changes.begin(), found->changes.end(), std::back_inserter(plan->changes));
    plan->frees_blobs = plan->frees_blobs || !found->blobs.empty();
    for (const auto& blob : found->blobs) {
      plan->changes.push_back({table::blob_refs, blob_ref_key(blob, run), std::nullopt});
      blobs_.touch(blob);  // it stays for a while, whoever else refers to it
    }
    erase_look_ups(view, *row, plan->changes);
    plan->removed.push_back(run);
    plan->records.push_back(removal_record(*row, too_old ? removal_reason::age : removal_reason::number, now));
    auto& after = plan->after;
    after.chunks -= found->chunks;
    after.records -= found->records;
    after.bytes -= found->bytes;
    after.raw_bytes -= found->raw_bytes;
    after.removed_records += found->records;
    ++after.removed_runs;
    if (too_many > 0) --too_many;
  }
  if (plan->changes.empty()) return nullptr;
  std::stable_sort(plan->changes.begin(), plan->changes.end(), [](const auto& a, const auto& b) { return a.in < b.in; });
  return plan;
}

}  // namespace perdure::persistence
