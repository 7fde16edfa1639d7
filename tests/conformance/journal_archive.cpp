// What every journal engine promises of the archive: where a record is makes no difference to whoever reads it, whatever
// happens while it moves.
#include <thread>

#include "support/archive_steps.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace perdure::persistence;

TEST_CASE("archived, half archived and unarchived runs are read alike, by run and by LSN, in pages of any size") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = small_steps();
  auto journal = engine->open();
  mixed_runs runs{*journal};
  const auto before = journal_content::of(*journal);
  REQUIRE(before.runs.size() == 24);
  REQUIRE(journal->flush().has_value());
  const auto done = settle(*journal, at_second(0));
  CHECK(done.at("copy") > 3);
  CHECK(done.at("cut") > 1);
  const auto figures = journal->archive();
  CHECK(figures.archived_records == before.log.size());
  CHECK(figures.first_lsn > before.log.back().lsn);
  CHECK(figures.archived_bytes < figures.archived_raw_bytes);
  CHECK(journal_content::of(*journal) == before);
  CHECK(problems_of(*journal) == "");
  for (const std::size_t page : {1, 7, 64}) {
    CAPTURE(page);
    CHECK(journal_content::of(*journal, page) == before);
  }
  engine->crash(journal);
  CHECK(journal_content::of(*journal) == before);
  engine->reopen(journal);
  CHECK(journal_content::of(*journal, 13) == before);
  const auto reading = engine_now == engine_kind::lmdb ? engine->open(open_mode::read_only) : nullptr;
  if (reading != nullptr) CHECK(journal_content::of(*reading, 13) == before);
}

TEST_CASE("an archived run goes on, and is archived again") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = small_steps();
  auto journal = engine->open();
  scripted_run run{1}, other{2};
  std::vector<core::record> written;
  const auto append_some = [&](std::size_t count) {
    std::vector<core::record> records;
    for (std::size_t i = 0; i < count; ++i) records.push_back(run.seq == 0 ? run.start() : run.turn());
    must_append(*journal, run.item(records));
    written.insert(written.end(), records.begin(), records.end());
    must_append(*journal, other.item(other.seq == 0 ? other.start() : other.turn()));
  };
  // Over several skip links of both lengths; those of the later records lead to records that are gone.
  for (const auto count : {130U, 1U, 4'000U, 64U, 200U, 1U}) {
    append_some(count);
    REQUIRE(journal->flush().has_value());
    settle(*journal, at_second(0));
    append_some(3);
    for (const run_seq after : {run_seq{0}, run.seq / 2, run.seq - 70, run.seq - 4, run.seq - 3, run.seq - 1}) {
      const auto page = journal->read_run(run.id, after, 10);
      REQUIRE(page.has_value());
      REQUIRE(page->size() == std::min<std::size_t>(10, run.seq - after));
      for (std::size_t i = 0; i < page->size(); ++i) {
        CHECK((*page)[i].seq == after + i + 1);
        CHECK((*page)[i].hash == written[after + i].hash);
      }
    }
    CHECK(problems_of(*journal) == "");
    engine->crash(journal);
    CHECK(journal->read_run(run.id, 0, 10'000)->size() == written.size());
  }
}

TEST_CASE("a kill between any two steps of archiving leaves every record where it can be read, once") {
  PERDURE_EACH_ENGINE();
  const auto steps_of = [&](journal_engine_under_test& in, std::size_t kill_after) {
    in.upkeep = small_steps();
    auto journal = in.open();
    mixed_runs runs{*journal};
    REQUIRE(journal->flush().has_value());
    auto before = journal_content::of(*journal);
    std::size_t steps = 0;
    while (steps < kill_after && !work_once(*journal, at_second(0)).empty()) ++steps;
    // A plan that is ready is lost with the process.
    if (kill_after % 2 == 0) (void)journal->plan_upkeep(at_second(0));
    in.crash(journal);
    CHECK(journal_content::of(*journal) == before);
    CHECK(problems_of(*journal) == "");
    auto& again = runs.runs[0];
    must_append(*journal, again.item(again.turn()));
    before.runs[again.id] = journal_content::history(*journal, again.id, 1'000);
    before.log.push_back(before.runs[again.id].back());
    REQUIRE(before.runs[again.id].size() == again.seq);
    REQUIRE(journal->flush().has_value());
    settle(*journal, at_second(0));
    CHECK(journal->archive().archived_records == before.log.size());
    CHECK(journal_content::of(*journal) == before);
    CHECK(problems_of(*journal) == "");
    return steps;
  };
  for (std::size_t kill_after = 0;; ++kill_after) {
    CAPTURE(kill_after);
    const auto fresh = make_engine(engine_now);
    if (steps_of(*fresh, kill_after) < kill_after) {
      CHECK(kill_after > 10);
      break;
    }
  }
}

TEST_CASE("commits that come between the plan and its carrying out lose nothing") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = small_steps();
  auto journal = engine->open();
  mixed_runs runs{*journal};
  REQUIRE(journal->flush().has_value());
  auto& first = runs.runs[0];
  auto& waiting = runs.runs[3];
  std::size_t appended = 0;
  for (auto plan = journal->plan_upkeep(at_second(0)); plan != nullptr && appended < 200;
       plan = journal->plan_upkeep(at_second(0))) {
    must_append(*journal, first.item(first.turn()));
    must_append(*journal, waiting.item(waiting.turn({run_status::waiting, appended % 2 == 0, at_second(9)})));
    if (++appended % 3 == 0) REQUIRE(journal->flush().has_value());
    REQUIRE(journal->commit_upkeep(*plan).has_value());
    CHECK(journal->read_run(first.id, 0, 10'000)->size() == first.seq);
    CHECK(journal->read_run(waiting.id, 0, 10'000)->size() == waiting.seq);
  }
  CHECK(appended > 10);
  CHECK(problems_of(*journal) == "");
}

TEST_CASE("a plan that was overtaken by another one is left out") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = small_steps();
  auto journal = engine->open();
  mixed_runs runs{*journal};
  REQUIRE(journal->flush().has_value());
  const auto before = journal_content::of(*journal);
  while (journal->archive().first_lsn == 1) {
    const auto late = journal->plan_upkeep(at_second(0));
    work_once(*journal, at_second(0));
    const auto then = journal->archive();
    REQUIRE(journal->commit_upkeep(*late).has_value());
    CHECK(journal->archive().archived_records == then.archived_records);
    CHECK(journal->archive().first_lsn == then.first_lsn);
  }
  settle(*journal, at_second(0));
  CHECK(journal_content::of(*journal) == before);
  CHECK(problems_of(*journal) == "");
}

TEST_CASE("records whose rows are not stored yet stay in the log") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = small_steps();
  auto journal = engine->open();
  scripted_run run{1};
  std::vector<core::record> records{run.start()};
  while (records.size() < 300) records.push_back(run.turn());
  must_append(*journal, run.item(std::move(records)));
  settle(*journal, at_second(0));
  CHECK(journal->archive().first_lsn == 1);
  engine->crash(journal);
  CHECK(journal->total_runs() == 1);
  CHECK(problems_of(*journal) == "");
}

TEST_CASE("a journal that is never idle archives and removes as it goes") {
  // Rows were stored only when nothing came for a while, or when very many were waiting; until then nothing could be archived.
  PERDURE_EACH_ENGINE();
  engine->upkeep = upkeep_options{};
  engine->upkeep.archive.log_records = 1'000;
  engine->upkeep.retention.ended_runs = 300;
  auto journal = engine->open();
  for (std::uint64_t number = 1; number <= 6'000; number += 20) {
    std::vector<append_item> items;
    for (std::uint64_t i = 0; i < 20; ++i) {
      scripted_run run{number + i};
      items.push_back(run.item({run.start(), run.turn(), run.end()}));
    }
    for (const auto& verdict : journal->append(items)) REQUIRE_FALSE(verdict.error.has_value());
    for (int i = 0; i < 4; ++i) work_once(*journal, at_second(0));
  }
  CHECK(journal->archive().removed_runs > 2'000);
  CHECK(journal->archive().log_records < 6'000);
  CHECK(problems_of(*journal) == "");
}

TEST_CASE("archiving begins when the log is over its limit, and leaves half of it") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = small_steps();
  engine->upkeep.archive.log_records = 400;
  auto journal = engine->open();
  scripted_run run{1};
  std::vector<core::record> records{run.start()};
  while (records.size() < 390) records.push_back(run.turn());
  must_append(*journal, run.item(std::move(records)));
  REQUIRE(journal->flush().has_value());
  settle(*journal, at_second(0));
  CHECK(journal->archive().archived_records == 0);
  for (int i = 0; i < 20; ++i) must_append(*journal, run.item(run.turn()));
  REQUIRE(journal->flush().has_value());
  settle(*journal, at_second(0));
  CHECK(journal->archive().log_records <= 215);
  CHECK(journal->archive().log_records > 150);
  // Nothing more, however often it is asked.
  CHECK(settle(*journal, at_second(0)).empty());
}

TEST_CASE("a run is read while it is archived") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = small_steps();
  auto journal = engine->open();
  mixed_runs runs{*journal, 40};
  REQUIRE(journal->flush().has_value());
  const auto before = journal_content::of(*journal);
  std::atomic<bool> over{false};
  std::atomic<int> wrong{0}, read{0};
  std::thread reader([&] {
    while (!over || read == 0) {
      for (const auto& [run, history] : before.runs) {
        std::size_t at = 0;
        while (at < history.size()) {
          const auto page = journal->read_run(run, at, 17);
          if (!page || page->empty()) {
            ++wrong;
            break;
          }
          for (const auto& record : *page) wrong += same(record, history[at++]) ? 0 : 1;
        }
      }
      ++read;
    }
  });
  while (!work_once(*journal, at_second(0)).empty()) {
  }
  over = true;
  reader.join();
  CHECK(wrong == 0);
  CHECK(journal->archive().archived_records == before.log.size());
}

TEST_CASE("a damaged chunk makes its run corrupt, by name; the others are read, and verify finds it") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = small_steps();
  auto journal = engine->open();
  mixed_runs runs{*journal};
  REQUIRE(journal->flush().has_value());
  const auto before = journal_content::of(*journal);
  settle(*journal, at_second(0));
  journal.reset();
  const auto bad = runs.runs[7].id;
  engine->damage_chunk(bad, GENERATE(0, 4, 9, 60));
  journal = engine->open();
  const auto refused = journal->read_run(bad, 0, 10);
  REQUIRE(refused.has_error());
  CHECK(refused.error().code == errc::corrupt);
  CHECK(refused.error().message.find(bad.str()) != std::string::npos);
  for (const auto& [run, history] : before.runs) {
    if (run != bad) CHECK(journal_content::history(*journal, run, 100).size() == history.size());
  }
  std::size_t damaged = 0;
  const auto all = journal->scan(1, 100'000);
  for (const auto& record : *all) damaged += static_cast<int>(record.kind) == 0 ? 1 : 0;
  CHECK(damaged == 1);
  const auto report = journal->verify([](const run_id&) { return true; });
  REQUIRE(report.problems.size() == 1);
  CHECK(report.problems[0].run == bad);
  CHECK(report.problems[0].lsn == before.runs.at(bad).front().lsn);
  CHECK_FALSE(journal->fatal());
  must_append(*journal, runs.runs[0].item(runs.runs[0].turn()));
}

TEST_CASE("a record that was damaged in the log is still named when the log is cut off") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = small_steps();
  auto journal = engine->open();
  mixed_runs runs{*journal};
  REQUIRE(journal->flush().has_value());
  const auto before = journal_content::of(*journal);
  journal.reset();
  const auto bad = runs.runs[7].id;
  const auto lsn = before.runs.at(bad)[GENERATE(1, 3)].lsn;
  engine->damage(lsn, 95);
  journal = engine->open();
  settle(*journal, at_second(0));
  CHECK(journal->archive().first_lsn > before.log.back().lsn);
  const auto refused = journal->read_run(bad, 0, 10);
  REQUIRE(refused.has_error());
  CHECK(refused.error().code == errc::corrupt);
  CHECK(refused.error().message.find("record " + std::to_string(lsn) + " ") != std::string::npos);
  const auto all = journal->scan(1, 100'000);
  CHECK(static_cast<int>((*all)[lsn - 1].kind) == 0);
  CHECK((*all)[lsn - 1].lsn == lsn);
  const auto report = journal->verify([](const run_id&) { return true; });
  REQUIRE_FALSE(report.problems.empty());
  CHECK(report.problems.front().lsn == lsn);
  for (const auto& [run, history] : before.runs) {
    if (run != bad) CHECK(journal_content::history(*journal, run, 100).size() == history.size());
  }
}

TEST_CASE("a record larger than a chunk has one of its own") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = small_steps();
  auto journal = engine->open();
  scripted_run run{1};
  must_append(*journal, run.item({run.start(), run.turn(), run.turn({}, std::string(900'000, 'x')), run.turn(), run.end()}));
  REQUIRE(journal->flush().has_value());
  const auto before = journal_content::of(*journal);
  settle(*journal, at_second(0));
  CHECK(journal->archive().archived_chunks == 3);
  CHECK(journal_content::of(*journal) == before);
  CHECK(problems_of(*journal) == "");
}

TEST_CASE("a checkpoint's hash kept elsewhere shows that the journal was cut short or changed") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = small_steps();
  const auto waits = [](const run_id&) { return true; };
  auto journal = engine->open();
  mixed_runs runs{*journal};
  REQUIRE(journal->flush().has_value());
  CHECK_FALSE(journal->verify(waits).newest.has_value());
  settle(*journal, at_second(7));
  const auto report = journal->verify(waits);
  REQUIRE(report.newest.has_value());
  CHECK(report.checkpoints >= 3);
  CHECK(report.newest->time == at_second(7));
  const auto anchor = report.newest->hash;
  must_append(*journal, runs.runs[0].item(runs.runs[0].turn()));
  engine->crash(journal);
  const auto later = journal->verify(waits, anchor);
  CHECK(later.problems.empty());
  REQUIRE(later.anchor.has_value());
  CHECK(later.anchor->through == report.newest->through);

  // The same records but one: whatever is written after it has other checkpoints.
  const auto copy = make_engine(engine_now);
  copy->upkeep = small_steps();
  auto shorter = copy->open();
  auto changed = *journal->scan(1, 100);
  changed.pop_back();
  std::map<run_id, run_seq> seqs;
  for (auto& record : changed) {
    if (is_ledger(record.kind)) continue;
    append_item item;
    item.run = record.run;
    item.expected_seq = record.seq - 1;
    item.records.push_back(record);
    must_append(*shorter, item);
  }
  REQUIRE(shorter->flush().has_value());
  settle(*shorter, at_second(7));
  const auto found = shorter->verify(waits, anchor);
  REQUIRE(found.problems.size() == 1);
  CHECK(found.problems[0].what.find("anchor") != std::string::npos);
  CHECK_FALSE(found.anchor.has_value());
}

TEST_CASE("a checkpoint tells when a record is not the one that it covers") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = small_steps();
  auto journal = engine->open();
  mixed_runs runs{*journal};
  REQUIRE(journal->flush().has_value());
  engine->upkeep.archive.log_records = 1'000'000;
  journal.reset();
  journal = engine->open();
  settle(*journal, at_second(0));
  CHECK(journal->archive().first_lsn == 1);
  CHECK(problems_of(*journal) == "");
  journal.reset();
  engine->damage(50, 90);
  journal = engine->open();
  CHECK(problems_of(*journal).find("are not those that the checkpoint covers") != std::string::npos);
}
