// The table of keys, held against the stored rows by verify.
#include "persistence/keys.hpp"
#include "support/journal_engines.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

bool waits(const run_id&) { return true; }

/// A journal in a directory, flushed, with two runs that have keys.
struct keyed_runs {
  keyed_runs() {
    auto journal = engine.open();
    must_append(*journal, first.item({first.start(), first.turn()}));
    must_append(*journal, second.item({second.start(), second.turn()}));
    engine.reopen(journal);
    CHECK(journal->verify(waits).problems.empty());
  }
  std::vector<persistence::verify_problem> problems() { return engine.open()->verify(waits).problems; }

  lmdb_engine engine;
  scripted_run first{run_id::make(), made_run{.key = "K"}}, second{run_id::make(), made_run{.key = "L"}};
};

}  // namespace

TEST_CASE("verify finds a damaged entry of the table of keys") {
  // Nothing looked at that table: a start with the key could be answered with a run that it never named.
  keyed_runs runs;
  auto hash = persistence::scoped_key("", "K");
  // The run's id, and the LSN of its first record.
  change_stored(runs.engine.directory(), "keys", MDB_val{hash.size(), hash.data()}, MDB_SET, flip(GENERATE(0, 7, 15, 16, 23)));
  const auto found = runs.problems();
  REQUIRE_FALSE(found.empty());
  for (const auto& each : found) {
    CHECK(each.run != runs.second.id);
    CHECK(each.what.find("key") != std::string::npos);
  }
}

TEST_CASE("verify finds a key that leads to another run that is there") {
  keyed_runs runs;
  auto hash = persistence::scoped_key("", "K");
  change_stored(runs.engine.directory(), "keys", MDB_val{hash.size(), hash.data()}, MDB_SET,
                [&](std::string& value) { value.replace(0, runs.second.id.bytes.size(), persistence::run_key(runs.second.id)); });
  REQUIRE(runs.problems().size() == 1);
  CHECK(runs.problems()[0].run == runs.second.id);
}

TEST_CASE("verify finds no problem in a key that went to a later run") {
  PERDURE_EACH_ENGINE();
  auto journal = engine->open();
  scripted_run first{run_id::make(), made_run{.key = "K"}}, second{run_id::make(), made_run{.key = "K"}};
  must_append(*journal, first.item({first.start(), first.end()}));
  auto taken_over = second.item({second.start(), second.turn()});
  taken_over.preconditions = {persistence::key_absent{"", "K", first.id}};
  must_append(*journal, std::move(taken_over));
  engine->reopen(journal);
  CHECK(journal->find_key("", "K") == second.id);
  CHECK(journal->verify(waits).problems.empty());
}
