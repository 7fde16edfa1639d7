// Checks a journal against itself: every record, every run's chain of records, every row, every waker.
//
// Operation: one pass over the log makes each run's row again and compares what the record says with what has to be there;
// then each row is compared with the one that look-ups give, and the index tables with the stored rows (verify_indexes).
// Operation, of what has left the log: the pass begins in the archive, in the order of LSNs; chunks and their indexes are
// looked at on their own (verify_archive).
// Limitations: keeps one row of every run in memory. What is written after the call began is left out, and so are runs that
// retention removes meanwhile. The index tables are compared under one view of the store.
#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "persistence/stored_journal.hpp"
#include "persistence/verify_archive.hpp"
#include "persistence/verify_indexes.hpp"

namespace perdure::persistence {

namespace {

struct rebuilt {
  projected_row row;
  bool broken = false;  ///< a problem was named; what follows from it is not named too
};

class log_check {
 public:
  log_check(verify_report& report, core::blob_port& blobs) : report_(report), blobs_(blobs) {}

  void take(lsn_t lsn, std::string_view bytes) {
    for (; next_ < lsn; ++next_) problem({}, next_, "the record is missing");
    look_at(lsn, bytes);
  }
  /// One that is not in the log any more. Between these may be records of runs that were removed.
  void take_archived(const archived_entry& entry) {
    missing_ += entry.lsn - next_;
    if (!entry.problem.empty()) {
      next_ = entry.lsn + 1;
      has_damaged_chunk_ = true;
      if (told_.insert(entry.problem).second) problem(entry.run, entry.lsn, entry.problem);
      runs[entry.run].broken = true;
      return;
    }
    ++report_.archived;
    look_at(entry.lsn, entry.bytes);
  }
  /// The log begins here.
  void archive_ends_at(lsn_t first) {
    if (first <= next_) return;
    missing_ += first - next_;
    next_ = first;
  }
  /// Compares the number of records that are not there with what the archive's head says, before the pass and after it.
  void compare_missing(const archive_head& before, const archive_head& after) {
    if (has_damaged_chunk_) return;
    const auto least = before.removed_records + before.forgotten;
    const auto most = after.removed_records + after.forgotten;
    if (missing_ >= least && missing_ <= most) return;
    problem({}, 0, std::to_string(missing_) + " records are missing from the archive; removed runs had " + std::to_string(least));
  }
  void end(lsn_t last) {
    for (; next_ <= last; ++next_) problem({}, next_, "the record is missing");
  }
  void problem(const run_id& run, lsn_t lsn, std::string what) { report_.problems.push_back({run, lsn, std::move(what)}); }

  checkpoint_check checkpoints;
  const checkpoint_check::tell tell = [this](lsn_t lsn, std::string what) { problem({}, lsn, std::move(what)); };
  std::unordered_map<run_id, rebuilt> runs;
  std::unordered_set<run_id> damaged;  ///< have, or seem to have, a damaged record

 private:
  void look_at(lsn_t lsn, std::string_view bytes) {
    next_ = lsn + 1;
    checkpoints.see(lsn, bytes, tell);
    const auto decoded = decode_record(lsn, bytes);
    if (decoded && is_ledger(decoded->header.kind)) return look_at_ledger(decoded->copy());
    ++report_.events;
    if (!decoded) {
      const auto run = guess_run(bytes).value_or(run_id{});
      if (const auto known = runs.find(run); known != runs.end()) known->second.broken = true;
      damaged.insert(run);
      return problem(run, lsn, decoded.error().message);
    }
    check(decoded->header.run, lsn, *decoded);
  }
  void look_at_ledger(const core::record& record) {
    if (record.kind == checkpoint_kind) return;  // the chain of checkpoints is followed on its own
    const auto what = read_removal(record);
    if (!what) return problem(record.run, record.lsn, what.error().message);
    if (record.seq != what->head_seq + 1 || record.previous != what->head_lsn ||
        core::chain_hash(what->head_hash, record) != record.hash) {
      problem(record.run, record.lsn, "the record of the run's removal does not follow from the run's last record");
    }
    if (runs.contains(record.run)) problem(record.run, record.lsn, "the run was removed and still has records");
  }
  void check(const run_id& run, lsn_t lsn, const record_view& view) {
    auto& [row, broken] = runs[run];
    auto record = view.copy();
    auto& head = row.head;
    if (head.seq == 0 && !broken) {
      row.facts.id = run;
      if (auto facts = project_first(record, lsn, &blobs_)) {
        row.facts = std::move(*facts);
      } else {
        broken = true;
        problem(run, lsn, "the run's first record cannot be read: " + facts.error().message);
      }
    }
    const auto place = place_after(head, lsn);
    if (!broken) {
      if (record.seq != head.seq + 1) {
        broken = true;
        problem(run, lsn, "seq " + std::to_string(record.seq) + " follows seq " + std::to_string(head.seq));
      } else if (record.previous != place.previous) {
        broken = true;
        problem(run, lsn,
                "its previous record is " + std::to_string(place.previous) + ", not " + std::to_string(record.previous));
      } else if (view.skip != place.skip) {
        problem(run, lsn, "its skip link leads to record " + std::to_string(view.skip) + ", not " + std::to_string(place.skip));
      }
    }
    if (!broken && core::chain_hash(head.hash, record) != record.hash)
      problem(run, lsn, "its hash does not follow from the record before");
    // What a record refers to is part of it: large payloads are checked too.
    if (const auto event = core::decode(record.kind, record.schema, record.bytes, &blobs_); !event && !broken)
      problem(run, lsn, event.error().message);
    head = project(record, lsn, head);
  }

  verify_report& report_;
  core::blob_port& blobs_;
  lsn_t next_ = 1;
  std::uint64_t missing_ = 0;
  bool has_damaged_chunk_ = false;
  std::set<std::string> told_;
};

/// Runs that were removed since.
std::unordered_set<run_id> removed_after(read_view& view, lsn_t last) {
  std::unordered_set<run_id> runs;
  const auto take = [&](lsn_t lsn, std::string_view bytes) {
    const auto record = decode_record(lsn, bytes);
    if (record && record->header.kind == run_removed_kind) runs.insert(record->header.run);
    return true;
  };
  view.each_log(last + 1, take);
  const auto at = view.walk(table::removals);
  for (bool more = at->seek(ordered(last + 1)); more; more = at->next()) take(number_of(at->key()), at->value());
  return runs;
}

}  // namespace

verify_report stored_journal::verify(const std::function<bool(const run_id&)>& waits,
                                     const std::optional<core::digest>& anchor) const {
  verify_report report;
  const auto last = last_lsn_.load();
  try {
    log_check log{report, *blobs_};
    archive_head archive;
    {
      const auto view = store_->view();
      archive = read_archive_head(*view);
      log.checkpoints.load(*view, archive, last, log.tell);
    }
    for (lsn_t next = 1; next <= last;) {
      const auto view = store_->view();
      const auto first = read_archive_head(*view).first_lsn;
      if (next < first) {
        for (const auto& entry : read_archived_page(*view, next, std::min(first, last + 1))) log.take_archived(entry);
        if (next >= first || next > last) log.archive_ends_at(next);
        continue;
      }
      const auto renew_at = next + limits::reader_records;
      bool reached = false;
      view->each_log(next, [&](lsn_t lsn, std::string_view bytes) {
        if (lsn > last) return false;
        log.take(lsn, bytes);
        next = lsn + 1;
        reached = next >= renew_at;
        return !reached;
      });
      if (!reached) break;
    }
    archive_head archive_at_end;
    std::unordered_set<run_id> removed;
    {
      const auto view = store_->view();
      archive_at_end = read_archive_head(*view);
      removed = removed_after(*view, last);
    }
    if (archive.first_lsn <= last + 1) log.compare_missing(archive, archive_at_end);
    log.checkpoints.end(log.tell);
    log.end(last);
    report.runs = log.runs.size();
    for (const auto& [run, made] : log.runs) {
      const auto& [row, broken] = made;
      if (removed.contains(run) || row.head.seq == 0) continue;  // of the latter nothing could be read
      const auto known = look_up(run);
      if (!known) {
        log.problem(run, row.head.lsn, known.error().message);
      } else if (!*known) {
        log.problem(run, row.head.lsn, "the run has records and no row");
      } else if ((*known)->head.lsn <= last && !broken && **known != row) {
        log.problem(run, row.head.lsn, "the run's row does not follow from its records");
      }
      const auto& head = row.head;
      if (head.open() && !head.active && !head.wakeup && head.status != run_status::paused && !(waits && waits(run))) {
        log.problem(run, head.lsn, "nothing will wake the run: it is open, without work, wake-up, request or signal");
      }
    }
    std::optional<run_id> after;
    while (true) {
      const auto page = select({}, after, limits::reader_records, false);
      for (const auto& row : page) {
        if (row.first_lsn <= last && !log.runs.contains(row.id) && !log.damaged.contains(row.id))
          log.problem(row.id, row.head_lsn, "the run has a row and no records");
      }
      if (page.size() < limits::reader_records) break;
      after = page.back().id;
    }
    check_indexes(*store_->view(), report);
    check_keys(*store_->view(), report);
    check_archive(*store_->view(), report);
    std::erase_if(report.problems, [&](const auto& each) { return removed.contains(each.run); });
    report.removed_runs = archive_at_end.removed_runs;
    report.removed_records = archive_at_end.removed_records;
    const auto& checkpoints = log.checkpoints.places();
    report.checkpoints = checkpoints.size();
    if (!checkpoints.empty()) report.newest = checkpoints.back();
    if (anchor) {
      const auto at =
          std::find_if(checkpoints.begin(), checkpoints.end(), [&](const auto& each) { return each.hash == *anchor; });
      if (at != checkpoints.end()) {
        report.anchor = *at;
      } else {
        log.problem({}, 0, "no checkpoint has the hash of the anchor: the journal was cut short, replaced or changed since");
      }
    }
  } catch (const store_failure& failure) {
    fatal_ = true;
    report.problems.push_back({{}, 0, failure.why().message});
  }
  std::sort(report.problems.begin(), report.problems.end(),
            [](const auto& a, const auto& b) { return std::tie(a.lsn, a.run) < std::tie(b.lsn, b.run); });
  return report;
}

}  // namespace perdure::persistence
