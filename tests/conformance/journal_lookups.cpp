// What every journal engine promises of look-ups: the same answers wherever a row is, in memory or stored.
#include <random>

#include "support/journal_engines.hpp"
#include "support/seed.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace perdure::persistence;

namespace {

std::vector<run_seq> seqs(const result<std::vector<core::record>>& records) {
  REQUIRE(records.has_value());
  std::vector<run_seq> out;
  for (const auto& record : *records) out.push_back(record.seq);
  return out;
}

std::vector<run_seq> count_up(run_seq from, run_seq to) {
  std::vector<run_seq> out;
  for (auto seq = from; seq <= to; ++seq) out.push_back(seq);
  return out;
}

std::vector<run_id> ids(const std::vector<run_row>& rows) {
  std::vector<run_id> out;
  for (const auto& row : rows) out.push_back(row.id);
  return out;
}

/// What a journal with these runs has to answer, by the plainest means.
struct model {
  struct run {
    scripted_run script;
    std::string workflow, tenant, key;
    after now;
  };
  std::map<run_id, run> runs;

  [[nodiscard]] std::vector<run_id> listed(const row_query& query) const {
    std::vector<run_id> out;
    for (const auto& [id, run] : runs) {
      if (query.status && run.now.status != *query.status) continue;
      if (!query.workflow.empty() && run.workflow != query.workflow) continue;
      if (query.open_only && is_terminal(run.now.status)) continue;
      if (query.after && (query.newest_first ? id >= *query.after : id <= *query.after)) continue;
      out.push_back(id);
    }
    if (query.newest_first) std::reverse(out.begin(), out.end());
    if (out.size() > query.limit) out.resize(query.limit);
    return out;
  }
  [[nodiscard]] std::vector<std::pair<timestamp, run_id>> due(timestamp until, std::optional<std::pair<timestamp, run_id>> after,
                                                              std::size_t limit) const {
    std::vector<std::pair<timestamp, run_id>> out;
    for (const auto& [id, run] : runs) {
      if (run.now.wakeup && !is_terminal(run.now.status) && *run.now.wakeup <= until) out.emplace_back(*run.now.wakeup, id);
    }
    std::sort(out.begin(), out.end());
    if (after) out.erase(out.begin(), std::upper_bound(out.begin(), out.end(), *after));
    if (out.size() > limit) out.resize(limit);
    return out;
  }
  [[nodiscard]] std::vector<run_id> active() const {
    std::vector<run_id> out;
    for (const auto& [id, run] : runs) {
      if (run.now.active) out.push_back(id);
    }
    return out;
  }
};

void compare(const journal& journal, const model& model, std::mt19937_64& random) {
  const auto some_run = [&]() -> std::optional<run_id> {
    if (random() % 2 == 0) return std::nullopt;
    return numbered_run(random() % 60);
  };
  row_query query;
  query.newest_first = random() % 2 == 0;
  query.limit = 1 + random() % 30;
  query.after = some_run();
  if (random() % 2 == 0) query.status = static_cast<run_status>(1 + random() % 11);
  if (random() % 2 == 0) query.workflow = random() % 2 == 0 ? "a" : "b";
  query.open_only = random() % 3 == 0;
  CHECK(ids(journal.rows(query)) == model.listed(query));
  const auto until = at_second(static_cast<std::int64_t>(random() % 50));
  std::optional<std::pair<timestamp, run_id>> after;
  if (const auto run = some_run()) after = {at_second(static_cast<std::int64_t>(random() % 50)), *run};
  const auto limit = 1 + random() % 20;
  CHECK(journal.wakeups(until, after, limit) == model.due(until, after, limit));
  std::vector<run_id> active;
  journal.for_each_active([&](const run_row& row) { active.push_back(row.id); });
  CHECK(active == model.active());
  std::uint64_t open = 0;
  for (const auto& [id, run] : model.runs) open += is_terminal(run.now.status) ? 0 : 1;
  CHECK(journal.open_runs() == open);
  CHECK(journal.total_runs() == model.runs.size());
  if (!model.runs.empty()) {
    const auto at = std::next(model.runs.begin(), static_cast<std::ptrdiff_t>(random() % model.runs.size()));
    const auto row = journal.row(at->first);
    REQUIRE(row.has_value());
    CHECK(row->seq == at->second.script.seq);
    CHECK(row->head_hash == at->second.script.hash);
    CHECK(journal.find_key(at->second.tenant, at->second.key) == at->first);
    const auto from = random() % (row->seq + 1);
    CHECK(seqs(journal.read_run(at->first, from, 3)) == count_up(from + 1, std::min(row->seq, from + 3)));
  }
}

}  // namespace

TEST_CASE("look-ups answer as a plain list of the runs would, through flushes, closings and crashes") {
  PERDURE_EACH_ENGINE();
  std::mt19937_64 random{session_seed()};
  auto journal = engine->open();
  model model;
  for (int round = 0; round < 120; ++round) {
    std::vector<append_item> items;
    for (auto left = random() % 6; left > 0; --left) {
      const auto number = random() % 60;
      const auto status = static_cast<run_status>(1 + random() % 11);
      after now{status, !is_terminal(status) && random() % 2 == 0, std::nullopt};
      if (random() % 2 == 0) now.wakeup = at_second(static_cast<std::int64_t>(random() % 50));
      const auto known = model.runs.find(numbered_run(number));
      if (known == model.runs.end()) {
        const made_run what{random() % 2 == 0 ? "a" : "b", "key " + std::to_string(number), random() % 2 == 0 ? "" : "t"};
        auto& made =
            model.runs
                .emplace(numbered_run(number), model::run{scripted_run{number, what}, what.workflow, what.tenant, what.key, now})
                .first->second;
        items.push_back(made.script.item(made.script.start(now)));
      } else if (!is_terminal(known->second.now.status)) {
        known->second.now = now;
        items.push_back(known->second.script.item(known->second.script.turn(now)));
      }
    }
    for (const auto& verdict : journal->append(items)) REQUIRE_FALSE(verdict.error.has_value());
    switch (random() % 12) {
      case 0: engine->crash(journal); break;
      case 1: engine->reopen(journal); break;
      case 2: REQUIRE(journal->flush().has_value()); break;
      default: break;
    }
    compare(*journal, model, random);
  }
  CHECK(problems_of(*journal).empty());
}

TEST_CASE("a run is read page by page from either end") {
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  scripted_run run{1}, other{2};
  must_append(*journal, run.item(run.start()));
  must_append(*journal, other.item(other.start()));
  while (run.seq < 300) {
    must_append(*journal, run.item({run.turn(), run.turn()}));
    if (run.seq % 7 == 0) must_append(*journal, other.item(other.turn()));
  }
  const auto check = [&] {
    const auto last = run.seq;
    CHECK(seqs(journal->read_run(run.id, 0, 1'000)) == count_up(1, last));
    for (run_seq after = 0; after < last; after += 13) {
      const auto page = journal->read_run(run.id, after, 13);
      CHECK(seqs(page) == count_up(after + 1, std::min<run_seq>(last, after + 13)));
    }
    CHECK(seqs(journal->read_run(run.id, last - 1, 10)) == count_up(last, last));
    CHECK(journal->read_run(run.id, last, 10)->empty());
    CHECK(journal->read_run(run.id, last + 5, 10)->empty());
    CHECK(journal->read_run(run.id, 0, 0)->empty());
  };
  check();
  engine->crash(journal);
  check();
  engine->reopen(journal);
  check();
  CHECK(journal->read_run(numbered_run(9), 0, 1).error().code == errc::not_found);
  const auto records = journal->read_run(run.id, 0, 2);
  CHECK((*records)[1].kind == core::event_kind::turn);
  CHECK((*records)[1].previous == 1);
  CHECK((*records)[0].bytes.size() > 10);
  CHECK(core::chain_hash((*records)[0].hash, (*records)[1]) == (*records)[1].hash);
}

TEST_CASE("a long run is paged in steps that do not grow with what comes after the page") {
  // Without skip links this reads 1,000 pages × up to 20,000 records, and takes minutes.
  PERDURE_EACH_ENGINE();
  const auto journal = engine->open();
  scripted_run run{1};
  must_append(*journal, run.item(run.start()));
  while (run.seq < 20'000) {
    std::vector<core::record> records;
    while (records.size() < 1'000) records.push_back(run.turn());
    must_append(*journal, run.item(std::move(records)));
  }
  std::size_t seen = 0;
  for (run_seq after = 0; after < run.seq; after += 20) {
    const auto page = journal->read_run(run.id, after, 20);
    REQUIRE(page.has_value());
    REQUIRE(page->front().seq == after + 1);
    REQUIRE(page->back().seq == std::min<run_seq>(after + 20, run.seq));
    seen += page->size();
  }
  CHECK(seen == run.seq);
  CHECK(problems_of(*journal).empty());
}

TEST_CASE("a scan gives every record from an LSN on, in order") {
  PERDURE_EACH_ENGINE();
  const auto journal = engine->open();
  scripted_run run{1};
  std::vector<core::record> records{run.start()};
  while (records.size() < 2'500) records.push_back(run.turn());
  must_append(*journal, run.item(std::move(records)));
  const auto all = journal->scan(0, 10'000);
  REQUIRE(all.has_value());
  REQUIRE(all->size() == 2'500);
  for (std::size_t i = 0; i < all->size(); ++i) REQUIRE((*all)[i].lsn == i + 1);
  const auto some = journal->scan(2'000, 7);
  REQUIRE(some->size() == 7);
  CHECK(some->front().lsn == 2'000);
  CHECK(journal->scan(2'501, 10)->empty());
}

TEST_CASE("a wake-up moves and goes with its run") {
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  scripted_run run{1}, early{2};
  must_append(*journal, run.item(run.start({run_status::waiting, false, at_second(100)})));
  must_append(*journal, early.item(early.start({run_status::waiting, false, timestamp{duration{-5}}})));
  using wakeups = std::vector<std::pair<timestamp, run_id>>;
  const auto all = [&] { return journal->wakeups(timestamp::max(), std::nullopt, 10); };
  CHECK(all() == wakeups{{timestamp{duration{-5}}, early.id}, {at_second(100), run.id}});
  REQUIRE(journal->flush().has_value());
  CHECK(all() == wakeups{{timestamp{duration{-5}}, early.id}, {at_second(100), run.id}});
  must_append(*journal, run.item(run.turn({run_status::waiting, false, at_second(50)})));
  CHECK(all() == wakeups{{timestamp{duration{-5}}, early.id}, {at_second(50), run.id}});
  must_append(*journal, early.item(early.end()));
  CHECK(all() == wakeups{{at_second(50), run.id}});
  CHECK(journal->wakeups(at_second(49), std::nullopt, 10).empty());
  engine->reopen(journal);
  CHECK(all() == wakeups{{at_second(50), run.id}});
  CHECK(problems_of(*journal).empty());
}

TEST_CASE("large look-ups go over many pages without losing or doubling an entry") {
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  std::vector<scripted_run> runs;
  const auto begin = [&](std::uint64_t from, std::uint64_t to) {
    std::vector<append_item> items;
    for (auto i = from; i < to; ++i) {
      auto& run = runs.emplace_back(i);
      items.push_back(run.item(run.start({run_status::waiting, true, at_second(static_cast<std::int64_t>(i % 97))})));
    }
    for (const auto& verdict : journal->append(items)) REQUIRE_FALSE(verdict.error.has_value());
  };
  begin(1, 2'501);
  REQUIRE(journal->flush().has_value());
  begin(2'501, 4'001);
  for (std::size_t i = 0; i < 2'000; i += 3)
    must_append(*journal, runs[i].item(runs[i].turn({run_status::waiting, true, at_second(200)})));
  const auto listed = journal->rows({.limit = 10'000, .newest_first = false});
  REQUIRE(listed.size() == 4'000);
  for (std::size_t i = 0; i < listed.size(); ++i) REQUIRE(listed[i].id == numbered_run(i + 1));
  const auto due = journal->wakeups(timestamp::max(), std::nullopt, 10'000);
  CHECK(due.size() == 4'000);
  CHECK(std::is_sorted(due.begin(), due.end()));
  CHECK(std::adjacent_find(due.begin(), due.end()) == due.end());
  std::size_t active = 0;
  journal->for_each_active([&](const run_row& row) { REQUIRE(row.id == numbered_run(++active)); });
  CHECK(active == 4'000);
}
