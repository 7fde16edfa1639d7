// What every journal engine promises of appends.
#include "perdure/limits.hpp"
#include "support/journal_engines.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace perdure::persistence;

TEST_CASE("an append gives consecutive LSNs and moves the run on") {
  PERDURE_EACH_ENGINE();
  const auto journal = engine->open();
  scripted_run one{1}, two{2};
  CHECK(journal->last_lsn() == 0);
  CHECK(must_append(*journal, one.item({one.start(), one.turn()})) == 1);
  CHECK(must_append(*journal, two.item(two.start())) == 3);
  CHECK(must_append(*journal, one.item(one.turn())) == 4);
  CHECK(journal->last_lsn() == 4);
  CHECK(journal->total_runs() == 2);
  CHECK(journal->open_runs() == 2);
  CHECK(journal->last_time() == at_second(3));
  const auto row = journal->row(one.id);
  REQUIRE(row.has_value());
  CHECK(row->seq == 3);
  CHECK(row->first_lsn == 1);
  CHECK(row->head_lsn == 4);
  CHECK(row->head_hash == one.hash);
  CHECK(row->workflow == "flow");
  CHECK(row->version == "1");
  CHECK(row->created_at == at_second(1));
  CHECK(row->updated_at == at_second(3));
  CHECK(row->input_hash == input_hash("text/v1", "\"hello\""));
  CHECK(problems_of(*journal).empty());
}

TEST_CASE("a batch is answered in the order of its items and its records learn their places") {
  PERDURE_EACH_ENGINE();
  const auto journal = engine->open();
  scripted_run one{1}, two{2}, three{3};
  std::vector<append_item> items;
  items.push_back(one.item({one.start(), one.turn()}));
  items.push_back(two.item(two.start()));
  items.back().expected_seq = 5;
  items.push_back(three.item(three.start()));
  items[2].ticket = 77;
  const auto verdicts = journal->append(items);
  REQUIRE(verdicts.size() == 3);
  CHECK_FALSE(verdicts[0].error.has_value());
  CHECK(verdicts[1].error.has_value());
  CHECK_FALSE(verdicts[2].error.has_value());
  CHECK(verdicts[0].first_lsn == 1);
  CHECK(verdicts[2].first_lsn == 3);
  CHECK(items[0].records[1].lsn == 2);
  CHECK(items[0].records[1].previous == 1);
  CHECK(items[2].ticket == 77);
  CHECK_FALSE(journal->row(two.id).has_value());
  CHECK(journal->total_runs() == 2);
}

TEST_CASE("items of one batch see those before them") {
  PERDURE_EACH_ENGINE();
  const auto journal = engine->open();
  scripted_run run{1};
  std::vector<append_item> items;
  items.push_back(run.item(run.start()));
  items.push_back(run.item(run.turn()));
  items.push_back(run.item(run.end()));
  for (const auto& verdict : journal->append(items)) CHECK_FALSE(verdict.error.has_value());
  const auto records = journal->read_run(run.id, 0, 100);
  REQUIRE(records.has_value());
  CHECK(records->size() == 3);
  CHECK(journal->row(run.id)->status == run_status::succeeded);
  CHECK(journal->open_runs() == 0);
}

TEST_CASE("a wrong seq is a conflict, an unknown run is not found, and neither leaves a trace") {
  PERDURE_EACH_ENGINE();
  const auto journal = engine->open();
  scripted_run run{1}, unknown{2};
  must_append(*journal, run.item(run.start()));
  const auto skipped = run.turn();
  CHECK(refusal(append(*journal, run.item(run.turn()))) == errc::conflict);
  must_append(*journal, run.item(skipped));
  CHECK(refusal(append(*journal, run.item(skipped))) == errc::conflict);
  (void)unknown.start();
  CHECK(refusal(append(*journal, unknown.item(unknown.turn()))) == errc::not_found);
  CHECK(journal->last_lsn() == 2);
  CHECK(journal->total_runs() == 1);
  CHECK(journal->row(run.id)->seq == 2);
}

TEST_CASE("a run begins once") {
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  scripted_run run{1}, again{1};
  auto first = run.item(run.start());
  auto second = again.item(again.start());
  std::vector<append_item> items{first, second};
  const auto verdicts = journal->append(items);
  CHECK_FALSE(verdicts[0].error.has_value());
  CHECK(refusal(verdicts[1]) == errc::already_exists);
  CHECK(verdicts[1].holder == run.id);
  CHECK(refusal(append(*journal, second)) == errc::already_exists);
  engine->reopen(journal);
  CHECK(refusal(append(*journal, second)) == errc::already_exists);
}

TEST_CASE("two items of one batch race for a key and the first has it, then and ever after") {
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  scripted_run one{1, {.key = "nightly"}}, two{2, {.key = "nightly"}}, other{3, {.key = "nightly", .tenant = "other"}};
  std::vector<append_item> items{one.item(one.start()), two.item(two.start()), other.item(other.start())};
  const auto verdicts = journal->append(items);
  CHECK_FALSE(verdicts[0].error.has_value());
  CHECK(refusal(verdicts[1]) == errc::already_exists);
  CHECK(verdicts[1].holder == one.id);
  CHECK_FALSE(verdicts[2].error.has_value());
  const auto check = [&] {
    const auto refused = append(*journal, items[1]);
    CHECK(refusal(refused) == errc::already_exists);
    CHECK(refused.holder == one.id);
    CHECK(journal->find_key("", "nightly") == one.id);
    CHECK(journal->find_key("other", "nightly") == other.id);
    CHECK_FALSE(journal->find_key("", "weekly").has_value());
    CHECK_FALSE(journal->row(two.id).has_value());
  };
  check();
  engine->crash(journal);
  check();
  engine->reopen(journal);
  check();
}

TEST_CASE("of two runs with one key the later one is found, in whatever order their rows are stored") {
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  // A run that was restored from another one keeps its key and asks for nothing. Its id may sort before the other's.
  scripted_run first{9, {.key = "k"}}, second{4, {.key = "k"}};
  must_append(*journal, first.item(first.start()));
  auto item = second.item(second.start());
  item.preconditions.clear();
  must_append(*journal, item);
  CHECK(journal->find_key("", "k") == second.id);
  engine->reopen(journal);
  CHECK(journal->find_key("", "k") == second.id);
}

TEST_CASE("a counter holds a tenant's open runs below its limit") {
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  std::vector<scripted_run> runs;
  for (std::uint64_t i = 1; i <= 4; ++i) runs.emplace_back(i, made_run{.tenant = "t"});
  const auto starting = [&](scripted_run& run) {
    auto item = run.item(run.start());
    item.preconditions.emplace_back(counter_below{"t", 2});
    return item;
  };
  std::vector<append_item> items{starting(runs[0]), starting(runs[1]), starting(runs[2])};
  const auto verdicts = journal->append(items);
  CHECK_FALSE(verdicts[1].error.has_value());
  CHECK(refusal(verdicts[2]) == errc::limit_exceeded);
  engine->reopen(journal);
  CHECK(refusal(append(*journal, items[2])) == errc::limit_exceeded);
  must_append(*journal, runs[0].item(runs[0].end()));
  must_append(*journal, items[2]);
  CHECK(refusal(append(*journal, starting(runs[3]))) == errc::limit_exceeded);
  engine->crash(journal);
  scripted_run again{4, {.tenant = "t"}};
  CHECK(refusal(append(*journal, starting(again))) == errc::limit_exceeded);
}

TEST_CASE("a slow old writer after takeover is fenced (akka-core 28093)") {
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  scripted_run run{1};
  const auto mine = journal->acquire(0);
  REQUIRE(mine.has_value());
  auto item = run.item(run.start());
  item.epoch = *mine;
  must_append(*journal, item);
  const auto theirs = journal->acquire(0);
  REQUIRE(theirs.has_value());
  CHECK(*theirs > *mine);
  auto late = run.item(run.turn());
  late.epoch = *mine;
  CHECK(refusal(append(*journal, late)) == errc::fenced);
  engine->crash(journal);
  CHECK(refusal(append(*journal, late)) == errc::fenced);
  late.epoch = *theirs;
  must_append(*journal, late);
  CHECK(*journal->acquire(0) > *theirs);
  CHECK(*journal->acquire(7) == 1);
}

TEST_CASE("malformed and oversized appends are refused alone") {
  PERDURE_EACH_ENGINE();
  const auto journal = engine->open();
  scripted_run run{1}, good{2};
  auto no_start = run.item(run.turn());
  CHECK(refusal(append(*journal, no_start)) == errc::invalid_argument);
  scripted_run large{3};
  auto too_large = large.start();
  too_large.bytes.resize(limits::record_bytes + 1);
  std::vector<append_item> items{large.item(too_large), good.item(good.start())};
  items.push_back({});
  const auto verdicts = journal->append(items);
  CHECK(refusal(verdicts[0]) == errc::limit_exceeded);
  CHECK_FALSE(verdicts[1].error.has_value());
  CHECK(refusal(verdicts[2]) == errc::invalid_argument);
  auto undecodable = run.start();
  undecodable.bytes = "\x01";
  undecodable.seq = 1;
  auto item = run.item(undecodable);
  item.expected_seq = 0;
  CHECK(refusal(append(*journal, item)) == errc::corrupt);
  CHECK(journal->last_lsn() == 1);
}

TEST_CASE("a batch over the limits of one commit becomes several") {
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  std::vector<append_item> items;
  std::vector<scripted_run> runs;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    auto& run = runs.emplace_back(i);
    std::vector<core::record> records{run.start()};
    while (records.size() < limits::commit_records / 2 + 1) records.push_back(run.turn());
    items.push_back(run.item(std::move(records)));
  }
  for (const auto& verdict : journal->append(items)) CHECK_FALSE(verdict.error.has_value());
  CHECK(journal->last_lsn() == 3 * (limits::commit_records / 2 + 1));
  engine->crash(journal);
  CHECK(problems_of(*journal).empty());
}

TEST_CASE("a snapshot is found by seq, the newest two are kept, and it is stored with its records or not at all") {
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  scripted_run run{1}, neighbour{2};
  auto item = run.item({run.start(), run.turn()});
  item.snapshot = {2, "state two"};
  must_append(*journal, item);
  auto refused = run.item(run.turn());
  refused.expected_seq = 9;
  refused.snapshot = {3, "state nine"};
  CHECK(append(*journal, refused).error.has_value());
  auto four = run.item({refused.records[0], run.turn()});
  four.snapshot = {4, "state four"};
  must_append(*journal, four);
  auto beyond = run.item(run.turn());
  beyond.snapshot = {6, "too new"};
  CHECK(refusal(append(*journal, beyond)) == errc::invalid_argument);
  auto other = neighbour.item(neighbour.start());
  other.snapshot = {1, "another's"};
  must_append(*journal, other);
  using found = std::pair<run_seq, std::string>;
  CHECK(journal->snapshot(run.id) == found{4, "state four"});
  CHECK(journal->snapshot(run.id, 3) == found{2, "state two"});
  CHECK_FALSE(journal->snapshot(run.id, 1).has_value());
  CHECK_FALSE(journal->snapshot(numbered_run(3)).has_value());
  beyond.snapshot = {5, "state five"};
  must_append(*journal, beyond);
  engine->crash(journal);
  CHECK(journal->snapshot(run.id) == found{5, "state five"});
  CHECK(journal->snapshot(run.id, 4) == found{4, "state four"});
  CHECK_FALSE(journal->snapshot(run.id, 3).has_value());
}

TEST_CASE("the inbox gives back what was put, in order, until it is dropped") {
  // Taking removed it: what a node that crashed then had not carried out yet was lost.
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  const auto commands = [&] {
    std::vector<std::string> out;
    for (const auto& each : journal->inbox()) out.push_back(each.command);
    return out;
  };
  CHECK(commands().empty());
  REQUIRE(journal->put_inbox(R"({"do":"cancel"})").has_value());
  REQUIRE(journal->put_inbox(R"({"do":"pause"})").has_value());
  engine->crash(journal);
  REQUIRE(journal->put_inbox(R"({"do":"resume"})").has_value());
  const std::vector<std::string> all{R"({"do":"cancel"})", R"({"do":"pause"})", R"({"do":"resume"})"};
  CHECK(commands() == all);
  CHECK(commands() == all);
  engine->crash(journal);
  CHECK(commands() == all);
  const auto entries = journal->inbox();
  const std::vector<std::uint64_t> over{entries[0].number, entries[2].number};
  REQUIRE(journal->drop_from_inbox(over).has_value());
  engine->crash(journal);
  CHECK(commands() == std::vector<std::string>{all[1]});
}
