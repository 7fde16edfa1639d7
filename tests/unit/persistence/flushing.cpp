// How rows leave the overlay: in slices that ride in later commits, and what recovery then has to read.
#include "persistence/memory_store.hpp"
#include "persistence/stored_journal.hpp"
#include "support/journal_records.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace perdure::persistence;

namespace {

std::unique_ptr<stored_journal> open_small(const std::shared_ptr<memory_disk>& disk) {
  journal_options options;
  options.overlay_rows = 20;
  options.redo_records = 100;
  options.flush_rows = 4;
  options.timed_slices = false;
  return stored_journal::open(std::make_unique<memory_store>(disk), std::make_unique<memory_blobs>(), options).value();
}

}  // namespace

TEST_CASE("rows begin to be flushed when enough of them wait, a slice with each commit, and then recovery is short") {
  const auto disk = std::make_shared<memory_disk>();
  auto journal = open_small(disk);
  std::vector<scripted_run> runs;
  for (std::uint64_t i = 1; i <= 11; ++i) must_append(*journal, runs.emplace_back(i).item(runs.back().start()));
  const auto redone_now = [&] { return open_small(disk->copy())->redone_records(); };
  CHECK(redone_now() == 11);
  // The round that begins with the twelfth commit takes 11 rows in slices of 4.
  for (int i = 0; i < 2; ++i) must_append(*journal, runs[10].item(runs[10].turn()));
  CHECK(redone_now() == 13);
  must_append(*journal, runs[10].item(runs[10].turn()));
  CHECK(redone_now() == 3);
  CHECK(problems_of(*journal).empty());
  CHECK(problems_of(*open_small(disk->copy())).empty());
}

TEST_CASE("a run that goes on and on is flushed too, before the tail grows over its limit") {
  const auto disk = std::make_shared<memory_disk>();
  auto journal = open_small(disk);
  scripted_run run{1};
  must_append(*journal, run.item(run.start()));
  for (int i = 0; i < 1'000; ++i) {
    must_append(*journal, run.item(run.turn()));
    if (i % 50 == 0) CHECK(open_small(disk->copy())->redone_records() <= 52);
  }
  CHECK(problems_of(*journal).empty());
}

TEST_CASE("a row that changes while its round is under way is stored as it is then and waits again for what follows") {
  const auto disk = std::make_shared<memory_disk>();
  auto journal = open_small(disk);
  std::vector<scripted_run> runs;
  for (std::uint64_t i = 1; i <= 11; ++i) must_append(*journal, runs.emplace_back(i).item(runs.back().start()));
  for (int round = 0; round < 30; ++round) {
    auto& run = runs[static_cast<std::size_t>(round * 7) % runs.size()];
    const after then{run_status::waiting, round % 2 == 0, round % 3 == 0 ? std::optional{at_second(round)} : std::nullopt};
    must_append(*journal, run.item(run.turn(then)));
    const auto after_crash = open_small(disk->copy());
    for (const auto& each : runs) {
      CHECK(journal->row(each.id)->seq == each.seq);
      CHECK(after_crash->row(each.id)->seq == each.seq);
      CHECK(after_crash->row(each.id)->head_hash == each.hash);
    }
    CHECK(after_crash->wakeups(timestamp::max(), {}, 100) == journal->wakeups(timestamp::max(), {}, 100));
    CHECK(problems_of(*after_crash).empty());
  }
}

TEST_CASE("a commit that had no room with its slice of rows goes without it") {
  const auto disk = std::make_shared<memory_disk>();
  auto journal = open_small(disk);
  std::vector<scripted_run> runs;
  for (std::uint64_t i = 1; i <= 11; ++i) must_append(*journal, runs.emplace_back(i).item(runs.back().start()));
  // Large enough that the journal does not see beforehand how short the room is.
  const auto next = runs[0].item(runs[0].turn({}, std::string(300'000, 'x')));
  disk->set_capacity(disk->used_bytes() + next.records[0].bytes.size() + record_header_bytes + 200);
  REQUIRE(journal->space().steps);
  must_append(*journal, next);
  CHECK(open_small(disk->copy())->redone_records() == 12);
  disk->set_capacity(std::size_t{1} << 30);
  for (int i = 0; i < 4; ++i) must_append(*journal, runs[0].item(runs[0].turn()));
  CHECK(open_small(disk->copy())->redone_records() < 12);
  CHECK(problems_of(*journal).empty());
}

TEST_CASE("flush stores every row, also those that changed since a round began") {
  const auto disk = std::make_shared<memory_disk>();
  auto journal = open_small(disk);
  std::vector<scripted_run> runs;
  for (std::uint64_t i = 1; i <= 13; ++i) must_append(*journal, runs.emplace_back(i).item(runs.back().start()));
  REQUIRE(journal->flush().has_value());
  CHECK(open_small(disk->copy())->redone_records() == 0);
  const auto commits = disk->commits();
  REQUIRE(journal->flush().has_value());
  CHECK(disk->commits() == commits);
}
