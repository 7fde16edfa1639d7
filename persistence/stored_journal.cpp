#include "persistence/stored_journal.hpp"

#include "core/assert.hpp"
#include "persistence/snapshot_format.hpp"

namespace perdure::persistence {

namespace {

/// Items that go into one commit: as many as the limits let in, at least one.
std::size_t chunk_of(std::span<const append_item> items) {
  std::size_t records = 0, bytes = 0, taken = 0;
  for (const auto& item : items) {
    records += item.records.size();
    for (const auto& record : item.records) bytes += record.bytes.size();
    if (item.snapshot) bytes += item.snapshot->second.size();
    if (taken > 0 && (records > limits::commit_records || bytes > limits::commit_bytes)) break;
    ++taken;
  }
  return taken;
}

/// Time a slice may take while there is no hurry: short beside the commit it rides in.
constexpr std::chrono::milliseconds relaxed_slice{1};

/// Room that is left for cancels and ends of runs even where the percents of a small map come to less: a commit needs pages for
/// everything on its way to the root, and those it frees can be used again two commits later.
constexpr std::size_t least_reserve_bytes = std::size_t{256} << 10;

error io_error(const std::string& problem) { return {errc::io_error, "the journal could not be written: " + problem}; }
error full_error() { return {errc::disk_full, "the journal is full: no room for the commit"}; }

}  // namespace

stored_journal::stored_journal(std::unique_ptr<store> below, std::unique_ptr<blob_store> blobs, journal_options options)
    : store_(std::move(below)), blobs_(std::move(blobs)), options_(options), admission_(overlay_, *store_, *blobs_, damage_),
      flusher_(overlay_), planner_(*store_, *blobs_, options_.upkeep) {
  overlay_.reserve(options_.reserved_rows);
}

std::vector<verdict> stored_journal::append(std::span<append_item> items, upkeep_plan* along) {
  std::vector<verdict> verdicts(items.size());
  auto* plan = dynamic_cast<prepared_upkeep*>(along);
  PERDURE_ASSERT((plan != nullptr) == (along != nullptr));
  const std::lock_guard writing{writing_};
  for (std::size_t from = 0; from < items.size() || plan != nullptr; plan = nullptr) {
    const auto size = chunk_of(items.subspan(from));
    const auto answers = std::span{verdicts}.subspan(from, size);
    try {
      append_chunk(items.subspan(from, size), answers, plan);
    } catch (const store_failure& failure) {
      fatal_ = true;
      admission_.drop();
      flusher_.dropped();
      for (auto& answer : answers) answer = {failure.why()};
      if (plan != nullptr) plan->outcome = failure.why();
    }
    from += size;
  }
  return verdicts;
}

/// Tries with everything; then, when there was no room, without rows and background work; then with the essential items alone.
void stored_journal::append_chunk(std::span<append_item> items, std::span<verdict> verdicts, prepared_upkeep* along) {
  if (!items.empty()) begin_round_when_due();
  bool with_slice = !items.empty() && flusher_.running() && space().steps;  // rows can wait; what is left belongs to cancels
  bool essential_only = false;
  while (true) {
    const bool any = admit_all(items, verdicts, essential_only);
    if (along != nullptr && (along->outcome = why_not_now(*along))) along = nullptr;
    if (!any && along == nullptr) return;
    auto head = head_;
    std::string problem;
    auto outcome = write(head, with_slice, along, problem);
    if (outcome == write_result::full && (with_slice || along != nullptr || !essential_only)) {
      admission_.drop();
      flusher_.dropped();
      essential_only = !with_slice && along == nullptr;
      with_slice = false;
      if (along != nullptr) std::exchange(along, nullptr)->outcome = full_error();
      continue;
    }
    if (outcome == write_result::full && store_->release_reserve()) {
      admission_.drop();
      continue;
    }
    if (outcome == write_result::failed) {
      // The node has to stop either way. What is in the store decides what is answered before it does.
      fatal_ = true;
      if (is_stored(head, along)) outcome = write_result::done;
    }
    if (outcome == write_result::done) {
      for (const auto& [item, first_place] : admission_.planned()) {
        auto& answer = verdicts[static_cast<std::size_t>(item - items.data())];
        answer.first_lsn = admission_.places()[first_place].lsn;
      }
      make_visible(head, along);
      if (along != nullptr) along->outcome = result<void>{};
    } else {
      const auto why = outcome == write_result::full ? full_error() : io_error(problem);
      for (const auto& planned : admission_.planned()) verdicts[static_cast<std::size_t>(planned.item - items.data())] = {why};
      if (along != nullptr) along->outcome = why;
      flusher_.dropped();
    }
    admission_.drop();
    return;
  }
}

std::optional<error> stored_journal::why_not_writable() const {
  if (options_.read_only) return error{errc::unsupported, "the journal is open for reading only"};
  if (fatal_) return error{errc::io_error, "the journal has failed before and must be opened anew"};
  return std::nullopt;
}

/// Says whether there is something to write.
bool stored_journal::admit_all(std::span<append_item> items, std::span<verdict> verdicts, bool essential_only) {
  const auto room = space();
  admission_.begin(head_.last_lsn + 1, room);
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto& item = items[i];
    if (auto why = why_not_writable()) {
      verdicts[i] = {std::move(why)};
    } else if (essential_only && !item.essential) {
      verdicts[i] = {full_error()};
    } else {
      const auto epoch = epochs_.find(item.shard);
      verdicts[i] = admission_.admit(item, epoch == epochs_.end() ? 0 : epoch->second);
    }
  }
  admission_.end();
  return !admission_.planned().empty();
}

/// A record is archived only when its row is stored, so rounds are as short as the log is to be: a journal that is never idle
/// would not begin to archive before its overlay is half full.
void stored_journal::begin_round_when_due() {
  if (flusher_.running()) return;
  const auto& upkeep = options_.upkeep;
  auto most_rows = options_.overlay_rows / 2;
  if (upkeep.retention.ended_runs != 0)
    most_rows = std::min(most_rows, std::max<std::size_t>(upkeep.retention.ended_runs, options_.flush_rows));
  const auto most_records = std::min(options_.redo_records, upkeep.archive.log_records) / 2;
  const auto tail = head_.last_lsn + 1 - head_.redo_lsn;
  if (tail > most_records || overlay_.size() > most_rows) flusher_.start(head_.last_lsn + 1);
}

slice_limits stored_journal::slice_now() const {
  const bool hurry = head_.last_lsn + 1 - head_.redo_lsn > options_.redo_records || overlay_.size() > options_.overlay_rows;
  if (!options_.timed_slices) return {options_.flush_rows};
  return {options_.flush_rows, hurry ? limits::flush_time : relaxed_slice};
}

write_result stored_journal::write(store_head& head, bool with_slice, prepared_upkeep* along, std::string& problem) {
  const auto batch = store_->begin();
  for (const auto& [item, first_place] : admission_.planned()) {
    for (std::size_t i = 0; i < item->records.size(); ++i) {
      const auto& record = item->records[i];
      const auto& place = admission_.places()[first_place + i];
      if (char* room = batch->log(place.lsn, encoded_size(record, place))) encode_record(record, place, room);
    }
    if (item->snapshot) put_snapshot(*batch, item->run, item->snapshot->first, item->snapshot->second);
  }
  if (with_slice) flusher_.write(*batch, head, slice_now());
  head.last_lsn = admission_.next_lsn() - 1;
  head.last_time = std::max<std::int64_t>(head.last_time, admission_.last_time().time_since_epoch().count());
  head.closed = 0;
  if (along != nullptr) fill_upkeep(*batch, *along, head);
  batch->put(table::meta, head_key, encode_head(head));
  const auto outcome = batch->commit();
  if (outcome != write_result::done) problem = batch->problem();
  return outcome;
}

void stored_journal::make_visible(const store_head& head, const prepared_upkeep* along) {
  for (const auto& [item, first_place] : admission_.planned()) {
    for (std::size_t i = 0; i < item->records.size(); ++i) {
      item->records[i].lsn = admission_.places()[first_place + i].lsn;
      item->records[i].previous = admission_.places()[first_place + i].previous;
    }
  }
  const std::unique_lock index{index_};
  admission_.publish();
  flusher_.committed();
  if (along != nullptr) {
    overlay_.removed(along->removed.size());
    archive_ = along->after;
    knows_format_ = true;
  }
  head_ = head;
  last_lsn_ = head.last_lsn;
  last_time_ = head.last_time;
}

/// Says whether a commit that failed was made durable all the same.
bool stored_journal::is_stored(const store_head& head, const prepared_upkeep* along) const {
  try {
    const auto view = store_->view();
    const auto bytes = view->get(table::meta, head_key);
    const auto stored = bytes ? decode_head(*bytes) : std::nullopt;
    return stored && stored->last_lsn == head.last_lsn && (along == nullptr || read_archive_head(*view) == along->after);
  } catch (const store_failure&) {
    return false;
  }
}

/// A commit without records. Needs `writing_`.
result<void> stored_journal::commit_other(const std::function<void(write_batch&, store_head&)>& fill, bool may_use_reserve) {
  if (auto why = why_not_writable()) return *why;
  try {
    auto head = head_;
    const auto batch = store_->begin();
    fill(*batch, head);
    batch->put(table::meta, head_key, encode_head(head));
    const auto outcome = batch->commit();
    if (outcome == write_result::full) {
      return may_use_reserve && store_->release_reserve() ? commit_other(fill, false) : result<void>{full_error()};
    }
    if (outcome == write_result::failed) {
      fatal_ = true;
      return io_error(batch->problem());
    }
    head_ = head;
    return {};
  } catch (const store_failure& failure) {
    fatal_ = true;
    return failure.why();
  }
}

result<void> stored_journal::flush() {
  const std::lock_guard writing{writing_};
  // The round that is under way leaves out rows that became dirty after its beginning, so another one may have to follow.
  while (head_.redo_lsn != head_.last_lsn + 1) {
    if (!flusher_.running()) flusher_.start(head_.last_lsn + 1);
    while (flusher_.running()) {
      if (!options_.read_only && !space().steps) return full_error();
      const auto written =
          commit_other([&](write_batch& batch, store_head& head) { flusher_.write(batch, head, {options_.flush_rows}); }, false);
      if (!written) {
        flusher_.dropped();
        return written.error();
      }
      const std::unique_lock index{index_};
      flusher_.committed();
    }
  }
  if (!options_.read_only) store_->keep_reserve();
  return {};
}

result<epoch_t> stored_journal::acquire(shard_id shard) {
  const std::lock_guard writing{writing_};
  const auto next = epochs_[shard] + 1;
  const auto written =
      commit_other([&](write_batch& batch, store_head&) { batch.put(table::meta, epoch_key(shard), number_value(next)); });
  if (!written) return written.error();
  epochs_[shard] = next;
  return next;
}

void stored_journal::mark_closed() {
  const std::lock_guard writing{writing_};
  // Whoever commits after this makes it untrue, so it must not stay in `head_`. When it cannot be written, the next open
  // reads the tail again, which is right too.
  if (commit_other([](write_batch&, store_head& head) { head.closed = 1; })) head_.closed = 0;
}

std::string to_text(const space& room) {
  const auto mib = [](std::size_t bytes) { return std::to_string(bytes >> 20U) + " MiB"; };
  return mib(room.free_disk_bytes) + " of the disk are free (new runs need " + mib(room.min_free_disk_bytes) +
         ", running work half of that: min_free_disk_bytes), and " + mib(room.used_bytes) + " of the journal's " +
         mib(room.map_bytes) + " are used. Make room; all goes on then";
}

persistence::space stored_journal::space() const {
  const auto now = store_->space();
  persistence::space space{now.used_bytes, now.map_bytes, now.free_disk_bytes, options_.min_free_disk_bytes};
  const auto within = [&](unsigned percent, std::size_t reserve) {
    return now.used_bytes * 100 < now.map_bytes * percent && now.used_bytes + reserve < now.map_bytes;
  };
  space.new_runs =
      within(limits::new_runs_used_percent, 2 * least_reserve_bytes) && now.free_disk_bytes >= options_.min_free_disk_bytes;
  space.steps =
      within(limits::steps_used_percent, least_reserve_bytes) && now.free_disk_bytes >= options_.min_free_disk_bytes / 2;
  return space;
}

result<void> stored_journal::put_inbox(std::string_view command) {
  const std::lock_guard writing{writing_};
  return commit_other([&](write_batch& batch, store_head&) {
    const auto last = batch.walk(table::inbox);
    const auto number = last->seek_before(std::string(9, '\xff')) ? number_of(last->key()) + 1 : 1;
    batch.put(table::inbox, ordered(number), command);
  });
}

result<void> stored_journal::drop_from_inbox(std::span<const std::uint64_t> numbers) {
  const std::lock_guard writing{writing_};
  return commit_other([&](write_batch& batch, store_head&) {
    for (const auto number : numbers) batch.erase(table::inbox, ordered(number));
  });
}

}  // namespace perdure::persistence
