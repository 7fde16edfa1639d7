// What every journal engine promises across closings, crashes and damage.
#include <chrono>

#include "perdure/limits.hpp"
#include "support/journal_engines.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace perdure::persistence;

namespace {

void start_some(journal& journal, std::vector<scripted_run>& runs, std::uint64_t from, std::uint64_t to) {
  std::vector<append_item> items;
  for (auto i = from; i <= to; ++i) {
    auto& run = runs.emplace_back(i, made_run{.key = "k" + std::to_string(i)});
    items.push_back(run.item(run.start({run_status::waiting, false, at_second(static_cast<std::int64_t>(i))})));
  }
  for (const auto& verdict : journal.append(items)) REQUIRE_FALSE(verdict.error.has_value());
}

}  // namespace

TEST_CASE("a journal that was closed in order has nothing to read again") {
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  CHECK(journal->was_closed());
  std::vector<scripted_run> runs;
  start_some(*journal, runs, 1, 5);
  engine->reopen(journal);
  CHECK(journal->was_closed());
  CHECK(journal->redone_records() == 0);
  CHECK(journal->last_lsn() == 5);
  CHECK(journal->last_time() == at_second(1));
  CHECK(journal->open_runs() == 5);
  CHECK(journal->find_key("", "k3") == runs[2].id);
  CHECK(must_append(*journal, runs[0].item(runs[0].turn())) == 6);
}

TEST_CASE("after a crash everything that was acknowledged is there, and only the tail is read again") {
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  std::vector<scripted_run> runs;
  start_some(*journal, runs, 1, 100);
  REQUIRE(journal->flush().has_value());
  start_some(*journal, runs, 101, 103);
  must_append(*journal, runs[0].item(runs[0].turn({run_status::waiting, false, at_second(500)})));
  must_append(*journal, runs[1].item(runs[1].end()));
  engine->crash(journal);
  CHECK_FALSE(journal->was_closed());
  CHECK(journal->redone_records() == 5);
  CHECK(journal->last_lsn() == 105);
  CHECK(journal->total_runs() == 103);
  CHECK(journal->open_runs() == 102);
  CHECK(journal->row(runs[0].id)->wakeup == at_second(500));
  CHECK(journal->row(runs[1].id)->status == run_status::succeeded);
  CHECK(journal->row(runs[102].id)->seq == 1);
  CHECK(journal->find_key("", "k103") == runs[102].id);
  CHECK(problems_of(*journal).empty());
  // A second crash before anything was flushed finds the same.
  engine->crash(journal);
  CHECK(journal->redone_records() == 5);
  CHECK(journal->total_runs() == 103);
  must_append(*journal, runs[102].item(runs[102].turn()));
}

TEST_CASE(
    "store restart during recovery: an opening that dies leaves the journal as unclean as it found it (dbos-transact-py 716)") {
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  std::vector<scripted_run> runs;
  start_some(*journal, runs, 1, 3);
  engine->reopen(journal);
  CHECK(journal->was_closed());
  // Opened, nothing written, killed: attempts may have been in flight, so it must not count as closed.
  engine->crash(journal);
  CHECK_FALSE(journal->was_closed());
  engine->crash(journal);
  CHECK_FALSE(journal->was_closed());
  engine->reopen(journal);
  CHECK(journal->was_closed());
}

TEST_CASE("what is appended after mark_closed counts again as unclean") {
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  std::vector<scripted_run> runs;
  start_some(*journal, runs, 1, 1);
  journal->mark_closed();
  must_append(*journal, runs[0].item(runs[0].turn()));
  engine->crash(journal);
  CHECK_FALSE(journal->was_closed());
}

TEST_CASE("rows flushed inside later commits are neither lost nor doubled by a crash at any moment") {
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  std::vector<scripted_run> runs;
  // More rows than wait in memory before a flush begins, and slices of it with every commit.
  const auto rows = static_cast<std::uint64_t>(limits::overlay_rows / 2 + 3'000);
  for (std::uint64_t i = 0; i < rows; i += 4'000) start_some(*journal, runs, i + 1, std::min(i + 4'000, rows));
  for (std::size_t i = 0; i < 6; ++i) {
    must_append(*journal, runs[i * 5'000].item(runs[i * 5'000].turn({run_status::waiting, true, {}})));
    if (i % 2 == 1) engine->crash(journal);
    CHECK(journal->total_runs() == rows);
    CHECK(journal->row(runs[i * 5'000].id)->seq == 2);
  }
  for (int i = 0; i < 20; ++i) must_append(*journal, runs[1].item(runs[1].turn()));
  engine->crash(journal);
  CHECK(journal->total_runs() == rows);
  CHECK(journal->open_runs() == rows);
  CHECK(problems_of(*journal).empty());
}

TEST_CASE("a directory of a newer format is refused and untouched") {
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  std::vector<scripted_run> runs;
  start_some(*journal, runs, 1, 3);
  journal.reset();
  engine->set_format(99);
  const auto before = engine->content();
  const auto refused = engine->try_open();
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == errc::newer_format);
  CHECK(engine->content() == before);
  engine->set_format(1);
  journal = engine->open();
  CHECK(journal->last_lsn() == 3);
}

TEST_CASE("a journal open for reading answers and changes nothing") {
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  std::vector<scripted_run> runs;
  start_some(*journal, runs, 1, 3);
  REQUIRE(journal->flush().has_value());
  start_some(*journal, runs, 4, 5);
  journal.reset();
  const auto before = engine->content();
  {
    const auto reading = engine->open(open_mode::read_only);
    CHECK(reading->total_runs() == 5);
    CHECK(reading->rows({}).size() == 5);
    CHECK(reading->read_run(runs[4].id, 0, 10)->size() == 1);
    CHECK(problems_of(*reading).empty());
    CHECK(refusal(append(*reading, runs[0].item(runs[0].turn()))) == errc::unsupported);
    CHECK(reading->flush().has_error());
    CHECK(reading->acquire(0).has_error());
    CHECK(reading->put_inbox("{}").has_error());
    CHECK(reading->blobs().put("x").has_error() == (engine_now == engine_kind::lmdb));
  }
  CHECK(engine->content() == before);
}

TEST_CASE("a damaged record is named: its run gives corrupt, the others go on, a scan passes over it") {
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  scripted_run bad{1}, good{2};
  must_append(*journal, bad.item({bad.start(), bad.turn(), bad.turn()}));
  must_append(*journal, good.item({good.start(), good.turn()}));
  const bool in_the_tail = GENERATE(true, false);
  const lsn_t lsn = GENERATE(2, 3);
  CAPTURE(in_the_tail, lsn);
  if (!in_the_tail) REQUIRE(journal->flush().has_value());
  journal.reset();
  engine->damage(lsn, 95);
  for (int opening = 0; opening < 2; ++opening) {
    journal = engine->open();
    const auto records = journal->read_run(bad.id, 0, 10);
    REQUIRE(records.has_error());
    CHECK(records.error().code == errc::corrupt);
    CHECK(records.error().message.find("record " + std::to_string(lsn)) != std::string::npos);
    CHECK(journal->row(bad.id).has_value());
    CHECK(journal->read_run(good.id, 0, 10)->size() == static_cast<std::size_t>(2 + opening));
    const auto all = journal->scan(1, 10);
    REQUIRE(all->size() == static_cast<std::size_t>(5 + opening));
    CHECK(static_cast<int>((*all)[lsn - 1].kind) == 0);
    CHECK((*all)[lsn - 1].bytes.empty());
    const auto report = journal->verify({});
    REQUIRE_FALSE(report.problems.empty());
    CHECK(report.problems.front().lsn == lsn);
    CHECK(report.problems.front().run == bad.id);
    must_append(*journal, good.item(good.turn()));
    CHECK_FALSE(journal->fatal());
    REQUIRE(journal->flush().has_value());
    journal.reset();
  }
}

TEST_CASE("a run whose last record is damaged takes no more steps, now or after further openings") {
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  scripted_run run{1};
  must_append(*journal, run.item({run.start(), run.turn()}));
  const auto before = journal->row(run.id)->head_hash;
  must_append(*journal, run.item(run.turn()));
  journal.reset();
  engine->damage(3, 100);
  scripted_run forgetful{1};
  (void)forgetful.start();
  (void)forgetful.turn();
  forgetful.hash = before;
  const auto item = forgetful.item(forgetful.turn());
  for (int opening = 0; opening < 3; ++opening) {
    journal = engine->open();
    CHECK(refusal(append(*journal, item)) == errc::corrupt);
    REQUIRE(journal->flush().has_value());
    journal->mark_closed();
    journal.reset();
  }
}

TEST_CASE("a run whose beginning is damaged is still listed") {
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  scripted_run run{1};
  must_append(*journal, run.item({run.start(), run.turn()}));
  journal.reset();
  engine->damage(1, 100);
  journal = engine->open();
  CHECK(journal->rows({}).size() == 1);
  CHECK(journal->read_run(run.id, 0, 10).error().code == errc::corrupt);
  CHECK_FALSE(journal->verify({}).problems.empty());
}

namespace {

/// What has to hold of a run that cannot be read: it is listed, its key is taken, and it takes no steps.
void check_blocked(journal& journal, std::string_view key, lsn_t damaged) {
  const auto holder = journal.find_key("", key);
  REQUIRE(holder.has_value());
  const auto row = journal.row(*holder);
  REQUIRE(row.has_value());
  CHECK_FALSE(is_terminal(row->status));
  bool listed = false;
  for (const auto& each : journal.rows({})) listed = listed || each.id == *holder;
  CHECK(listed);
  CHECK(journal.damage_of(*holder) == "record " + std::to_string(damaged) + " is damaged");
  CHECK(journal.read_run(*holder, 0, 10).error().code == errc::corrupt);
  scripted_run again{run_id::make(), made_run{.key = std::string{key}}};
  CHECK(refusal(append(journal, again.item(again.start()))) == errc::already_exists);
}

}  // namespace

TEST_CASE("whatever byte of the only records of a run is damaged before its row is stored, the run is listed and keeps its key") {
  // Opening said nothing of such a run; it was in no list, and the same key began a second one.
  const made_run what{.key = "order-17", .tenant = ""};
  const auto make = [&](journal& journal) {
    scripted_run run{run_id::make(), what}, other{run_id::make(), made_run{.key = "order-18"}};
    must_append(journal, run.item({run.start(), run.turn()}));
    must_append(journal, other.item(other.start()));
    return other.id;
  };
  std::size_t bytes = 0;
  {
    scripted_run run{1, what};
    bytes = encoded_size(run.start(), {1, 0, 0});
  }
  const bool of_lmdb = GENERATE(false, true);
  for (std::size_t byte = 0; byte < bytes; byte += of_lmdb ? 29 : 1) {
    CAPTURE(of_lmdb, byte);
    const auto engine = make_engine(of_lmdb ? engine_kind::lmdb : engine_kind::memory);
    auto journal = engine->open();
    const auto other = make(*journal);
    journal.reset();
    engine->damage(1, byte);
    engine->damage(2, 30 + byte % 40);
    for (int opening = 0; opening < 3; ++opening) {
      CAPTURE(opening);
      journal = engine->open();
      check_blocked(*journal, "order-17", 1);
      CHECK(journal->find_key("", "order-18") == other);
      CHECK_FALSE(journal->find_key("", "order-19").has_value());
      CHECK_FALSE(journal->find_key("", "rder-17").has_value());
      CHECK_FALSE(journal->find_key("other", "order-17").has_value());
      CHECK_FALSE(journal->damage_of(other).has_value());
      CHECK_FALSE(journal->verify({}).problems.empty());
      if (opening == 1) {
        REQUIRE(journal->flush().has_value());
        journal->mark_closed();
      }
      journal.reset();
    }
  }
}

TEST_CASE("a run whose first record is damaged, and not the rest, is shown with what is left of it") {
  // It was shown with the year 1970 and without its workflow.
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  scripted_run run{run_id::make(), made_run{.workflow = "invoices", .key = "K"}};
  const auto now = std::chrono::time_point_cast<duration>(std::chrono::system_clock::now());
  must_append(*journal, run.item({run.start(), run.turn(), run.turn({run_status::waiting, false, {}})}));
  journal.reset();
  const std::size_t byte = GENERATE(1, 20, 100, 140);  // the check, the run's id, the workflow, what follows it
  CAPTURE(byte);
  engine->damage(1, byte);
  for (int opening = 0; opening < 2; ++opening) {
    journal = engine->open();
    const auto rows = journal->rows({});
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].id == run.id);
    CHECK(rows[0].status == run_status::waiting);
    CHECK(rows[0].created_at > now - std::chrono::hours{1});
    if (byte != 100) CHECK(rows[0].workflow == "invoices");
    check_blocked(*journal, "K", 1);
    REQUIRE(journal->flush().has_value());
    journal.reset();
  }
}

TEST_CASE("a run whose stored row is damaged is listed, and not begun again with its key") {
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  scripted_run run{run_id::make(), made_run{.key = "K"}};
  must_append(*journal, run.item({run.start(), run.turn()}));
  engine->reopen(journal);
  journal.reset();
  engine->damage_row(run.id, GENERATE(0, 5, 60, 150));
  journal = engine->open();
  REQUIRE(journal->rows({}).size() == 1);
  CHECK(journal->rows({})[0].id == run.id);
  CHECK(journal->row(run.id).has_value());
  CHECK(journal->damage_of(run.id) == "its stored row is damaged");
  CHECK(journal->find_key("", "K") == run.id);
  CHECK(journal->read_run(run.id, 0, 10).error().code == errc::corrupt);
}

TEST_CASE("verify finds a run that nothing will wake") {
  PERDURE_EACH_ENGINE();
  const auto journal = engine->open();
  scripted_run asleep{1}, waiting{2}, paused{3}, ended{4};
  must_append(*journal, asleep.item(asleep.start({run_status::waiting, false, {}})));
  must_append(*journal, waiting.item(waiting.start({run_status::waiting, false, {}})));
  must_append(*journal, paused.item(paused.start({run_status::paused, false, {}})));
  must_append(*journal, ended.item({ended.start(), ended.end()}));
  const auto report = journal->verify([&](const run_id& run) { return run == waiting.id; });
  CHECK(report.runs == 4);
  CHECK(report.events == 5);
  REQUIRE(report.problems.size() == 1);
  CHECK(report.problems[0].run == asleep.id);
  CHECK(journal->verify({}).problems.size() == 2);
}

TEST_CASE("verify finds a record that its chain of hashes does not bear out") {
  PERDURE_EACH_ENGINE();
  const auto journal = engine->open();
  scripted_run run{1};
  auto records = std::vector{run.start(), run.turn(), run.turn()};
  records[1].hash[5] ^= 1;
  must_append(*journal, run.item(records));
  const auto report = journal->verify({});
  REQUIRE(report.problems.size() == 2);
  CHECK(report.problems[0].lsn == 2);
  CHECK(report.problems[1].lsn == 3);
}
