// What a journal does when its disk fails: the engine's answers in doubt, by the faults of the in-memory disk.
#include "persistence/memory_journal.hpp"

#include "support/journal_records.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace perdure::persistence;

namespace {

struct bench {
  std::shared_ptr<memory_disk> disk = std::make_shared<memory_disk>();
  std::unique_ptr<journal> now = *open_memory_journal(disk);
  scripted_run run{1};

  bench() { must_append(*now, run.item(run.start())); }
  void restart() {
    now.reset();
    disk->crash();
    now = *open_memory_journal(disk);
  }
};

}  // namespace

TEST_CASE("a commit that fails and left nothing is answered so, and the node has to stop") {
  bench bench;
  bench.disk->fail_commit(commit_fault::lost);
  const auto item = bench.run.item(bench.run.turn());
  CHECK(refusal(append(*bench.now, item)) == errc::io_error);
  CHECK(bench.now->fatal());
  CHECK(bench.now->row(bench.run.id)->seq == 1);
  CHECK(refusal(append(*bench.now, item)) == errc::io_error);
  bench.restart();
  CHECK_FALSE(bench.now->fatal());
  CHECK(bench.now->last_lsn() == 1);
  must_append(*bench.now, item);
}

TEST_CASE("a commit that fails after it was stored is found out and answered as done") {
  bench bench;
  bench.disk->fail_commit(commit_fault::stored);
  CHECK(must_append(*bench.now, bench.run.item(bench.run.turn())) == 2);
  CHECK(bench.now->fatal());
  CHECK(bench.now->row(bench.run.id)->seq == 2);
  bench.restart();
  CHECK(bench.now->row(bench.run.id)->seq == 2);
  CHECK(problems_of(*bench.now).empty());
}

TEST_CASE("when nobody can tell what a failed commit left, nothing is promised and the next start finds out") {
  const auto fault = GENERATE(commit_fault::lost_blind, commit_fault::stored_blind);
  bench bench;
  bench.disk->fail_commit(fault);
  CHECK(refusal(append(*bench.now, bench.run.item(bench.run.turn()))) == errc::io_error);
  CHECK(bench.now->fatal());
  CHECK(bench.now->read_run(bench.run.id, 0, 10).error().code == errc::io_error);
  bench.restart();
  CHECK(bench.now->row(bench.run.id)->seq == (fault == commit_fault::stored_blind ? 2 : 1));
  CHECK(problems_of(*bench.now).empty());
}

TEST_CASE("in a batch of several commits those before the failed one stay") {
  bench bench;
  std::vector<append_item> items;
  std::vector<scripted_run> runs;
  for (std::uint64_t i = 2; i <= 4; ++i) {
    auto& run = runs.emplace_back(i);
    std::vector<core::record> records{run.start()};
    while (records.size() < 3'000) records.push_back(run.turn());
    items.push_back(run.item(std::move(records)));
  }
  bench.disk->fail_commit(commit_fault::lost, 1);
  const auto verdicts = bench.now->append(items);
  CHECK_FALSE(verdicts[0].error.has_value());
  CHECK(refusal(verdicts[1]) == errc::io_error);
  CHECK(refusal(verdicts[2]) == errc::io_error);
  bench.restart();
  CHECK(bench.now->last_lsn() == 3'001);
}

TEST_CASE("a disk that answers too early loses what was not synced, and keeps a prefix of it") {
  bench bench;
  bench.disk->defer_sync();
  must_append(*bench.now, bench.run.item(bench.run.turn()));
  bench.disk->sync();
  for (int i = 0; i < 4; ++i) must_append(*bench.now, bench.run.item(bench.run.turn()));
  const auto copy = bench.disk->copy();
  bench.now.reset();
  bench.disk->crash(3);
  bench.now = *open_memory_journal(bench.disk);
  CHECK(bench.now->last_lsn() == 5);
  CHECK(bench.now->row(bench.run.id)->seq == 5);
  CHECK(problems_of(*bench.now).empty());
  CHECK((*open_memory_journal(copy))->last_lsn() == 2);
}

TEST_CASE("a copy of a disk goes its own way") {
  bench bench;
  const auto copy = bench.disk->copy();
  const auto turn = bench.run.turn();
  must_append(*bench.now, bench.run.item(turn));
  auto other = *open_memory_journal(copy);
  CHECK(other->last_lsn() == 1);
  must_append(*other, bench.run.item(turn));
  bench.now.reset();
  REQUIRE(bench.disk->damage(1, 20));
  other.reset();
  other = *open_memory_journal(copy);
  CHECK(other->read_run(bench.run.id, 0, 10)->size() == 2);
  bench.restart();
  CHECK(bench.now->read_run(bench.run.id, 0, 10).has_error());
}

TEST_CASE("a damaged row is not taken for no row") {
  bench bench;
  REQUIRE(bench.now->flush().has_value());
  bench.restart();
  REQUIRE(bench.disk->damage_row(bench.run.id, 30));
  CHECK(bench.now->read_run(bench.run.id, 0, 10).error().code == errc::corrupt);
  CHECK(refusal(append(*bench.now, bench.run.item(bench.run.turn()))) == errc::corrupt);
  scripted_run again{1}, other{2};
  CHECK(refusal(append(*bench.now, again.item(again.start()))) == errc::corrupt);
  must_append(*bench.now, other.item(other.start()));
  CHECK_FALSE(bench.now->fatal());
  CHECK_FALSE(bench.now->verify({}).problems.empty());
}

TEST_CASE("a failed flush loses nothing") {
  bench bench;
  bench.disk->fail_commit(GENERATE(commit_fault::lost, commit_fault::stored));
  CHECK(bench.now->flush().error().code == errc::io_error);
  CHECK(bench.now->fatal());
  CHECK(bench.now->row(bench.run.id)->seq == 1);
  bench.restart();
  CHECK(bench.now->row(bench.run.id)->seq == 1);
  CHECK(bench.now->total_runs() == 1);
  CHECK(problems_of(*bench.now).empty());
}
