// What every journal engine promises when space is short: new work is refused, running work waits, cancel goes through,
// and all goes on when there is room.
#include "perdure/limits.hpp"
#include "support/journal_engines.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace perdure::persistence;

TEST_CASE("when the journal fills up new runs are refused first, then steps, and cancel still goes through") {
  PERDURE_EACH_ENGINE();
  // In a small journal what is kept back are not percents but what a few commits need.
  const std::size_t capacity = GENERATE(std::size_t{2} << 20, std::size_t{24} << 20);
  engine->set_capacity(capacity);
  auto journal = engine->open();
  scripted_run running{1};
  must_append(*journal, running.item(running.start()));

  // Fill with new runs until one is refused.
  std::uint64_t number = 2;
  std::optional<errc> refused;
  while (!refused) {
    REQUIRE(number < 100'000);
    scripted_run run{number++, {.input = "\"" + std::string(number % 2 == 0 ? capacity / 300 : 300, 'i') + "\""}};
    refused = refusal(append(*journal, run.item(run.start())));
  }
  CHECK(refused == errc::disk_full);
  CHECK_FALSE(journal->space().new_runs);
  CHECK(journal->space().steps);
  const auto used = journal->space().used_bytes;
  CHECK(used * 100 <= journal->space().map_bytes * (limits::new_runs_used_percent + 1));
  if (capacity > std::size_t{16} << 20) CHECK(used * 100 >= journal->space().map_bytes * limits::new_runs_used_percent);

  // Running work goes on, for a while.
  auto step = running.item(running.turn({}, std::string(capacity / 1'000, 's')));
  must_append(*journal, step);
  refused.reset();
  while (!refused) {
    step = running.item(running.turn({}, std::string(capacity / 1'000, 's')));
    refused = refusal(append(*journal, step));
  }
  CHECK(refused == errc::disk_full);
  CHECK_FALSE(journal->space().steps);
  CHECK_FALSE(journal->fatal());
  CHECK(journal->row(running.id)->seq == step.expected_seq);

  // What ends runs is let in, many times over.
  const auto& open = journal->rows({.open_only = true, .limit = 20});
  REQUIRE(open.size() == 20);
  for (const auto& row : open) {
    scripted_run ending{0};
    core::run_ended event;
    event.status = run_status::cancelled;
    auto record = ending.next(event, {run_status::cancelled, false, {}});
    record.run = row.id;
    record.seq = row.seq + 1;
    append_item item;
    item.run = row.id;
    item.expected_seq = row.seq;
    item.essential = true;
    record.hash = core::chain_hash(row.head_hash, record);
    item.records.push_back(std::move(record));
    must_append(*journal, item);
    CHECK(journal->row(row.id)->status == run_status::cancelled);
  }
  CHECK_FALSE(journal->fatal());

  // With room all goes on, and nothing is missing.
  const auto total = journal->total_runs();
  journal.reset();
  engine->set_capacity(2 * capacity);
  journal = engine->open();
  CHECK(journal->space().new_runs);
  CHECK(journal->total_runs() == total);
  must_append(*journal, step);
  scripted_run late{number};
  must_append(*journal, late.item(late.start()));
  REQUIRE(journal->flush().has_value());
  CHECK(problems_of(*journal).empty());
}

TEST_CASE("a batch that has no room as a whole lets its essential items in") {
  PERDURE_EACH_ENGINE();
  engine->set_capacity(std::size_t{1} << 20);
  auto journal = engine->open();
  scripted_run large{1}, cancelled{2};
  must_append(*journal, cancelled.item(cancelled.start()));
  auto record = large.start();
  must_append(*journal, large.item(record));
  std::vector<append_item> items{large.item(large.turn({}, std::string(std::size_t{2} << 20, 'x'))),
                                 cancelled.item(cancelled.end())};
  items[1].essential = true;
  const auto verdicts = journal->append(items);
  CHECK(refusal(verdicts[0]) == errc::disk_full);
  CHECK_FALSE(verdicts[1].error.has_value());
  CHECK(verdicts[1].first_lsn == 3);
  CHECK_FALSE(journal->fatal());
  engine->crash(journal);
  CHECK(journal->row(cancelled.id)->status == run_status::succeeded);
  CHECK(journal->row(large.id)->seq == 1);
  CHECK(journal->last_lsn() == 3);
}

TEST_CASE("a full journal that cannot store its rows finds them again at the next opening") {
  PERDURE_EACH_ENGINE();
  engine->set_capacity(std::size_t{1} << 20);
  auto journal = engine->open();
  std::uint64_t number = 1;
  for (bool full = false; !full;) {
    std::vector<append_item> items;
    for (int i = 0; i < 50; ++i) {
      scripted_run run{number++};
      items.push_back(run.item(run.start()));
    }
    for (const auto& verdict : journal->append(items)) full = full || verdict.error.has_value();
  }
  const auto total = journal->total_runs();
  const auto flushed = journal->flush();
  if (!flushed) CHECK(flushed.error().code == errc::disk_full);
  CHECK_FALSE(journal->fatal());
  CHECK(journal->total_runs() == total);
  journal->mark_closed();
  journal.reset();
  journal = engine->open();
  CHECK(journal->total_runs() == total);
  CHECK(journal->rows({.limit = 100'000}).size() == total);
  CHECK(problems_of(*journal).empty());
}
