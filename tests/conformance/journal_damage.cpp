// What can still be read of a damaged run, in every journal engine.
#include <set>

#include "persistence/each_record.hpp"
#include "support/archive_steps.hpp"
#include "support/journal_engines.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace perdure::persistence;

namespace {

struct what_is_left {
  std::vector<run_seq> seqs;
  std::optional<error> problem;

  explicit what_is_left(const journal& of, const run_id& run, run_seq after = 0) {
    const auto read = each_record(of, run, after, [&](const core::record& record) {
      CHECK(record.run == run);
      CHECK_FALSE(record.bytes.empty());
      seqs.push_back(record.seq);
      return true;
    });
    if (!read) problem = read.error();
  }
  [[nodiscard]] bool says(const std::string& part) const { return problem && problem->message.find(part) != std::string::npos; }
};

std::vector<run_seq> count_up(run_seq first, run_seq last) {
  std::vector<run_seq> out;
  for (auto i = first; i <= last; ++i) out.push_back(i);
  return out;
}

}  // namespace

TEST_CASE("of a damaged run all that comes before the damage is given, and the first record that is not is named") {
  // One damaged record hid all of a run's events, and each reader said another one.
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  scripted_run bad{1}, other{2};
  std::vector<lsn_t> places;  // of the run's records
  const auto add = [&](scripted_run& run, const core::record& record) {
    const auto lsn = must_append(*journal, run.item(record));
    if (&run == &bad) places.push_back(lsn);
  };
  add(other, other.start());
  add(bad, bad.start());
  add(other, other.turn());
  for (int i = 0; i < 2; ++i) add(bad, bad.turn());
  add(other, other.turn());
  for (int i = 0; i < 2; ++i) add(bad, bad.turn());
  REQUIRE(places == std::vector<lsn_t>{2, 4, 5, 7, 8});
  const auto damaged = GENERATE(std::set<lsn_t>{2}, std::set<lsn_t>{4}, std::set<lsn_t>{5}, std::set<lsn_t>{8},
                                std::set<lsn_t>{4, 5}, std::set<lsn_t>{2, 8}, std::set<lsn_t>{2, 4}, std::set<lsn_t>{6, 7},
                                std::set<lsn_t>{3, 4, 5}, std::set<lsn_t>{6, 7, 8}, std::set<lsn_t>{1, 2, 4, 5, 7, 8});
  const bool flushed = GENERATE(false, true);
  CAPTURE(damaged, flushed);
  if (flushed) REQUIRE(journal->flush().has_value());
  journal.reset();
  for (const auto lsn : damaged) engine->damage(lsn, 95);
  run_seq sound = 0;
  while (!damaged.contains(places[sound])) ++sound;
  for (int opening = 0; opening < 2; ++opening) {
    journal = engine->open();
    const what_is_left left{*journal, bad.id};
    INFO((left.problem ? left.problem->message : "no problem"));
    CHECK(left.seqs == count_up(1, sound));
    REQUIRE(left.problem.has_value());
    CHECK(left.problem->code == errc::corrupt);
    CHECK(left.says(bad.id.str()));
    const bool others_too = damaged.size() > 2;  // then nobody can say whose each is
    if (!others_too) CHECK(left.says("LSN " + std::to_string(places[sound]) + ", seq " + std::to_string(sound + 1)));
    CHECK(left.says("seq " + std::to_string(sound + 1) + " of the run"));
    CHECK(left.says("restore"));
    if (sound > 0) CHECK(what_is_left(*journal, bad.id, 1).seqs == count_up(2, sound));
    journal->mark_closed();
    journal.reset();
  }
}

TEST_CASE("a run whose stored row is damaged still has all its records") {
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  scripted_run before{1}, run{2};
  must_append(*journal, before.item({before.start(), before.end()}));
  must_append(*journal, run.item({run.start(), run.turn(), run.turn()}));
  engine->reopen(journal);
  journal.reset();
  engine->damage_row(run.id, GENERATE(0, 5, 60, 150));
  journal = engine->open();
  const what_is_left left{*journal, run.id};
  CHECK(left.seqs == count_up(1, 3));
  CHECK(left.says("the stored row of run " + run.id.str() + " is damaged; seq 1 to 3 can be read"));
}

TEST_CASE("of a run with a damaged chunk in the archive the chunks before it are given") {
  PERDURE_EACH_ENGINE();
  engine->upkeep = small_steps();
  auto journal = engine->open();
  mixed_runs runs{*journal};
  REQUIRE(journal->flush().has_value());
  const auto before = journal_content::of(*journal);
  settle(*journal, at_second(0));
  journal.reset();
  const auto bad = runs.runs[7].id;
  engine->damage_chunk(bad, 9);
  journal = engine->open();
  const what_is_left left{*journal, bad};
  CHECK(left.seqs.empty());
  CHECK(left.says("LSN " + std::to_string(before.runs.at(bad).front().lsn) + ", seq 1 of the run"));
  for (const auto& [run, history] : before.runs) {
    if (run == bad) continue;
    const what_is_left whole{*journal, run};
    CHECK(whole.seqs == count_up(1, history.size()));
    CHECK_FALSE(whole.problem.has_value());
  }
}

TEST_CASE("who has seen enough of a run hears of no damage behind that") {
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  scripted_run run{1};
  must_append(*journal, run.item({run.start(), run.turn(), run.turn()}));
  journal.reset();
  engine->damage(3, 95);
  journal = engine->open();
  run_seq last = 0;
  CHECK(each_record(*journal, run.id, 0, [&](const core::record& record) {
          last = record.seq;
          return record.seq < 2;
        }).has_value());
  CHECK(last == 2);
  CHECK(each_record(*journal, numbered_run(9), 0, [](const core::record&) { return true; }).error().code == errc::not_found);
}
