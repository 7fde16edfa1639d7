// Opening a journal: the head, the counts, and the records whose rows may not be stored yet.
#include "core/assert.hpp"
#include "persistence/salvage.hpp"
#include "persistence/stored_journal.hpp"

namespace perdure::persistence {

result<std::unique_ptr<stored_journal>> stored_journal::open(std::unique_ptr<store> below, std::unique_ptr<blob_store> blobs,
                                                             journal_options options) {
  auto journal = std::unique_ptr<stored_journal>{new stored_journal{std::move(below), std::move(blobs), options}};
  if (auto recovered = journal->recover(); !recovered) return recovered.error();
  return journal;
}

result<void> stored_journal::recover() {
  try {
    std::optional<store_head> stored;
    {
      const auto view = store_->view();
      const auto format = view->get(table::meta, format_key);
      if (format && byte_reader{*format}.number<std::uint32_t>() > store_format) {
        return error{errc::newer_format, "the journal was written by a newer version (format " +
                                             std::to_string(byte_reader{*format}.number<std::uint32_t>()) +
                                             "); nothing was changed"};
      }
      if (const auto bytes = view->get(table::meta, head_key)) {
        stored = decode_head(*bytes);
        if (!stored) return error{errc::corrupt, "the head of the journal is damaged"};
      }
      if (!stored && (options_.read_only || format)) return error{errc::corrupt, "the journal has no head"};
      head_ = stored.value_or(store_head{});
      archive_ = read_archive_head(*view);
      knows_format_ = format && byte_reader{*format}.number<std::uint32_t>() == store_format;
      const auto meta = view->walk(table::meta);
      for (bool more = meta->seek(epoch_prefix); more && meta->key().starts_with(epoch_prefix); more = meta->next()) {
        byte_reader key{meta->key().substr(epoch_prefix.size())};
        epochs_[key.number<shard_id>()] = value_number(meta->value());
      }
      const auto damaged = view->walk(table::damaged);
      for (bool more = damaged->seek({}); more; more = damaged->next()) {
        if (const auto run = run_at_end(damaged->key())) damage_.note(*run, value_number(damaged->value()));
      }
      overlay_.set_counts(stored_counts(*view, head_));
    }
    last_lsn_ = head_.last_lsn;
    last_time_ = head_.last_time;
    was_closed_ = head_.closed != 0;
    const auto damaged_before = damage_.noted();
    auto damaged_tail = redo(head_.redo_lsn, head_.last_lsn);
    settle_damage(damaged_tail);
    if (options_.read_only) return {};
    store_->keep_reserve();
    head_.closed = 0;
    if (stored && !was_closed_ && damage_.noted() == damaged_before) return {};
    // From here on the journal counts as open: a node that dies before its first commit has died with runs in its hands.
    const std::lock_guard writing{writing_};
    return commit_other([&](write_batch& batch, store_head&) {
      if (!stored) batch.put(table::meta, format_key, format_value(first_store_format));
      for (const auto& [run, lsn] : damage_.noted()) batch.put(table::damaged, run_key(run), number_value(lsn));
    });
  } catch (const store_failure& failure) {
    return failure.why();
  }
}

/// Reads the log again and brings the rows up to it. Rows that were stored after a record was written have it already.
/// Gives the damaged records.
stored_journal::damaged_records stored_journal::redo(lsn_t from, lsn_t to) {
  damaged_records damaged;
  lsn_t next = from;
  while (next <= to) {
    const auto view = store_->view();
    const auto renew_at = next + limits::reader_records;
    const auto before = next;
    view->each_log(next, [&](lsn_t lsn, std::string_view bytes) {
      if (lsn > to || lsn >= renew_at) return false;
      redo_record(lsn, bytes, *view, damaged);
      next = lsn + 1;
      return true;
    });
    if (next == before) next = renew_at;  // a hole: verify names it, here the rest counts
  }
  return damaged;
}

void stored_journal::redo_record(lsn_t lsn, std::string_view bytes, read_view& view, damaged_records& damaged) {
  ++redone_records_;
  const auto decoded = decode_record(lsn, bytes);
  if (!decoded) {
    damaged.emplace(lsn, damaged_record{std::string{bytes}, guess_run(bytes)});
    return;
  }
  const auto& record = decoded->header;
  if (is_ledger(record.kind)) return;
  const auto missing = claim_damaged(record, damaged);
  auto* entry = overlay_.find(record.run);
  if (entry == nullptr) {
    overlay::map made;
    auto& fresh = made[record.run];
    const auto stored = view.get(table::rows, run_key(record.run));
    if (auto row = stored ? decode_row(record.run, *stored) : result<projected_row>{projected_row{}}; !row) {
      damage_.note(record.run, lsn);
      return;
    } else if (stored) {
      fresh.stored = stored_form::of(row->head);
      fresh.row = kept_row{std::move(*row)};
    } else if (record.seq == 1) {
      auto facts = project_first(decoded->copy(), lsn, blobs_.get());
      if (!facts) facts = project_first(decoded->copy(), lsn, nullptr);
      if (facts) fresh.row = kept_row{{std::move(*facts), {}}};
    } else {
      // A run whose beginning is damaged gets a row too: it has to be seen to be dealt with.
      fresh.row = kept_row{{facts_of_damaged(record.run, missing.value_or(record.previous), damaged), {}}};
    }
    if (fresh.row.head.lsn >= lsn) return;
    entry = &overlay_.adopt(made.extract(record.run));
  }
  auto& head = entry->row.head;
  if (head.lsn >= lsn) return;
  if (record.seq != head.seq + 1 || record.previous != head.lsn) damage_.note(record.run, missing.value_or(lsn));
  overlay_.publish(record.run, *entry, project(record, lsn, head), lsn);
}

/// The damaged records that a sound one follows on are of its run, whatever they say. Gives the first of these.
std::optional<lsn_t> stored_journal::claim_damaged(const core::record& record, damaged_records& damaged) {
  std::optional<lsn_t> first;
  if (damaged.empty()) return first;
  for (auto at = damaged.find(record.previous); at != damaged.end();) {
    at->second.run = record.run;
    first = at->first;
    const auto salvaged = salvage_record(at->first, at->second.bytes);
    const auto before = salvaged ? damaged.find(salvaged->header.previous) : damaged.end();
    at = before != damaged.end() && before->first < at->first ? before : damaged.end();
  }
  return first;
}

run_facts stored_journal::facts_of_damaged(const run_id& run, lsn_t first, const damaged_records& damaged) {
  for (const auto& [lsn, each] : damaged) {
    if (each.run == run) return salvage_row(run, lsn, salvage_record(lsn, each.bytes)).facts;
  }
  return salvage_row(run, first, std::nullopt).facts;
}

/// Each damaged run gets a row, when it has none, so that it is listed and its id taken; and keeps its key, when what is
/// damaged is the record that has it. Of a journal's own records there is nothing to keep.
void stored_journal::settle_damage(const damaged_records& tail) {
  for (const auto& [lsn, each] : tail) {
    const auto salvaged = salvage_record(lsn, each.bytes);
    if (each.run && !(salvaged && is_ledger(salvaged->header.kind))) {
      damage_.note(*each.run, lsn);
    } else {
      damage_.note(run_id{}, lsn);
    }
  }
  for (const auto& [run, lsn] : damage_.noted()) {
    if (run.is_nil()) continue;
    const auto view = store_->view();
    auto bytes = view->log(lsn);
    if (!bytes) bytes = view->get(table::remains, ordered(lsn));
    const bool is_damaged = bytes && !decode_record(lsn, *bytes);
    const auto salvaged = is_damaged ? salvage_record(lsn, *bytes) : std::nullopt;
    if (is_damaged && (!salvaged || salvaged->may_be_first)) damage_.hold_key(run, lsn, *bytes);
    if (overlay_.find(run) != nullptr || view->get(table::rows, run_key(run))) continue;
    auto row = salvage_row(run, lsn, salvaged);
    const auto head = std::exchange(row.head, {});
    overlay::map made;
    made[run].row = kept_row{std::move(row)};
    overlay_.publish(run, overlay_.adopt(made.extract(run)), head, lsn);
  }
}

run_counts stored_journal::stored_counts(read_view& view, const store_head& head) const {
  run_counts counts;
  counts.total = head.total_runs;
  counts.open = head.open_runs;
  const auto at = view.walk(table::tenants);
  for (bool more = at->seek({}); more; more = at->next()) {
    if (at->value().size() >= sizeof(std::uint64_t)) {
      counts.open_of_tenant.emplace(at->value().substr(sizeof(std::uint64_t)), value_number(at->value()));
    }
  }
  return counts;
}

}  // namespace perdure::persistence
