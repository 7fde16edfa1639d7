// Look-ups of a journal: overlay ∪ store.
#include <algorithm>

#include "persistence/salvage.hpp"
#include "persistence/snapshot_format.hpp"
#include "persistence/stored_journal.hpp"

namespace perdure::persistence {

namespace {

/// Entries looked at under one lock and one view.
constexpr std::size_t page_entries = limits::reader_records;

/// Given to whoever asks for a record that a link leads to and that is not the one meant.
error broken_link(const run_id& run, lsn_t lsn) {
  return {errc::corrupt,
          "record " + std::to_string(lsn) + " of run " + run.str() + " is missing or not what the journal says it is"};
}

/// How a scan shows a record that cannot be read.
core::record damaged_at(lsn_t lsn) {
  core::record damaged;
  damaged.kind = core::event_kind{};
  damaged.lsn = lsn;
  return damaged;
}

/// The ids at the ends of one table's keys with a common prefix, in order.
class id_stream {
 public:
  id_stream(read_view& view, table in, std::string prefix, std::optional<run_id> after, bool backwards)
      : cursor_(view.walk(in)), prefix_(std::move(prefix)), backwards_(backwards) {
    if (backwards_) {
      there_ = cursor_->seek_before(after ? prefix_ + std::string{run_key(*after)} : prefix_ + std::string(id_bytes + 1, '\xff'));
    } else {
      there_ = cursor_->seek(after ? prefix_ + std::string{run_key(*after)} + '\0' : prefix_);
    }
    take();
  }
  [[nodiscard]] const std::optional<run_id>& at() const { return at_; }
  void advance() {
    there_ = backwards_ ? cursor_->previous() : cursor_->next();
    take();
  }

 private:
  static constexpr std::size_t id_bytes = run_id{}.bytes.size();
  void take() {
    at_.reset();
    if (there_ && cursor_->key().size() == prefix_.size() + id_bytes && cursor_->key().starts_with(prefix_))
      at_ = run_at_end(cursor_->key());
  }

  std::unique_ptr<table_cursor> cursor_;
  std::string prefix_;
  bool backwards_;
  bool there_ = false;
  std::optional<run_id> at_;
};

}  // namespace

/// The newer of both: a store that another process writes to may be ahead of the overlay.
result<std::optional<projected_row>> stored_journal::look_up(const run_id& run) const {
  std::optional<projected_row> row;
  std::unique_ptr<read_view> view;
  {
    const std::shared_lock index{index_};
    if (const auto* entry = overlay_.find(run)) row = entry->row.whole(run);
    if (row && !options_.read_only) return row;
    view = store_->view();
  }
  if (const auto bytes = view->get(table::rows, run_key(run))) {
    auto stored = decode_row(run, *bytes);
    if (!stored) return stored.error();
    if (!row || row->head.seq < stored->head.seq) row = std::move(*stored);
  }
  return row;
}

std::optional<run_row> stored_journal::row(const run_id& run) const {
  return reading(std::optional<run_row>{}, [&]() -> std::optional<run_row> {
    const auto found = look_up(run);
    if (found && *found) return (*found)->to_row();
    if (found || found.error().code != errc::corrupt) return std::nullopt;
    const auto row = listed_row(*store_->view(), run);
    return row ? std::optional{row->to_row()} : std::nullopt;
  });
}

/// A stored row for look-ups. One that is damaged is not passed over: nobody would learn that the run is there.
std::optional<projected_row> stored_journal::listed_row(read_view& view, const run_id& run) const {
  const auto bytes = view.get(table::rows, run_key(run));
  if (!bytes) return std::nullopt;
  auto row = decode_row(run, *bytes);
  if (row) return std::move(*row);
  if (row.error().code != errc::corrupt) return std::nullopt;
  damage_.met(run, "its stored row is damaged");
  return salvage_row(run, *bytes);
}

std::optional<run_id> stored_journal::find_key(std::string_view scope, std::string_view key) const {
  return reading(std::optional<run_id>{}, [&]() -> std::optional<run_id> {
    const auto scoped = scoped_key(scope, key);
    std::optional<overlay::key_holder> holder;
    std::unique_ptr<read_view> view;
    {
      const std::shared_lock index{index_};
      holder = overlay_.key(scoped);
      view = store_->view();
    }
    constexpr auto id_bytes = run_id{}.bytes.size();
    if (const auto stored = view->get(table::keys, scoped); stored && stored->size() > id_bytes) {
      if (!holder || holder->first_lsn < value_number(stored->substr(id_bytes))) return run_at_end(stored->substr(0, id_bytes));
    }
    return holder ? std::optional{holder->run} : damage_.holder_of(scope, key);
  });
}

/// Why a record that a link leads to is not there: the run is gone, or it is damaged.
error stored_journal::not_there(const run_id& run, lsn_t lsn) const {
  const auto row = look_up(run);
  if (!row) return row.error();
  bool known = row->has_value();
  // A reader beside the writer may have the row in memory for ever; the log has a row's records until they are archived.
  if (known && options_.read_only) known = store_->view()->get(table::rows, run_key(run)).has_value();
  if (!known) return {errc::not_found, "run " + run.str() + " was removed"};
  return broken_link(run, lsn);
}

/// The archive has a run's first records and the log the rest. Between two views records may have moved from here to there.
result<std::vector<core::record>> stored_journal::read_run(const run_id& run, run_seq after, std::size_t limit) const {
  try {
    const auto row = look_up(run);
    if (!row) return row.error();
    if (!*row) return error{errc::not_found, "there is no run " + run.str()};
    if (damage_.is_noted(run)) return error{errc::corrupt, *damage_.of(run)};
    auto records = read_sound(**row, after, limit);
    if (!records && records.error().code == errc::corrupt) damage_.met(run, records.error().message);
    return records;
  } catch (const store_failure& failure) {
    fatal_ = true;
    return failure.why();
  }
}

result<std::vector<core::record>> stored_journal::read_sound(const projected_row& row, run_seq after, std::size_t limit) const {
  const auto& run = row.facts.id;
  std::vector<core::record> records;
  const auto seq = row.head.seq;
  if (after >= seq || limit == 0) return records;
  const auto last = limit < seq - after ? after + limit : seq;
  records.reserve(std::min<std::size_t>(last - after, limits::reader_records));
  while (true) {
    const auto done = after + records.size();
    const auto archived = [&] {
      const auto view = store_->view();
      const auto through = archived_through(*view, run);
      auto read = through > done ? read_archived(*view, run, done + 1, std::min(last, through), records) : result<void>{};
      return std::pair{through, std::move(read)};
    }();
    if (!archived.second) return archived.second.error();
    if (after + records.size() == last) return records;
    if (archived.first > done) continue;
    bool moved = false;
    if (auto read = read_tail(row, done, last, records, moved); !read) return read.error();
    if (!moved) return records;
  }
}

/// The records with `after` < seq ≤ `last`, which are in the log. Walks back over the links of the run, in long steps as far as
/// they lead, then record by record. `moved`: the archive has more of the run than before, and nothing was added.
result<void> stored_journal::read_tail(const projected_row& row, run_seq after, run_seq last, std::vector<core::record>& to,
                                       bool& moved) const {
  const auto& run = row.facts.id;
  const auto begin = to.size();
  auto seq = row.head.seq;
  auto lsn = row.head.lsn;
  auto view = store_->view();
  for (std::size_t visited = 1; seq > after; ++visited) {
    if (visited % limits::reader_records == 0) {
      view.reset();
      view = store_->view();
    }
    const auto bytes = view->log(lsn);
    if (!bytes) {
      moved = archived_through(*view, run) > after;
      view.reset();
      to.resize(begin);
      if (moved) return {};
      return not_there(run, lsn);
    }
    auto record = decode_record(lsn, *bytes);
    if (!record) return record.error();
    if (record->header.run != run || record->header.seq != seq) return broken_link(run, lsn);
    const auto previous = record->header.previous;
    const auto skip = skip_distance(seq);
    if (seq <= last) to.push_back(std::move(*record).copy());
    if (record->skip != 0 && seq > last && seq - last >= skip) {
      seq -= skip;
      lsn = record->skip;
    } else {
      --seq;
      lsn = previous;
    }
  }
  std::reverse(to.begin() + static_cast<std::ptrdiff_t>(begin), to.end());
  return {};
}

result<std::vector<core::record>> stored_journal::scan(lsn_t from, std::size_t limit) const {
  try {
    std::vector<core::record> records;
    const auto end = last_lsn_.load();
    auto next = std::max<lsn_t>(from, 1);
    while (next <= end && records.size() < limit) {
      const auto before = records.size();
      const auto view = store_->view();
      if (const auto first = read_archive_head(*view).first_lsn; next < first) {
        for (auto& entry : read_archived_page(*view, next, std::min(first, end + 1))) {
          if (records.size() == limit) return records;
          if (auto record = decode_record(entry.lsn, entry.bytes)) {
            records.push_back(std::move(*record).copy());
          } else {
            records.push_back(damaged_at(entry.lsn));
          }
        }
        continue;
      }
      view->each_log(next, [&](lsn_t lsn, std::string_view bytes) {
        if (lsn > end || records.size() == limit || records.size() - before == limits::reader_records) return false;
        if (auto record = decode_record(lsn, bytes)) {
          records.push_back(std::move(*record).copy());
        } else {
          records.push_back(damaged_at(lsn));
        }
        next = lsn + 1;
        return true;
      });
      if (records.size() == before) break;
    }
    return records;
  } catch (const store_failure& failure) {
    fatal_ = true;
    return failure.why();
  }
}

std::optional<std::pair<run_seq, std::string>> stored_journal::snapshot(const run_id& run, run_seq at_most) const {
  return reading(std::optional<std::pair<run_seq, std::string>>{}, [&] { return find_snapshot(*store_->view(), run, at_most); });
}

bool stored_journal::row_filter::takes(const run_head& head, const std::string& of_workflow) const {
  return (!status || head.status == *status) && (workflow.empty() || of_workflow == workflow) && (!open_only || head.open()) &&
         (!active_only || head.active);
}

/// Merges the overlay's ids with those of the store's tables, page by page; each row is taken from where it is newest.
std::vector<run_row> stored_journal::select(const row_filter& filter, std::optional<run_id> after, std::size_t limit,
                                            bool newest_first) const {
  std::vector<run_row> found;
  const auto before = [newest_first](const run_id& a, const run_id& b) { return newest_first ? a > b : a < b; };
  for (bool more = true; more && found.size() < limit;) {
    more = false;
    const std::shared_lock index{index_};
    const auto view = store_->view();
    std::vector<id_stream> streams;
    if (filter.active_only) {
      streams.emplace_back(*view, table::active, std::string{}, after, newest_first);
    } else if (filter.status || filter.open_only) {
      for (auto status = run_status::scheduled; status <= run_status::continued_as_new;
           status = static_cast<run_status>(static_cast<int>(status) + 1)) {
        if (filter.status ? status != *filter.status : is_terminal(status)) continue;
        streams.emplace_back(*view, table::by_status, std::string(1, static_cast<char>(status)), after, newest_first);
      }
    } else if (!filter.workflow.empty()) {
      streams.emplace_back(*view, table::by_workflow, workflow_prefix(filter.workflow), after, newest_first);
    } else {
      streams.emplace_back(*view, table::rows, std::string{}, after, newest_first);
    }
    const auto& ids = overlay_.ids();
    auto forwards = after ? ids.upper_bound(*after) : ids.begin();
    auto backwards = std::make_reverse_iterator(after ? ids.lower_bound(*after) : ids.end());
    for (std::size_t seen = 0; found.size() < limit; ++seen) {
      std::optional<run_id> next;
      if (newest_first ? backwards != ids.rend() : forwards != ids.end()) next = newest_first ? *backwards : *forwards;
      for (const auto& stream : streams) {
        if (stream.at() && (!next || before(*stream.at(), *next))) next = stream.at();
      }
      if (!next) break;
      if (seen == page_entries) {
        more = true;
        break;
      }
      if (newest_first && backwards != ids.rend() && *backwards == *next) ++backwards;
      if (!newest_first && forwards != ids.end() && *forwards == *next) ++forwards;
      for (auto& stream : streams) {
        if (stream.at() == next) stream.advance();
      }
      after = next;
      const auto* entry = overlay_.find(*next);
      if (entry != nullptr && filter.takes(entry->row.head, entry->row.of->workflow)) {
        found.push_back(entry->row.whole(*next).to_row());
      } else if (entry == nullptr) {
        const auto row = listed_row(*view, *next);
        if (row && filter.takes(row->head, row->facts.workflow)) found.push_back(row->to_row());
      }
    }
  }
  return found;
}

std::vector<run_row> stored_journal::rows(const row_query& query) const {
  return reading(std::vector<run_row>{}, [&] {
    return select({query.status, query.workflow, query.open_only}, query.after, query.limit, query.newest_first);
  });
}

void stored_journal::for_each_active(const std::function<void(const run_row&)>& take) const {
  std::optional<run_id> after;
  while (true) {
    const auto page = reading(std::vector<run_row>{}, [&] { return select({.active_only = true}, after, page_entries, false); });
    for (const auto& row : page) take(row);
    if (page.size() < page_entries) return;
    after = page.back().id;
  }
}

std::vector<std::pair<timestamp, run_id>> stored_journal::wakeups(timestamp until,
                                                                  std::optional<std::pair<timestamp, run_id>> after,
                                                                  std::size_t limit) const {
  using wakeup = std::pair<timestamp, run_id>;
  return reading(std::vector<wakeup>{}, [&] {
    std::vector<wakeup> found;
    for (bool more = true; more && found.size() < limit;) {
      more = false;
      const std::shared_lock index{index_};
      const auto view = store_->view();
      const auto stored = view->walk(table::wakeups);
      bool there = stored->seek(after ? wakeup_key(after->first, after->second) + '\0' : std::string{});
      const auto& fresh = overlay_.wakeups();
      auto at = after ? fresh.upper_bound(*after) : fresh.begin();
      for (std::size_t seen = 0; found.size() < limit; ++seen) {
        std::optional<wakeup> next;
        if (there) next = wakeup{due_of(stored->key()), run_at_end(stored->key()).value_or(run_id{})};
        const bool is_fresh = at != fresh.end() && (!next || *at <= *next);
        if (is_fresh) next = *at;
        if (!next || next->first > until) break;
        if (seen == page_entries) {
          more = true;
          break;
        }
        after = next;
        if (is_fresh) ++at;
        // What the store says of a run with a newer row does not count; where both say the same the overlay comes first.
        if (is_fresh || overlay_.find(next->second) == nullptr) found.push_back(*next);
        if (there && wakeup_key(next->first, next->second) == stored->key()) there = stored->next();
      }
    }
    return found;
  });
}

lsn_t stored_journal::last_lsn() const { return last_lsn_; }

std::uint64_t stored_journal::open_runs() const {
  const std::shared_lock index{index_};
  return overlay_.counts().open;
}

std::uint64_t stored_journal::total_runs() const {
  const std::shared_lock index{index_};
  return overlay_.counts().total;
}

timestamp stored_journal::last_time() const { return timestamp{duration{last_time_.load()}}; }

std::vector<inbox_entry> stored_journal::inbox() const {
  return reading(std::vector<inbox_entry>{}, [&] {
    std::vector<inbox_entry> out;
    const auto view = store_->view();
    const auto at = view->walk(table::inbox);
    for (bool more = at->seek({}); more; more = at->next()) out.push_back({number_of(at->key()), std::string{at->value()}});
    return out;
  });
}

}  // namespace perdure::persistence
