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

pid_t start_worker(const std::filesystem::path& data, const std::filesystem::path& ledger) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::execl(PERDURE_CRASH_WORKER, PERDURE_CRASH_WORKER, data.c_str(), ledger.c_str(), std::to_string(runs).c_str(), nullptr);
  ::_exit(127);
}

std::vector<std::string> lines_of(const std::filesystem::path& file) {
  std::vector<std::string> out;
  std::ifstream in{file};
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

/// Keys of the steps that the journal says are done.
std::set<std::string> recorded_steps(const std::filesystem::path& data) {
  std::set<std::string> out;
  auto journal = persistence::open_lmdb_journal(data, persistence::open_mode::read_only, std::size_t{1} << 40, 0);
  if (!journal) return out;
  std::map<run_id, core::executor_names> names;
  for (lsn_t from = 1;;) {
    const auto records = (*journal)->scan(from, 1000).value();
    for (const auto& record : records) {
      const auto event = core::decode(record.kind, record.schema, record.bytes, &(*journal)->blobs()).value();
      auto& known = names[record.run];
      known.learn(event);
      if (const auto* turn = std::get_if<core::turn>(&event)) {
        for (const auto& step : turn->done) {
          out.insert(record.run.str() + "/" + known.of(event) + "/" + std::to_string(turn->activation) + "/" +
                     std::to_string(step.ordinal));
        }
      }
      from = record.lsn + 1;
    }
    if (records.size() < 1000) return out;
  }
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

}  // namespace

TEST_CASE("a node killed at random moments loses nothing and repeats no recorded step") {
  const test::temp_directory directory;
  const auto data = directory.path() / "data", ledger = directory.path() / "ledger";
  const auto still = directory.path() / "still", still_ledger = directory.path() / "still-ledger";
  int status = 0;
  REQUIRE(::waitpid(start_worker(still, still_ledger), &status, 0) > 0);
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == 0);
  const auto expected = outputs_of(lines_of(still_ledger));
  REQUIRE(expected.size() == 2 * runs);
  CHECK(expected.at("family-0").starts_with("failed "));

  std::mt19937_64 random{test::session_seed()};
  const char* more = std::getenv("PERDURE_KILLS");
  const int kills = more == nullptr ? 25 : std::atoi(more);
  std::set<std::string> acked;
  bool ended = false;
  std::size_t seen = 0;
  for (int i = 0; i < kills + 1 && !ended; ++i) {
    const auto before = recorded_steps(data);
    const auto worker = start_worker(data, ledger);
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
    const auto lines = lines_of(ledger);
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
  for (const auto& [key, text] : outputs_of(lines_of(ledger))) {
    INFO(key);
    CHECK(text == expected.at(key));
  }
  CHECK(outputs_of(lines_of(ledger)).size() == expected.size());
  CHECK(acked.size() == 2 * runs);
}
