// What every journal engine promises of retention: ended runs go as a whole or not at all, the others do not notice, and the
// room is used again.
#include "support/archive_steps.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace perdure::persistence;
using namespace std::chrono_literals;

namespace {

/// Runs 1 to `count` that end in this order, at one second each, and one that stays.
struct ended_runs {
  explicit ended_runs(journal& in, std::uint64_t count) {
    must_append(in, open.item(open.start({run_status::waiting, false, at_second(9'000)})));
    for (std::uint64_t i = 1; i <= count; ++i) {
      auto& run = runs.emplace_back(i, made_run{.key = "key " + std::to_string(i)});
      auto item = run.item({run.start(), run.turn(), run.turn()});
      item.snapshot.emplace(2, "state");
      must_append(in, item);
    }
    for (std::uint64_t i = 1; i <= count; ++i) {
      auto record = runs[i - 1].end();
      record.time = at_second(static_cast<std::int64_t>(1'000 + i));
      record.hash = core::chain_hash(before_end(in, i), record);
      runs[i - 1].hash = record.hash;
      must_append(in, runs[i - 1].item(record));
    }
    REQUIRE(in.flush().has_value());
  }
  core::digest before_end(const journal& in, std::uint64_t i) const { return in.row(runs[i - 1].id)->head_hash; }
  [[nodiscard]] std::vector<std::uint64_t> left(const journal& in) const {
    std::vector<std::uint64_t> out;
    for (std::uint64_t i = 1; i <= runs.size(); ++i) {
      if (in.row(runs[i - 1].id)) out.push_back(i);
    }
    return out;
  }
  scripted_run open{10'000};
  std::vector<scripted_run> runs;
};

upkeep_options keeping(std::uint64_t ended, duration age = duration{0}) {
  auto options = small_steps();
  options.archive.log_records = 1'000'000;  // only what retention needs is archived
  options.retention = {.age = age, .ended_runs = ended};
  return options;
}

/// A run that was removed has left nothing behind.
void check_gone(journal& journal, const scripted_run& run, const std::string& key) {
  CHECK_FALSE(journal.row(run.id).has_value());
  CHECK(journal.read_run(run.id, 0, 10).error().code == errc::not_found);
  CHECK_FALSE(journal.snapshot(run.id, 0).has_value());
  CHECK_FALSE(journal.find_key("", key).has_value());
  const auto records = journal.scan(1, 100'000);
  std::size_t removals = 0;
  for (const auto& record : *records) {
    if (record.run != run.id) continue;
    CHECK(record.kind == run_removed_kind);
    const auto what = read_removal(record);
    REQUIRE(what.has_value());
    CHECK(what->head_seq == run.seq);
    CHECK(what->head_hash == run.hash);
    CHECK(core::chain_hash(run.hash, record) == record.hash);
    ++removals;
  }
  CHECK(removals == 1);
}

std::vector<std::uint64_t> count_up(std::uint64_t from, std::uint64_t to) {
  std::vector<std::uint64_t> out;
  for (auto i = from; i <= to; ++i) out.push_back(i);
  return out;
}

}  // namespace

TEST_CASE("nothing is removed unless somebody asks for it") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = small_steps();
  auto journal = engine->open();
  const ended_runs runs{*journal, 10};
  settle(*journal, timestamp::max());
  CHECK(journal->total_runs() == 11);
  CHECK(journal->archive().removed_runs == 0);
}

TEST_CASE("of ended runs as many are kept as are wished, those that ended last") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = keeping(4);
  auto journal = engine->open();
  const ended_runs runs{*journal, 20};
  const auto kept = journal_content::history(*journal, runs.runs[17].id, 10);
  settle(*journal, at_second(5'000));
  CHECK(runs.left(*journal) == count_up(17, 20));
  CHECK(journal->total_runs() == 5);
  CHECK(journal->open_runs() == 1);
  CHECK(journal->rows({}).size() == 5);
  CHECK(journal->rows({.status = run_status::succeeded}).size() == 4);
  CHECK(journal->rows({.workflow = "flow"}).size() == 5);
  CHECK(journal->archive().removed_runs == 16);
  CHECK(journal->archive().removed_records == 64);
  for (std::size_t i = 0; i < 16; i += 5) check_gone(*journal, runs.runs[i], "key " + std::to_string(i + 1));
  CHECK(journal->find_key("", "key 18") == runs.runs[17].id);
  CHECK(std::equal(kept.begin(), kept.end(), journal_content::history(*journal, runs.runs[17].id, 10).begin(), same));
  CHECK(journal->snapshot(runs.runs[17].id, 0).has_value());
  CHECK(problems_of(*journal) == "");
  CHECK(settle(*journal, at_second(5'000)).empty());
  engine->crash(journal);
  CHECK(runs.left(*journal) == count_up(17, 20));
  CHECK(journal->total_runs() == 5);
  CHECK(problems_of(*journal) == "");
  const auto report = journal->verify([](const run_id&) { return true; });
  CHECK(report.removed_runs == 16);
  CHECK(report.removed_records == 64);
  CHECK(report.runs == 5);
  // The key is free for another run.
  scripted_run again{500, {.key = "key 1"}};
  must_append(*journal, again.item(again.start()));
  CHECK(journal->find_key("", "key 1") == again.id);
}

TEST_CASE("a run is removed when its end is as old as is wished, not before") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = keeping(0, 100s);
  auto journal = engine->open();
  const ended_runs runs{*journal, 12};
  settle(*journal, at_second(1'100));
  CHECK(runs.left(*journal) == count_up(1, 12));
  settle(*journal, at_second(1'105));
  CHECK(runs.left(*journal) == count_up(6, 12));
  settle(*journal, at_second(9'000));
  CHECK(runs.left(*journal).empty());
  CHECK(journal->row(runs.open.id).has_value());
  CHECK(journal_content::history(*journal, runs.open.id, 10).size() == 1);
  CHECK(problems_of(*journal) == "");
}

TEST_CASE("a kill between any two steps of retention leaves each run whole or gone") {
  PERDURE_EACH_ENGINE();
  std::size_t steps = 0;
  for (std::size_t kill_after = 0; steps == kill_after; ++kill_after) {
    CAPTURE(kill_after);
    const auto fresh = make_engine(engine_now);
    fresh->upkeep = keeping(3);
    auto journal = fresh->open();
    const ended_runs runs{*journal, 14};
    for (steps = 0; steps < kill_after && !work_once(*journal, at_second(5'000)).empty();) ++steps;
    fresh->crash(journal);
    CHECK(problems_of(*journal) == "");
    const auto left = runs.left(*journal);
    CHECK(left.size() == journal->total_runs() - 1);
    for (const auto i : left) CHECK(journal_content::history(*journal, runs.runs[i - 1].id, 3).size() == 4);
    for (std::uint64_t i = 1; i <= 14; ++i) {
      if (std::find(left.begin(), left.end(), i) == left.end())
        check_gone(*journal, runs.runs[i - 1], "key " + std::to_string(i));
    }
    settle(*journal, at_second(5'000));
    CHECK(runs.left(*journal) == count_up(12, 14));
    CHECK(problems_of(*journal) == "");
    if (steps < kill_after) CHECK(kill_after > 6);
  }
}

TEST_CASE("whoever reads a run that is removed meanwhile is told so, between two pages") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = keeping(1);
  auto journal = engine->open();
  const ended_runs runs{*journal, 5};
  const auto& run = runs.runs[0].id;
  CHECK(journal->read_run(run, 0, 2)->size() == 2);
  settle(*journal, at_second(5'000));
  CHECK(journal->read_run(run, 2, 2).error().code == errc::not_found);
  CHECK_FALSE(journal->fatal());
}

TEST_CASE("a run with a damaged chunk is not removed: somebody has to look at it") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = small_steps();
  auto journal = engine->open();
  const ended_runs runs{*journal, 10};
  settle(*journal, at_second(5'000));
  journal.reset();
  engine->damage_chunk(runs.runs[2].id, 30);
  engine->upkeep = keeping(4);
  journal = engine->open();
  settle(*journal, at_second(5'000));
  CHECK(runs.left(*journal) == std::vector<std::uint64_t>{3, 7, 8, 9, 10});
  CHECK(settle(*journal, at_second(5'000)).empty());
  const auto report = journal->verify([](const run_id&) { return true; });
  REQUIRE(report.problems.size() == 1);
  CHECK(report.problems[0].run == runs.runs[2].id);
}

TEST_CASE("removals are on record until there are too many of them") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = small_steps();
  engine->upkeep.retention.ended_runs = 2;
  engine->upkeep.kept_removals = 5;
  auto journal = engine->open();
  const ended_runs runs{*journal, 30};
  settle(*journal, at_second(5'000));
  scripted_run late{900};
  must_append(*journal, late.item({late.start(), late.turn()}));
  REQUIRE(journal->flush().has_value());
  settle(*journal, at_second(5'000));
  CHECK(journal->archive().removed_runs == 28);
  std::size_t told = 0;
  const auto records = journal->scan(1, 100'000);
  for (const auto& record : *records) told += record.kind == run_removed_kind ? 1 : 0;
  CHECK(told == 5);
  CHECK(problems_of(*journal) == "");
}

TEST_CASE("a blob goes a while after the last run that refers to it, and one that nobody refers to at a start") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = keeping(1);
  engine->upkeep.blob_grace = duration{0};
  auto journal = engine->open();
  auto& blobs = journal->blobs();
  const auto large = [](char letter) { return "\"" + std::string(limits::inline_payload_bytes + 10, letter) + "\""; };
  const auto with_blob = [&](scripted_run& run, char letter) {
    core::signal_received event{.name = "s", .value = payload::trusted(large(letter))};
    auto record = run.next(event, {});
    record.bytes = *core::encode(core::event{event}, &blobs);
    record.hash = run.hash = core::chain_hash(journal->row(run.id)->head_hash, record);
    must_append(*journal, run.item(record));
  };
  const auto has = [&](char letter) { return journal->blobs().get(core::sha256({large(letter)})).has_value(); };
  ended_runs runs{*journal, 1};
  std::vector<scripted_run> more;
  for (std::uint64_t i = 100; i < 103; ++i) {
    auto& run = more.emplace_back(i);
    must_append(*journal, run.item(run.start()));
    with_blob(run, static_cast<char>('a' + i - 100));
    with_blob(run, 's');
  }
  REQUIRE(blobs.put(large('o')).has_value());
  settle(*journal, at_second(1));  // nothing has ended: only the orphan goes
  CHECK_FALSE(has('o'));
  for (const auto letter : {'a', 'b', 'c', 's'}) CHECK(has(letter));
  for (std::size_t i = 0; i < 2; ++i) must_append(*journal, more[i].item(more[i].end()));
  REQUIRE(journal->flush().has_value());
  settle(*journal, at_second(2'000));
  CHECK(journal->archive().removed_runs == 2);  // of three ended ones; run 102 has not
  CHECK(has('c'));
  CHECK(has('s'));
  CHECK(problems_of(*journal) == "");
  std::size_t gone = 0;
  for (const auto letter : {'a', 'b'}) gone += has(letter) ? 0 : 1;
  CHECK(gone == 2);
  must_append(*journal, more[2].item(more[2].end()));
  scripted_run last{200};
  must_append(*journal, last.item({last.start(), last.end()}));
  REQUIRE(journal->flush().has_value());
  engine->crash(journal);
  settle(*journal, at_second(3'000));
  CHECK(journal->blobs().get(core::sha256({large('s')})).has_value() == journal->row(more[2].id).has_value());
}

TEST_CASE("what was put lately stays, because the event that refers to it may be on its way") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = keeping(1);
  auto journal = engine->open();
  const auto text = "\"" + std::string(limits::inline_payload_bytes, 'x') + "\"";
  const auto hash = *journal->blobs().put(text);
  settle(*journal, at_second(1));
  CHECK(journal->blobs().get(hash).has_value());
}

TEST_CASE("with retention on the journal stops growing, however many runs come and go") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = upkeep_options{};
  engine->upkeep.archive.log_records = 1'000;
  engine->upkeep.retention.ended_runs = 200;
  engine->upkeep.kept_removals = 500;
  auto journal = engine->open();
  std::uint64_t number = 1;
  std::size_t early = 0;
  for (int round = 0; round < 60; ++round) {
    std::vector<append_item> items;
    for (int i = 0; i < 100; ++i) {
      scripted_run run{number++, {.key = "key " + std::to_string(number)}};
      items.push_back(run.item({run.start(), run.turn(), run.turn(), run.turn(), run.end()}));
    }
    for (const auto& verdict : journal->append(items)) REQUIRE_FALSE(verdict.error.has_value());
    REQUIRE(journal->flush().has_value());
    settle(*journal, at_second(round));
    CHECK(journal->total_runs() == 200U - (round == 0 ? 100U : 0U));
    if (round == 15) early = journal->space().used_bytes;
  }
  CHECK(journal->space().used_bytes < early + early / 5);
  CHECK(problems_of(*journal) == "");
}

// A run that ended and has not told its parent yet was archived with its end, and would have been removed: the parent would
// never have heard of it.
TEST_CASE("a run that has ended stays as long as it owes messages to others") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = keeping(0, 100s);
  engine->upkeep.archive.log_records = 8;  // its end leaves the log before the message is acknowledged
  auto journal = engine->open();
  scripted_run child{1}, other{2};
  must_append(*journal, child.item({child.start(), child.next(core::run_ended{}, {run_status::succeeded, true, {}})}));
  for (int i = 0; i < 40; ++i) must_append(*journal, other.item(i == 0 ? other.start() : other.turn()));
  REQUIRE(journal->flush().has_value());
  settle(*journal, at_second(5'000));
  CHECK(journal->row(child.id).has_value());
  CHECK(journal->read_run(child.id, 0, 10)->size() == 2);
  must_append(*journal, child.item(child.next(core::message_delivered{.number = 1}, {run_status::succeeded, false, {}})));
  for (int i = 0; i < 40; ++i) must_append(*journal, other.item(other.turn()));
  REQUIRE(journal->flush().has_value());
  settle(*journal, at_second(5'000));
  CHECK_FALSE(journal->row(child.id).has_value());
  CHECK(journal->archive().removed_runs == 1);
  CHECK(problems_of(*journal) == "");
}
