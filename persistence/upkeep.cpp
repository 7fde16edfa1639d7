#include "persistence/upkeep.hpp"

#include <algorithm>

#include "persistence/blob_references.hpp"

namespace perdure::persistence {

namespace {

/// The log may grow to so many times what begins archiving before archiving hurries.
constexpr std::uint64_t urgent_factor = 2;

store_head read_head(read_view& view) {
  const auto bytes = view.get(table::meta, head_key);
  const auto head = bytes ? decode_head(*bytes) : std::nullopt;
  if (!head) throw store_failure{{errc::corrupt, "the head of the journal is damaged"}};
  return *head;
}

/// Time of the first event from an LSN on; what the journal wrote of itself is no event.
std::optional<timestamp> first_event(read_view& view, lsn_t from, lsn_t before) {
  std::optional<timestamp> time;
  view.each_log(from, [&](lsn_t lsn, std::string_view bytes) {
    if (lsn >= before) return false;
    const auto record = decode_record(lsn, bytes);
    if (!record || !is_ledger(record->header.kind)) time = record ? record->header.time : timestamp::min();
    return !time;
  });
  return time;
}

}  // namespace

std::unique_ptr<prepared_upkeep> upkeep_planner::plan(timestamp now, std::uint64_t ended_runs, bool short_of_room) {
  // A little more than the grace, so that what was freed just now is old enough then.
  const auto after_grace = options_.blob_grace + options_.blob_grace / 16;
  if (!noted_at_) noted_at_ = now;
  if (auto chosen = choose(now, ended_runs, short_of_room)) {
    if (!chosen->records.empty() && chosen->removed.empty()) noted_at_ = now;
    if (chosen->frees_blobs) {
      sweep_again_ = sweep_at_.has_value();
      if (!sweep_at_) sweep_at_ = now + after_grace;
    }
    return chosen;
  }
  if (sweep_at_ && *sweep_at_ <= now) {
    sweep_at_ = std::exchange(sweep_again_, false) ? std::optional{now + after_grace} : std::nullopt;
    sweep_blobs();
  }
  return nullptr;
}

std::unique_ptr<prepared_upkeep> upkeep_planner::choose(timestamp now, std::uint64_t ended, bool short_of_room) {
  const auto log_bytes = store_.log_bytes();
  auto view = store_.view();
  const auto head = read_head(*view);
  const auto archive = read_archive_head(*view);
  const auto waiting = archive.archived_lsn - archive.first_lsn;
  const auto ready = std::min(head.redo_lsn, head.last_lsn + 1);
  std::unique_ptr<prepared_upkeep> plan;
  if (waiting >= options_.cut_records) {
    plan = cut(archive);
  } else if (wants_checkpoint(*view, archive, head.last_lsn, now)) {
    view.reset();
    plan = note(archive, head.last_lsn, now);
  } else if ((plan = remove(*view, archive, now, ended)) != nullptr) {
    // Removing comes before copying: it makes room.
  } else if (wants_archive(*view, archive, ready, now, ended, log_bytes, short_of_room)) {
    const auto covered = archive.checkpoint_through + 1;
    if (archive.archived_lsn < covered) {
      plan = copy(*view, archive, std::min(ready, covered));
    } else {
      view.reset();
      plan = note(archive, ready - 1, now);
    }
  } else if (waiting > 0) {
    plan = cut(archive);
  }
  if (plan != nullptr) {
    plan->urgent = short_of_room || head.last_lsn + 1 - archive.first_lsn > urgent_factor * options_.archive.log_records ||
                   log_bytes > urgent_factor * options_.archive.log_bytes;
  }
  return plan;
}

bool upkeep_planner::wants_checkpoint(read_view& view, const archive_head& archive, lsn_t last, timestamp now) {
  if (last - archive.checkpoint_through >= options_.checkpoint_records) return true;
  return now - *noted_at_ >= options_.checkpoint_interval && first_event(view, archive.checkpoint_through + 1, last + 1);
}

/// `ready`: the rows of all records before it are stored.
bool upkeep_planner::wants_archive(read_view& view, const archive_head& archive, lsn_t ready, timestamp now, std::uint64_t ended,
                                   std::size_t log_bytes, bool short_of_room) {
  const auto first = first_event(view, archive.archived_lsn, ready);
  // What the journal wrote of itself is no reason: archiving it would write more of that.
  if (!first) return archiving_ = false;
  const auto& keep = options_.retention;
  const auto in_log = ended - std::min(ended, archive.ended_runs + archive.skipped_runs);
  if (due_in_log_) return true;
  // Removing all that have left it would still leave too many.
  if (keep.ended_runs != 0 && in_log > keep.ended_runs) return true;
  if (in_log > 0 && keep.age > duration{0} && now - *first >= keep.age) return true;
  const auto left = ready - archive.archived_lsn;
  const auto share = archiving_ ? 2U : 1U;
  archiving_ = short_of_room || left > options_.archive.log_records / share || log_bytes > options_.archive.log_bytes / share;
  return archiving_;
}

std::unique_ptr<prepared_upkeep> upkeep_planner::cut(const archive_head& archive) const {
  auto plan = std::make_unique<prepared_upkeep>("cut");
  plan->before = plan->after = archive;
  plan->after.first_lsn = std::min<lsn_t>(archive.archived_lsn, archive.first_lsn + options_.cut_records);
  plan->cut_through = plan->after.first_lsn - 1;
  return plan;
}

/// A checkpoint of what came since the last one, as far as one may reach.
std::unique_ptr<prepared_upkeep> upkeep_planner::note(const archive_head& archive, lsn_t last, timestamp now) const {
  checkpoint what;
  what.first = archive.checkpoint_through + 1;
  what.through = std::min(last, archive.checkpoint_through + options_.checkpoint_records);
  checkpoint_digest digest;
  for (auto next = what.first; next <= what.through;) {
    const auto view = store_.view();
    const auto began_at = next;
    view->each_log(next, [&](lsn_t lsn, std::string_view bytes) {
      if (lsn > what.through || lsn >= began_at + limits::reader_records) return false;
      digest.add(lsn, bytes);
      next = lsn + 1;
      return true;
    });
    if (next == began_at) next += limits::reader_records;  // a hole, which `verify` names
  }
  what.digest = digest.finish();
  auto plan = std::make_unique<prepared_upkeep>("checkpoint");
  plan->before = plan->after = archive;
  plan->more = what.through < last;
  plan->records.push_back(checkpoint_record(archive.checkpoint + 1, archive.checkpoint_lsn, archive.checkpoint_hash, what, now));
  plan->after.checkpoint = archive.checkpoint + 1;
  plan->after.checkpoint_through = what.through;
  plan->after.checkpoint_hash = plan->records.back().hash;
  return plan;
}

/// Deletes blobs that no record refers to: those whose runs were removed, and those that were written for an event which then
/// was never recorded. One that was put or touched lately may belong to an event that is on its way.
void upkeep_planner::sweep_blobs() const {
  auto candidates = blobs_.untouched_for(options_.blob_grace);
  if (candidates.empty()) return;
  {
    const auto view = store_.view();
    std::erase_if(candidates, [&](const core::digest& hash) {
      const auto at = view->walk(table::blob_refs);
      return at->seek(raw_view(hash)) && at->key().starts_with(raw_view(hash));
    });
  }
  std::sort(candidates.begin(), candidates.end());
  std::vector<core::digest> used;
  lsn_t next = 0;
  for (bool more = !candidates.empty(); more;) {
    more = false;
    const auto view = store_.view();
    std::size_t seen = 0;
    view->each_log(next, [&](lsn_t lsn, std::string_view bytes) {
      if (const auto record = decode_record(lsn, bytes); record && !is_ledger(record->header.kind))
        add_blob_references(*record, used);
      next = lsn + 1;
      more = ++seen == limits::reader_records;
      return !more;
    });
  }
  std::sort(used.begin(), used.end());
  for (const auto& hash : candidates) {
    if (!std::binary_search(used.begin(), used.end(), hash)) blobs_.remove(hash, options_.blob_grace);
  }
}

}  // namespace perdure::persistence
