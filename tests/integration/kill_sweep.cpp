// kill -9 at random moments, again and again, with an outside ledger: nothing acknowledged is lost, no recorded step is
// done again, and the outcome is that of an undisturbed run.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "core/event_json.hpp"
#include "persistence/journal.hpp"
#include "support/catch.hpp"
#include "support/seed.hpp"
#include "support/temp_directory.hpp"

using namespace std::chrono_literals;
using namespace perdure;

namespace {

constexpr int runs = 6;

/// So many records in the log begin archiving, in the sweep that has it.
constexpr int log_records = 150;

struct place {
  std::filesystem::path data, ledger;
  bool archives = false;
};

pid_t start_worker(const place& at) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  const auto count = std::to_string(runs), records = std::to_string(log_records);
  ::execl(PERDURE_CRASH_WORKER, PERDURE_CRASH_WORKER, at.data.c_str(), at.ledger.c_str(), count.c_str(),
          at.archives ? records.c_str() : nullptr, nullptr);
  ::_exit(127);
}

std::unique_ptr<persistence::journal> read_journal(const place& at) {
  auto journal = persistence::open_lmdb_journal(at.data, persistence::open_mode::read_only, std::size_t{1} << 40, 0);
  return journal ? std::move(*journal) : nullptr;
}

std::vector<std::string> lines_of(const std::filesystem::path& file) {
  std::vector<std::string> out;
  std::ifstream in{file};
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

/// Keys of the steps that the journal says are done, in the log or in the archive.
std::set<std::string> recorded_steps(const place& at) {
  std::set<std::string> out;
  const auto journal = read_journal(at);
  if (!journal) return out;
  for (const auto& row : journal->rows({.limit = 10'000})) {
    core::executor_names names;
    for (const auto& record : journal->read_run(row.id, 0, 100'000).value()) {
      const auto event = core::decode(record.kind, record.schema, record.bytes, &journal->blobs()).value();
      names.learn(event);
      const auto* turn = std::get_if<core::turn>(&event);
      if (turn == nullptr) continue;
      for (const auto& step : turn->done) {
        out.insert(record.run.str() + "/" + names.of(event) + "/" + std::to_string(turn->activation) + "/" +
                   std::to_string(step.ordinal));
      }
    }
  }
  return out;
}

std::map<std::string, std::string> outputs_of(const std::vector<std::string>& lines) {
  std::map<std::string, std::string> out;
  for (const auto& line : lines) {
    if (!line.starts_with("output ")) continue;
    const auto space = line.find(' ', 7);
    out[line.substr(7, space - 7)] = line.substr(space + 1);
  }
  return out;
}

void sweep(const place& at) {
  const place still{at.data.string() + "-still", at.ledger.string() + "-still"};
  int status = 0;
  REQUIRE(::waitpid(start_worker(still), &status, 0) > 0);
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == 0);
  const auto expected = outputs_of(lines_of(still.ledger));
  REQUIRE(expected.size() == 2 * runs);
  CHECK(expected.at("family-0").starts_with("failed "));

  std::mt19937_64 random{test::session_seed()};
  const char* more = std::getenv("PERDURE_KILLS");
  const int kills = more == nullptr ? 25 : std::atoi(more);
  std::set<std::string> acked;
  bool ended = false;
  std::size_t seen = 0;
  for (int i = 0; i < kills + 1 && !ended; ++i) {
    const auto before = recorded_steps(at);
    const auto worker = start_worker(at);
    const auto patience = i == kills ? 60'000ms : std::chrono::milliseconds{5 + random() % 60};
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!ended && std::chrono::steady_clock::now() < end) {
      if (::waitpid(worker, &status, WNOHANG) == worker) ended = true;
      std::this_thread::sleep_for(1ms);
    }
    if (!ended) {
      ::kill(worker, SIGKILL);
      ::waitpid(worker, &status, 0);
    }
    const auto lines = lines_of(at.ledger);
    for (; seen < lines.size(); ++seen) {
      const auto& line = lines[seen];
      if (line.starts_with("did ")) {
        INFO("kill " << i << ": " << line);
        CHECK(!before.contains(line.substr(4, line.find('#') - 4)));
      }
      // The key of an endless run leads to the one that goes on, so there the key is what stays.
      const bool endless = line.starts_with("acked family-");
      if (line.starts_with("acked "))
        acked.insert(endless ? line.substr(6, line.rfind(' ') - 6) : line.substr(line.rfind(' ') + 1));
    }
  }
  REQUIRE(ended);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  for (const auto& [key, text] : outputs_of(lines_of(at.ledger))) {
    INFO(key);
    CHECK(text == expected.at(key));
  }
  CHECK(outputs_of(lines_of(at.ledger)).size() == expected.size());
  CHECK(acked.size() == 2 * runs);
}

}  // namespace

TEST_CASE("a node killed at random moments loses nothing and repeats no recorded step") {
  const test::temp_directory directory;
  sweep({directory.path() / "data", directory.path() / "ledger"});
}

TEST_CASE("a node that archives, killed at random moments, loses nothing and repeats no recorded step") {
  const test::temp_directory directory;
  const place at{directory.path() / "data", directory.path() / "ledger", true};
  sweep(at);
  const auto journal = read_journal(at);
  REQUIRE(journal);
  CHECK(journal->archive().archived_records > 0);
  CHECK(journal->archive().first_lsn > 1);
  const auto report = journal->verify([](const run_id&) { return false; });
  CHECK(report.archived > 0);
  for (const auto& each : report.problems) FAIL_CHECK(each.what);
}
