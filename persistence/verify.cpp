// Checks a journal against itself: every record, every run's chain of records, every row, every waker.
//
// Operation: one pass over the log makes each run's row again and compares what the record says with what has to be there;
// then each row is compared with the one that look-ups give, and the index tables with the stored rows.
// Limitations: keeps one row of every run in memory. What is written after the call began is left out. The index tables
// are compared under one view of the store.
#include <algorithm>
#include <tuple>
#include <unordered_map>

#include "persistence/stored_journal.hpp"

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
    next_ = lsn + 1;
    ++report_.events;
    const auto decoded = decode_record(lsn, bytes);
    if (!decoded) {
      const auto run = guess_run(bytes).value_or(run_id{});
      if (const auto known = runs.find(run); known != runs.end()) known->second.broken = true;
      return problem(run, lsn, decoded.error().message);
    }
    check(decoded->header.run, lsn, *decoded);
  }
  void end(lsn_t last) {
    for (; next_ <= last; ++next_) problem({}, next_, "the record is missing");
  }
  void problem(const run_id& run, lsn_t lsn, std::string what) { report_.problems.push_back({run, lsn, std::move(what)}); }

  std::unordered_map<run_id, rebuilt> runs;

 private:
  void check(const run_id& run, lsn_t lsn, const record_view& view) {
    auto& [row, broken] = runs[run];
    auto record = view.copy();
    auto& head = row.head;
    if (head.seq == 0) {
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
};

/// What each entry of an index table must agree with: the stored row of its run.
struct index_rule {
  table in;
  std::string_view name;
  bool (*holds)(const projected_row&, std::string_view key);
};

constexpr index_rule index_rules[] = {
    {table::wakeups, "wake-up", [](const projected_row& row, std::string_view key) { return row.head.wakeup == due_of(key); }},
    {table::active, "active", [](const projected_row& row, std::string_view) { return row.head.active; }},
    {table::by_status, "status",
     [](const projected_row& row, std::string_view key) { return static_cast<char>(row.head.status) == key.front(); }},
};

/// Counts of what the stored rows ask for, to find entries that are missing.
std::size_t expected_entries(const index_rule& rule, const projected_row& row) {
  if (rule.in == table::wakeups) return row.head.wakeup ? 1 : 0;
  if (rule.in == table::active) return row.head.active ? 1 : 0;
  return 1;
}

void check_indexes(read_view& view, verify_report& report) {
  const auto rows = view.walk(table::rows);
  std::size_t expected[std::size(index_rules)] = {};
  for (bool more = rows->seek({}); more; more = rows->next()) {
    const auto run = run_at_end(rows->key()).value_or(run_id{});
    const auto row = decode_row(run, rows->value());
    if (!row) {
      report.problems.push_back({run, 0, row.error().message});
      continue;
    }
    for (std::size_t i = 0; i < std::size(index_rules); ++i) expected[i] += expected_entries(index_rules[i], *row);
  }
  for (std::size_t i = 0; i < std::size(index_rules); ++i) {
    const auto& rule = index_rules[i];
    std::size_t there = 0;
    const auto at = view.walk(rule.in);
    for (bool more = at->seek({}); more; more = at->next(), ++there) {
      const auto run = run_at_end(at->key()).value_or(run_id{});
      const auto bytes = view.get(table::rows, run_key(run));
      const auto row = bytes ? decode_row(run, *bytes) : result<projected_row>{error{errc::not_found, {}}};
      if (!row || !rule.holds(*row, at->key())) {
        report.problems.push_back({run, 0, "an entry of the " + std::string{rule.name} + " index agrees with no row"});
      }
    }
    if (there < expected[i]) {
      report.problems.push_back(
          {{}, 0, "the " + std::string{rule.name} + " index lacks " + std::to_string(expected[i] - there) + " entries"});
    }
  }
}

}  // namespace

verify_report stored_journal::verify(const std::function<bool(const run_id&)>& waits) const {
  verify_report report;
  const auto last = last_lsn_.load();
  try {
    log_check log{report, *blobs_};
    for (lsn_t next = 1; next <= last;) {
      const auto view = store_->view();
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
    log.end(last);
    report.runs = log.runs.size();
    for (const auto& [run, made] : log.runs) {
      const auto& [row, broken] = made;
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
        if (row.first_lsn <= last && !log.runs.contains(row.id))
          log.problem(row.id, row.head_lsn, "the run has a row and no records");
      }
      if (page.size() < limits::reader_records) break;
      after = page.back().id;
    }
    check_indexes(*store_->view(), report);
  } catch (const store_failure& failure) {
    fatal_ = true;
    report.problems.push_back({{}, 0, failure.why().message});
  }
  std::sort(report.problems.begin(), report.problems.end(),
            [](const auto& a, const auto& b) { return std::tie(a.lsn, a.run) < std::tie(b.lsn, b.run); });
  return report;
}

}  // namespace perdure::persistence
