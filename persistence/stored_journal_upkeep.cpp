// Carrying out what the planner made ready: one commit a plan.
#include "core/assert.hpp"
#include "persistence/stored_journal.hpp"

namespace perdure::persistence {

std::unique_ptr<upkeep_plan> stored_journal::plan_upkeep(timestamp now) {
  if (options_.read_only || fatal_) return nullptr;
  try {
    std::uint64_t ended = 0;
    {
      const std::shared_lock index{index_};
      ended = overlay_.counts().total - overlay_.counts().open;
    }
    return planner_.plan(now, ended, !space().new_runs);
  } catch (const store_failure&) {
    fatal_ = true;
    return nullptr;
  }
}

/// Nothing when the plan can be carried out with the items that are planned now. A plan is void, which is no error, when
/// another one was carried out since, or when a run that it removes is being written to.
std::optional<result<void>> stored_journal::why_not_now(const prepared_upkeep& plan) const {
  if (auto why = why_not_writable()) return *why;
  if (plan.before != archive_) return result<void>{};
  for (const auto& run : plan.removed) {
    if (overlay_.find(run) != nullptr || admission_.touches(run)) return result<void>{};
  }
  return std::nullopt;
}

/// Its records come after those of the items.
void stored_journal::fill_upkeep(write_batch& batch, prepared_upkeep& plan, store_head& head) const {
  const auto began = std::chrono::steady_clock::now();
  if (!knows_format_) batch.put(table::meta, format_key, format_value(store_format));
  const bool all_stored = head.redo_lsn == head.last_lsn + 1;
  for (auto& record : plan.records) {
    const record_place place{head.last_lsn + 1, record.previous, 0};
    if (char* room = batch.log(place.lsn, encoded_size(record, place))) encode_record(record, place, room);
    if (record.kind == checkpoint_kind) plan.after.checkpoint_lsn = place.lsn;
    head.last_lsn = place.lsn;
    head.last_time = std::max<std::int64_t>(head.last_time, record.time.time_since_epoch().count());
  }
  if (all_stored) head.redo_lsn = head.last_lsn + 1;  // these records make no rows
  for (const auto& change : plan.changes) {
    if (change.value) {
      batch.put(change.in, change.key, *change.value);
    } else if (!change.only_of ||
               batch.get(change.in, change.key).value_or(std::string_view{}).starts_with(run_key(*change.only_of))) {
      batch.erase(change.in, change.key);
    }
  }
  if (plan.cut_through != 0) batch.cut_log(plan.cut_through);
  PERDURE_ASSERT(plan.after.archived_lsn <= head.redo_lsn && plan.after.first_lsn <= plan.after.archived_lsn);
  head.total_runs -= plan.removed.size();
  batch.put(table::meta, archive_key, encode_archive_head(plan.after));
  plan.took = std::chrono::steady_clock::now() - began;
}

std::optional<checkpoint_place> stored_journal::newest_checkpoint() const {
  return reading(std::optional<checkpoint_place>{}, [&]() -> std::optional<checkpoint_place> {
    const auto view = store_->view();
    const auto archive = read_archive_head(*view);
    if (archive.checkpoint == 0) return std::nullopt;
    checkpoint_place place{archive.checkpoint_lsn, archive.checkpoint_through, {}, archive.checkpoint_hash};
    auto bytes = view->log(place.lsn);
    if (!bytes) bytes = view->get(table::checkpoints, ordered(place.lsn));
    if (const auto record = bytes ? decode_record(place.lsn, *bytes) : result<record_view>{error{errc::not_found, {}}})
      place.time = record->header.time;
    return place;
  });
}

archive_figures stored_journal::archive(bool with_sizes) const {
  archive_figures figures;
  archive_head archive;
  {
    const std::shared_lock index{index_};
    archive = archive_;
    figures.log_records = last_lsn_ + 1 - archive.first_lsn;
  }
  figures.first_lsn = archive.first_lsn;
  figures.archived_records = archive.records;
  figures.archived_chunks = archive.chunks;
  figures.archived_bytes = archive.bytes;
  figures.archived_raw_bytes = archive.raw_bytes;
  figures.removed_runs = archive.removed_runs;
  figures.removed_records = archive.removed_records;
  if (!with_sizes) return figures;
  try {
    figures.log_bytes = store_->log_bytes();
    figures.free_bytes = store_->free_bytes();
  } catch (const store_failure&) {
    fatal_ = true;
  }
  return figures;
}

}  // namespace perdure::persistence
