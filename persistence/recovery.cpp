// Opening a journal: the head, the counts, and the records whose rows may not be stored yet.
#include "core/assert.hpp"
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
        if (const auto run = run_at_end(damaged->key())) damaged_[*run] = value_number(damaged->value());
      }
      overlay_.set_counts(stored_counts(*view, head_));
    }
    last_lsn_ = head_.last_lsn;
    last_time_ = head_.last_time;
    was_closed_ = head_.closed != 0;
    const auto damaged_before = damaged_;
    redo(head_.redo_lsn, head_.last_lsn);
    if (options_.read_only) return {};
    store_->keep_reserve();
    head_.closed = 0;
    if (stored && !was_closed_ && damaged_ == damaged_before) return {};
    // From here on the journal counts as open: a node that dies before its first commit has died with runs in its hands.
    const std::lock_guard writing{writing_};
    return commit_other([&](write_batch& batch, store_head&) {
      if (!stored) batch.put(table::meta, format_key, format_value(first_store_format));
      for (const auto& [run, lsn] : damaged_) batch.put(table::damaged, run_key(run), number_value(lsn));
    });
  } catch (const store_failure& failure) {
    return failure.why();
  }
}

/// Reads the log again and brings the rows up to it. Rows that were stored after a record was written have it already.
void stored_journal::redo(lsn_t from, lsn_t to) {
  lsn_t next = from;
  while (next <= to) {
    const auto view = store_->view();
    const auto renew_at = next + limits::reader_records;
    const auto before = next;
    view->each_log(next, [&](lsn_t lsn, std::string_view bytes) {
      if (lsn > to || lsn >= renew_at) return false;
      redo_record(lsn, bytes, *view);
      next = lsn + 1;
      return true;
    });
    if (next == before) next = renew_at;  // a hole: verify names it, here the rest counts
  }
}

void stored_journal::redo_record(lsn_t lsn, std::string_view bytes, read_view& view) {
  ++redone_records_;
  const auto decoded = decode_record(lsn, bytes);
  if (!decoded) {
    if (const auto run = guess_run(bytes)) note_damage(*run, lsn);
    return;
  }
  const auto& record = decoded->header;
  if (is_ledger(record.kind)) return;
  auto* entry = overlay_.find(record.run);
  if (entry == nullptr) {
    overlay::map made;
    auto& fresh = made[record.run];
    fresh.row.facts.id = record.run;
    const auto stored = view.get(table::rows, run_key(record.run));
    if (auto row = stored ? decode_row(record.run, *stored) : result<projected_row>{projected_row{}}; !row) {
      note_damage(record.run, lsn);
      return;
    } else if (stored) {
      fresh.stored = stored_form::of(row->head);
      fresh.row = std::move(*row);
    } else {
      // A run whose beginning is damaged gets a row too: it has to be seen to be dealt with.
      auto facts =
          record.seq == 1 ? project_first(decoded->copy(), lsn, blobs_.get()) : result<run_facts>{error{errc::corrupt, {}}};
      if (!facts && record.seq == 1) facts = project_first(decoded->copy(), lsn, nullptr);
      if (facts) fresh.row.facts = std::move(*facts);
    }
    if (fresh.row.head.lsn >= lsn) return;
    entry = &overlay_.adopt(made.extract(record.run));
  }
  auto& head = entry->row.head;
  if (head.lsn >= lsn) return;
  if (record.seq != head.seq + 1 || record.previous != head.lsn) note_damage(record.run, lsn);
  overlay_.publish(*entry, project(record, lsn, head), lsn);
}

/// Reads and appends of the run are refused; `verify` says more.
void stored_journal::note_damage(const run_id& run, lsn_t lsn) { damaged_.try_emplace(run, lsn); }

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
