// Driving a journal's background work by hand, and comparing what a journal says before and after it.
#pragma once

#include <map>
#include <set>

#include "perdure/limits.hpp"
#include "persistence/ledger.hpp"
#include "support/journal_engines.hpp"

namespace perdure::test {

inline bool same(const core::record& a, const core::record& b) {
  return a.kind == b.kind && a.schema == b.schema && a.status == b.status && a.active == b.active && a.run == b.run &&
         a.seq == b.seq && a.time == b.time && a.wakeup == b.wakeup && a.hash == b.hash && a.bytes == b.bytes && a.lsn == b.lsn &&
         a.previous == b.previous;
}

/// One piece of the background work; empty when there is nothing to do.
inline std::string work_once(persistence::journal& journal, timestamp now) {
  const auto plan = journal.plan_upkeep(now);
  if (plan == nullptr) return {};
  const std::string name{plan->name()};
  const auto done = journal.commit_upkeep(*plan);
  INFO((done ? std::string{} : done.error().message));
  REQUIRE(done.has_value());
  return name;
}

/// All of it. Gives how many pieces of each kind there were.
inline std::map<std::string, int> settle(persistence::journal& journal, timestamp now) {
  std::map<std::string, int> done;
  for (int i = 0; i < 10'000; ++i) {
    const auto name = work_once(journal, now);
    if (name.empty()) return done;
    ++done[name];
  }
  FAIL("the background work does not come to an end");
  return done;
}

/// What a journal has of some runs, and of the log.
struct journal_content {
  std::map<run_id, std::vector<core::record>> runs;
  std::vector<core::record> log;  ///< without what the journal wrote of itself

  static std::vector<core::record> history(const persistence::journal& of, const run_id& run, std::size_t page) {
    std::vector<core::record> out;
    while (true) {
      auto records = of.read_run(run, out.size(), page);
      INFO((records ? std::string{} : records.error().message));
      REQUIRE(records.has_value());
      out.insert(out.end(), records->begin(), records->end());
      if (records->size() < page) return out;
    }
  }
  static journal_content of(const persistence::journal& journal, std::size_t page = limits::reader_records) {
    journal_content out;
    for (const auto& row : journal.rows({.limit = 100'000})) out.runs[row.id] = history(journal, row.id, page);
    for (lsn_t from = 1;;) {
      const auto records = journal.scan(from, page);
      REQUIRE(records.has_value());
      for (const auto& record : *records) {
        REQUIRE(record.lsn >= from);
        from = record.lsn + 1;
        if (!persistence::is_ledger(record.kind)) out.log.push_back(record);
      }
      if (records->size() < page) return out;
    }
  }
  bool operator==(const journal_content& other) const {
    const auto equal = [](const std::vector<core::record>& a, const std::vector<core::record>& b) {
      return std::equal(a.begin(), a.end(), b.begin(), b.end(), same);
    };
    return equal(log, other.log) &&
           std::equal(runs.begin(), runs.end(), other.runs.begin(), other.runs.end(),
                      [&](const auto& a, const auto& b) { return a.first == b.first && equal(a.second, b.second); });
  }
};

/// Small enough that a few records make many pieces of work.
inline persistence::upkeep_options small_steps() {
  persistence::upkeep_options options;
  options.archive.log_records = 0;
  options.chunk_bytes = 2'000;
  options.slice_records = 40;
  options.cut_records = 60;
  options.removal_runs = 3;
  options.checkpoint_records = 100;
  return options;
}

/// Many runs at once, of different lengths; some end, some wait, some go on. Run 1 is a long one that goes on.
class mixed_runs {
 public:
  explicit mixed_runs(persistence::journal& in, std::uint64_t count = 24) {
    for (std::uint64_t i = 1; i <= count; ++i) {
      runs.emplace_back(i, made_run{.workflow = i % 2 == 0 ? "even" : "odd", .key = "key " + std::to_string(i)});
      must_append(in, runs.back().item(runs.back().start()));
    }
    for (std::uint64_t round = 0; round < 3 + count / 2; ++round) {
      for (std::uint64_t i = 0; i < count; ++i) {
        auto& run = runs[i];
        if (i == 0) must_append(in, run.item({run.turn(), run.turn(), run.turn(), run.turn(), run.turn()}));
        if (i == 0 || ended.contains(i) || round > i % 12) continue;
        if (round < i % 12) {
          must_append(in, run.item(run.turn({}, "step " + std::to_string(round))));
        } else if (i % 3 == 0) {
          must_append(in, run.item(run.turn({run_status::waiting, false, at_second(5'000)})));
        } else if (i % 3 == 1) {
          must_append(in, run.item(run.end()));
          ended.insert(i);
        }
      }
    }
  }
  std::vector<scripted_run> runs;
  std::set<std::uint64_t> ended;  ///< indexes
};

}  // namespace perdure::test
