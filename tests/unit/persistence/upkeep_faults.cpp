// What background work does when its commit fails: nothing is lost, nothing is there twice.
#include "persistence/memory_journal.hpp"
#include "support/archive_steps.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace perdure::persistence;

namespace {

struct bench {
  std::shared_ptr<memory_disk> disk = std::make_shared<memory_disk>();
  upkeep_options options = small_steps();
  std::unique_ptr<journal> now;

  bench() {
    options.retention.ended_runs = 3;
    now = *open_memory_journal(disk, open_mode::read_write, options);
  }
  void restart() {
    now.reset();
    disk->crash();
    now = *open_memory_journal(disk, open_mode::read_write, options);
  }
};

}  // namespace

TEST_CASE("whatever commit of the background work fails, and however, the next start goes on from what is stored") {
  const auto fault = GENERATE(commit_fault::lost, commit_fault::stored, commit_fault::lost_blind, commit_fault::stored_blind);
  for (std::size_t failing = 0;; ++failing) {
    CAPTURE(failing);
    bench bench;
    mixed_runs runs{*bench.now, 12};
    REQUIRE(bench.now->flush().has_value());
    const auto before = journal_content::of(*bench.now);
    for (std::size_t i = 0; i < failing && !work_once(*bench.now, at_second(0)).empty(); ++i) {
    }
    const auto plan = bench.now->plan_upkeep(at_second(0));
    if (plan == nullptr) {
      CHECK(failing > 5);
      break;
    }
    bench.disk->fail_commit(fault);
    CHECK(bench.now->commit_upkeep(*plan).has_value() == (fault == commit_fault::stored));
    CHECK(bench.now->fatal());
    CHECK(bench.now->plan_upkeep(at_second(0)) == nullptr);
    bench.restart();
    CHECK(problems_of(*bench.now) == "");
    settle(*bench.now, at_second(0));
    CHECK(problems_of(*bench.now) == "");
    CHECK(bench.now->total_runs() - bench.now->open_runs() == 3);
    for (const auto& row : bench.now->rows({.limit = 100})) {
      CHECK(journal_content::history(*bench.now, row.id, 10).size() == before.runs.at(row.id).size());
    }
  }
}

TEST_CASE("items and the background work of one commit are both there after it failed, or neither is") {
  const auto fault = GENERATE(commit_fault::lost, commit_fault::stored, commit_fault::lost_blind, commit_fault::stored_blind);
  for (std::size_t failing = 0;; ++failing) {
    CAPTURE(failing);
    bench bench;
    mixed_runs runs{*bench.now, 12};
    REQUIRE(bench.now->flush().has_value());
    for (std::size_t i = 0; i < failing && !work_once(*bench.now, at_second(0)).empty(); ++i) {
    }
    const auto plan = bench.now->plan_upkeep(at_second(0));
    if (plan == nullptr) {
      CHECK(failing > 5);
      break;
    }
    auto& first = runs.runs[0];
    const auto known = first.seq;
    auto item = first.item(first.turn());
    bench.disk->fail_commit(fault);
    const auto verdict = bench.now->append({&item, 1}, plan.get());
    const bool told = fault == commit_fault::stored;
    CHECK(verdict.at(0).error.has_value() != told);
    CHECK(plan->outcome->has_value() == told);
    CHECK(bench.now->fatal());
    bench.restart();
    const bool stored = fault == commit_fault::stored || fault == commit_fault::stored_blind;
    CHECK(bench.now->row(first.id)->seq == known + (stored ? 1 : 0));
    CHECK(problems_of(*bench.now) == "");
    // What was planned on the old state fits exactly when nothing of it was stored.
    const auto again = bench.now->plan_upkeep(at_second(0));
    if (!stored) CHECK((again != nullptr && again->name() == plan->name()));
    settle(*bench.now, at_second(0));
    CHECK(problems_of(*bench.now) == "");
    CHECK(bench.now->total_runs() - bench.now->open_runs() == 3);
  }
}

TEST_CASE("background work without room does not keep out the items that it came with") {
  bench bench;
  mixed_runs runs{*bench.now, 12};
  REQUIRE(bench.now->flush().has_value());
  auto plan = bench.now->plan_upkeep(at_second(0));
  for (; plan != nullptr && plan->name() != "copy"; plan = bench.now->plan_upkeep(at_second(0))) {
    REQUIRE(bench.now->commit_upkeep(*plan).has_value());
  }
  REQUIRE(plan != nullptr);
  auto& first = runs.runs[0];
  auto item = first.item(first.turn());
  item.essential = true;
  bench.disk->set_capacity(bench.disk->used_bytes() + 600);  // enough for the item
  CHECK_FALSE(bench.now->append({&item, 1}, plan.get()).at(0).error.has_value());
  CHECK(plan->outcome->error().code == errc::disk_full);
  CHECK_FALSE(bench.now->fatal());
  CHECK(bench.now->archive().archived_records == 0);
  bench.disk->set_capacity(std::size_t{1} << 30);
  settle(*bench.now, at_second(0));
  CHECK(problems_of(*bench.now) == "");
}

TEST_CASE("background work that has no room is tried again later, and the node goes on") {
  bench bench;
  mixed_runs runs{*bench.now, 12};
  REQUIRE(bench.now->flush().has_value());
  bench.disk->set_capacity(bench.disk->used_bytes() + 10);
  auto plan = bench.now->plan_upkeep(at_second(0));
  REQUIRE(plan != nullptr);
  CHECK(bench.now->commit_upkeep(*plan).error().code == errc::disk_full);
  CHECK_FALSE(bench.now->fatal());
  bench.disk->set_capacity(std::size_t{1} << 30);
  settle(*bench.now, at_second(0));
  CHECK(bench.now->archive().first_lsn > 100);
  CHECK(problems_of(*bench.now) == "");
}

TEST_CASE("a directory whose log was shortened is of another format than one that is whole") {
  bench bench;
  scripted_run run{1};
  must_append(*bench.now, run.item(run.start()));
  REQUIRE(bench.now->flush().has_value());
  const auto copy = bench.disk->copy();
  settle(*bench.now, at_second(0));
  bench.now.reset();
  // What a program knows that was written before there was an archive.
  const auto format_of = [](memory_disk& disk) { return disk.stored_format(); };
  CHECK(format_of(*copy) == 1);
  CHECK(format_of(*bench.disk) == 2);
}
