// Background work that goes with a commit of items: both are there afterwards, or the items alone, or neither.
#include "support/archive_steps.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace perdure::persistence;

namespace {

/// Appends an item together with a piece of background work.
verdict append_along(journal& to, append_item item, upkeep_plan& plan) {
  auto verdicts = to.append({&item, 1}, &plan);
  REQUIRE(verdicts.size() == 1);
  REQUIRE(plan.outcome.has_value());
  return std::move(verdicts.front());
}

upkeep_options with_retention(std::uint64_t ended_runs) {
  auto options = small_steps();
  options.retention.ended_runs = ended_runs;
  return options;
}

}  // namespace

TEST_CASE("background work that goes with the commits of a busy journal archives and removes as it does alone") {
  PERDURE_EACH_ENGINE();
  const auto kept = GENERATE(0U, 3U);
  engine->upkeep = with_retention(kept);
  auto journal = engine->open();
  mixed_runs runs{*journal};
  REQUIRE(journal->flush().has_value());
  auto& first = runs.runs[0];
  auto& waiting = runs.runs[3];
  std::map<std::string, int> done;
  int rounds = 0;
  for (; rounds < 400; ++rounds) {
    const auto plan = journal->plan_upkeep(at_second(0));
    if (plan == nullptr) break;
    // Runs that the plan may be copying go on in the same commit.
    std::vector<append_item> items;
    if (rounds < 60) {
      items.push_back(first.item(first.turn()));
      items.push_back(waiting.item(waiting.turn({run_status::waiting, rounds % 2 == 0, at_second(9)})));
    }
    const auto verdicts = journal->append(items, plan.get());
    for (const auto& verdict : verdicts) CHECK_FALSE(verdict.error.has_value());
    REQUIRE(plan->outcome->has_value());
    ++done[std::string{plan->name()}];
    CHECK(journal->read_run(first.id, 0, 10'000)->size() == first.seq);
    CHECK(journal->read_run(waiting.id, 0, 10'000)->size() == waiting.seq);
    if (rounds % 3 == 0) REQUIRE(journal->flush().has_value());
    if (rounds % 20 == 19) {
      engine->crash(journal);
      CHECK(problems_of(*journal) == "");
    }
  }
  CHECK(rounds < 400);
  CHECK(done["copy"] > 3);
  CHECK(done["cut"] > 1);
  CHECK(done["checkpoint"] > 1);
  CHECK((done["remove"] > 0) == (kept != 0));
  if (kept != 0) CHECK(journal->total_runs() - journal->open_runs() == kept);
  CHECK(problems_of(*journal) == "");
  engine->crash(journal);
  CHECK(problems_of(*journal) == "");
}

TEST_CASE("background work that no longer fits is left out, and the items it came with are taken") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = small_steps();
  auto journal = engine->open();
  mixed_runs runs{*journal};
  REQUIRE(journal->flush().has_value());
  const auto late = journal->plan_upkeep(at_second(0));
  REQUIRE(late != nullptr);
  REQUIRE_FALSE(work_once(*journal, at_second(0)).empty());
  const auto then = journal->archive();
  auto& first = runs.runs[0];
  CHECK_FALSE(append_along(*journal, first.item(first.turn()), *late).error.has_value());
  CHECK(late->outcome->has_value());
  CHECK(journal->archive().archived_records == then.archived_records);
  CHECK(journal->row(first.id)->seq == first.seq);
  CHECK(problems_of(*journal) == "");
}

TEST_CASE("items that are refused do not hold up the background work they came with") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = small_steps();
  auto journal = engine->open();
  mixed_runs runs{*journal};
  REQUIRE(journal->flush().has_value());
  const auto plan = journal->plan_upkeep(at_second(0));
  REQUIRE(plan != nullptr);
  const auto last = journal->last_lsn();
  auto item = runs.runs[0].item(runs.runs[0].turn());
  item.expected_seq += 1;
  for (auto& each : item.records) each.seq += 1;
  CHECK(refusal(append_along(*journal, std::move(item), *plan)) == errc::conflict);
  CHECK(plan->outcome->has_value());
  CHECK(journal->last_lsn() == last + 1);  // the first piece is a checkpoint
}

TEST_CASE("a run is not removed in the commit that writes to it") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = with_retention(3);
  auto journal = engine->open();
  mixed_runs runs{*journal};
  REQUIRE(journal->flush().has_value());
  auto plan = journal->plan_upkeep(at_second(0));
  for (; plan != nullptr && plan->name() != "remove"; plan = journal->plan_upkeep(at_second(0))) {
    REQUIRE(journal->commit_upkeep(*plan).has_value());
  }
  REQUIRE(plan != nullptr);
  // The one that ended first is the first to be removed. Late news of it: no run writes such, but a journal does not know that.
  const auto ended = [&](const auto& a, const auto& b) {
    return journal->row(runs.runs[a].id)->ended_at < journal->row(runs.runs[b].id)->ended_at;
  };
  auto& oldest = runs.runs[*std::min_element(runs.ended.begin(), runs.ended.end(), ended)];
  CHECK_FALSE(append_along(*journal, oldest.item(oldest.turn({run_status::succeeded, false, {}})), *plan).error.has_value());
  CHECK(plan->outcome->has_value());
  CHECK(journal->archive().removed_runs == 0);
  CHECK(journal->read_run(oldest.id, 0, 1'000)->size() == oldest.seq);
  CHECK(problems_of(*journal) == "");
}

TEST_CASE("a key that went to a later run while the earlier one was being removed stays with it") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = with_retention(1);
  auto journal = engine->open();
  scripted_run first{1, made_run{.key = "K"}}, other{2}, later{3, made_run{.key = "K"}};
  must_append(*journal, first.item({first.start(), first.end()}));
  must_append(*journal, other.item({other.start(), other.turn(), other.turn(), other.end()}));
  REQUIRE(journal->flush().has_value());
  auto plan = journal->plan_upkeep(at_second(0));
  for (; plan != nullptr && plan->name() != "remove"; plan = journal->plan_upkeep(at_second(0))) {
    REQUIRE(journal->commit_upkeep(*plan).has_value());
  }
  REQUIRE(plan != nullptr);
  auto item = later.item(later.start());
  item.preconditions = {key_absent{"", "K", first.id}};
  must_append(*journal, std::move(item));
  const bool stored = GENERATE(true, false);
  CAPTURE(stored);
  if (stored) REQUIRE(journal->flush().has_value());
  REQUIRE(journal->commit_upkeep(*plan).has_value());
  CHECK(journal->archive().removed_runs == 1);
  engine->reopen(journal);
  CHECK(journal->find_key("", "K") == later.id);
  CHECK(problems_of(*journal) == "");
}
