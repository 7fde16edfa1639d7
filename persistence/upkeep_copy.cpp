// Copying the beginning of the log to the archive, grouped by run.
#include <algorithm>
#include <map>

#include "persistence/blob_references.hpp"
#include "persistence/upkeep.hpp"

namespace perdure::persistence {

namespace {

/// A run that only waits, or has ended, is copied as a whole when no more of it than this lies behind the slice.
constexpr run_seq records_fetched = 1'000;

struct run_part {
  std::vector<stored_record> records;  ///< in the order of seq
  std::vector<run_seq> seqs;           ///< of them
};

/// The run's stored row, when it is sound.
std::optional<projected_row> row_of(read_view& view, const run_id& run) {
  const auto bytes = view.get(table::rows, run_key(run));
  if (!bytes) return std::nullopt;
  auto row = decode_row(run, *bytes);
  if (!row) return std::nullopt;
  return std::move(*row);
}

/// Adds what comes after the part's last record up to the row's head, by the links back from there. A damaged record on the
/// way: nothing is added.
void fetch_rest(read_view& view, const projected_row& row, run_seq known, run_part& part) {
  std::vector<stored_record> rest;
  auto lsn = row.head.lsn;
  for (auto seq = row.head.seq; seq > known; --seq) {
    const auto bytes = view.log(lsn);
    if (!bytes) return;
    const auto record = decode_record(lsn, *bytes);
    if (!record || record->header.run != row.facts.id || record->header.seq != seq) return;
    rest.push_back({lsn, *bytes});
    lsn = record->header.previous;
  }
  for (auto each = rest.rbegin(); each != rest.rend(); ++each) {
    part.records.push_back(*each);
    part.seqs.push_back(part.seqs.empty() ? known + 1 : part.seqs.back() + 1);
  }
}

class copier {
 public:
  copier(read_view& view, prepared_upkeep& plan, chunk_packer& packer, std::size_t chunk_bytes)
      : view_(view), plan_(plan), packer_(packer), chunk_bytes_(chunk_bytes) {}

  void copy_run(const run_id& run, run_part part) {
    const auto archived = archived_through(view_, run);
    const auto keep = std::upper_bound(part.seqs.begin(), part.seqs.end(), archived) - part.seqs.begin();
    part.records.erase(part.records.begin(), part.records.begin() + keep);
    part.seqs.erase(part.seqs.begin(), part.seqs.begin() + keep);
    if (part.records.empty()) return;  // copied as a whole earlier
    const auto row = row_of(view_, run);
    const auto last = part.seqs.back();
    if (row && !row->head.active && row->head.seq > last && row->head.seq - last <= records_fetched) {
      fetch_rest(view_, *row, last, part);
    }
    for (std::size_t from = 0; from < part.records.size();) from = put_chunk(run, part, from);
    // One that still owes messages to other runs is not at its end for those who remove it.
    if (row && !row->head.open() && !row->head.active && part.seqs.back() == row->head.seq) {
      plan_.changes.push_back({table::archive_ends, wakeup_key(row->head.ended_at.value_or(timestamp{}), run), std::string{}});
      ++plan_.after.ended_runs;
    }
  }

 private:
  /// Packs records from `from` on; gives where the next chunk begins.
  std::size_t put_chunk(const run_id& run, const run_part& part, std::size_t from) {
    std::vector<stored_record> records;
    std::vector<core::digest> blobs;
    std::size_t bytes = 0;
    auto at = from;
    for (; at < part.records.size(); ++at) {
      const auto& each = part.records[at];
      const bool gap = at > from && part.seqs[at] != part.seqs[at - 1] + 1;
      if (at > from && (gap || bytes + each.bytes.size() > chunk_bytes_)) break;
      bytes += each.bytes.size();
      records.push_back(each);
      if (const auto record = decode_record(each.lsn, each.bytes)) add_blob_references(*record, blobs);
    }
    std::sort(blobs.begin(), blobs.end());
    blobs.erase(std::unique(blobs.begin(), blobs.end()), blobs.end());
    auto key = chunk_key(run, part.seqs[from], part.seqs[at - 1]);
    auto chunk = packer_.pack(key, records, blobs);
    ++plan_.after.chunks;
    plan_.after.records += records.size();
    plan_.after.bytes += chunk.size();
    plan_.after.raw_bytes += bytes + records.size() * entry_head_bytes;
    plan_.changes.push_back({table::archive, std::move(key), std::move(chunk)});
    std::optional<std::uint64_t> bucket;
    for (const auto& record : records) {
      if (bucket == record.lsn / archive_bucket) continue;
      bucket = record.lsn / archive_bucket;
      plan_.changes.push_back({table::archive_order, archive_order_key(*bucket, run, part.seqs[from]), number_value(record.lsn)});
    }
    for (const auto& blob : blobs) plan_.changes.push_back({table::blob_refs, blob_ref_key(blob, run), std::string{}});
    return at;
  }

  read_view& view_;
  prepared_upkeep& plan_;
  chunk_packer& packer_;
  std::size_t chunk_bytes_;
};

/// Adds what was removed to the record of that, and forgets the oldest that are too many.
void keep_removals(read_view& view, prepared_upkeep& plan, std::vector<table_change> fresh, std::uint64_t limit) {
  auto& after = plan.after;
  after.kept_removals += fresh.size();
  const auto at = view.walk(table::removals);
  for (bool more = at->seek({}); more && after.kept_removals > limit; more = at->next()) {
    plan.changes.push_back({table::removals, std::string{at->key()}, std::nullopt});
    --after.kept_removals;
    ++after.forgotten;
  }
  for (auto& each : fresh) {
    if (after.kept_removals > limit) {
      --after.kept_removals;
      ++after.forgotten;
    } else {
      plan.changes.push_back(std::move(each));
    }
  }
}

}  // namespace

/// The records from archive.archived_lsn on and before `before`, as many as make a slice; of runs that rest, all that follows
/// too.
std::unique_ptr<prepared_upkeep> upkeep_planner::copy(read_view& view, const archive_head& archive, lsn_t before) {
  auto plan = std::make_unique<prepared_upkeep>("copy");
  plan->before = plan->after = archive;
  std::map<run_id, run_part> parts;
  std::vector<table_change> removals;
  std::size_t records = 0, bytes_read = 0;
  auto next = archive.archived_lsn;
  view.each_log(next, [&](lsn_t lsn, std::string_view bytes) {
    if (lsn >= before) return false;
    if (records > 0 && (records == options_.slice_records || bytes_read + bytes.size() > limits::archive_slice_bytes))
      return false;
    ++records;
    bytes_read += bytes.size();
    next = lsn + 1;
    const auto record = decode_record(lsn, bytes);
    if (!record) {
      plan->changes.push_back({table::remains, ordered(lsn), std::string{bytes}});
    } else if (record->header.kind == run_removed_kind) {
      removals.push_back({table::removals, ordered(lsn), std::string{bytes}});
    } else if (record->header.kind == checkpoint_kind) {
      plan->changes.push_back({table::checkpoints, ordered(lsn), std::string{bytes}});
    } else {
      auto& part = parts[record->header.run];
      part.records.push_back({lsn, bytes});
      part.seqs.push_back(record->header.seq);
    }
    return true;
  });
  if (records == 0) next = before;  // a hole at the log's beginning
  copier to{view, *plan, packer_, options_.chunk_bytes};
  for (auto& [run, part] : parts) to.copy_run(run, std::move(part));
  plan->after.archived_lsn = next;
  keep_removals(view, *plan, std::move(removals), options_.kept_removals);
  // In the order of keys the tables are written page by page.
  std::stable_sort(plan->changes.begin(), plan->changes.end(), [](const auto& a, const auto& b) { return a.in < b.in; });
  return plan;
}

}  // namespace perdure::persistence
