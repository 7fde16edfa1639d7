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

/// A plan is void when another one was carried out since, or when a run that it removes is being written to.
bool stored_journal::still_fits(const prepared_upkeep& plan) const {
  if (plan.before != archive_) return false;
  for (const auto& run : plan.removed) {
    if (overlay_.find(run) != nullptr) return false;
  }
  return true;
}

result<void> stored_journal::commit_upkeep(upkeep_plan& what) {
  auto* plan = dynamic_cast<prepared_upkeep*>(&what);
  PERDURE_ASSERT(plan != nullptr);
  const std::lock_guard writing{writing_};
  if (options_.read_only) return error{errc::unsupported, "the journal is open for reading only"};
  if (fatal_) return error{errc::io_error, "the journal has failed before and must be opened anew"};
  if (!still_fits(*plan)) return {};
  try {
    auto head = head_;
    std::string problem;
    auto outcome = write_upkeep(*plan, head, problem);
    if (outcome == write_result::full) return error{errc::disk_full, "no room for a commit of the background work"};
    if (outcome == write_result::failed) {
      // As with an append: the node has to stop, and what is stored decides what is seen until then.
      fatal_ = true;
      const auto view = store_->view();
      if (read_archive_head(*view) != plan->after) return error{errc::io_error, "the journal could not be written: " + problem};
    }
    const std::unique_lock index{index_};
    overlay_.removed(plan->removed.size());
    archive_ = plan->after;
    head_ = head;
    last_lsn_ = head.last_lsn;
    last_time_ = head.last_time;
    knows_format_ = true;
    return {};
  } catch (const store_failure& failure) {
    fatal_ = true;
    return failure.why();
  }
}

write_result stored_journal::write_upkeep(prepared_upkeep& plan, store_head& head, std::string& problem) {
  const auto batch = store_->begin();
  if (!knows_format_) batch->put(table::meta, format_key, format_value(store_format));
  const bool all_stored = head.redo_lsn == head.last_lsn + 1;
  for (auto& record : plan.records) {
    const record_place place{head.last_lsn + 1, record.previous, 0};
    if (char* room = batch->log(place.lsn, encoded_size(record, place))) encode_record(record, place, room);
    if (record.kind == checkpoint_kind) plan.after.checkpoint_lsn = place.lsn;
    head.last_lsn = place.lsn;
    head.last_time = std::max<std::int64_t>(head.last_time, record.time.time_since_epoch().count());
  }
  if (all_stored) head.redo_lsn = head.last_lsn + 1;  // these records make no rows
  for (const auto& change : plan.changes) {
    if (change.value) {
      batch->put(change.in, change.key, *change.value);
    } else {
      batch->erase(change.in, change.key);
    }
  }
  if (plan.cut_through != 0) batch->cut_log(plan.cut_through);
  PERDURE_ASSERT(plan.after.archived_lsn <= head.redo_lsn && plan.after.first_lsn <= plan.after.archived_lsn);
  head.total_runs -= plan.removed.size();
  head.closed = 0;
  batch->put(table::meta, archive_key, encode_archive_head(plan.after));
  batch->put(table::meta, head_key, encode_head(head));
  const auto outcome = batch->commit();
  if (outcome != write_result::done) problem = batch->problem();
  return outcome;
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
