// A node is killed at every place where something of a job is done and not recorded yet, or the other way round: there is one
// job, its result is not lost, and it is not submitted again. The job itself keeps count, in a file.
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <random>
#include <thread>

#include "support/catch.hpp"
#include "support/seed.hpp"
#include "support/temp_directory.hpp"

using namespace std::chrono_literals;

namespace {

struct outcome {
  int starts = 0, ends = 0, lives = 0;
  std::vector<std::string> outputs;
};

pid_t start_worker(const std::filesystem::path& at, const std::string& place, const char* mode) {
  const auto data = (at / "data").string(), ledger = (at / "ledger").string();
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::execl(PERDURE_JOB_WORKER, PERDURE_JOB_WORKER, data.c_str(), ledger.c_str(), place.c_str(), mode, nullptr);
  ::_exit(127);
}

outcome read_ledger(const std::filesystem::path& at) {
  outcome out;
  std::ifstream in{at / "ledger"};
  for (std::string line; std::getline(in, line);) {
    out.starts += line == "start" ? 1 : 0;
    out.ends += line == "end" ? 1 : 0;
    if (line.starts_with("output ")) out.outputs.push_back(line.substr(7));
  }
  return out;
}

/// Lives until one comes to its end by itself.
outcome live(const std::filesystem::path& at, const std::string& place, const char* mode = nullptr) {
  int lives = 0;
  for (int status = -1; lives < 5;) {
    ++lives;
    const auto worker = start_worker(at, place, mode);
    REQUIRE(worker > 0);
    REQUIRE(::waitpid(worker, &status, 0) == worker);
    if (WIFEXITED(status)) {
      CHECK(WEXITSTATUS(status) == 0);
      break;
    }
  }
  auto out = read_ledger(at);
  out.lives = lives;
  return out;
}

/// The program of a job that was accepted begins a little later.
bool eventually_starts(const std::filesystem::path& at, int count) {
  for (int i = 0; i < 200 && read_ledger(at).starts < count; ++i) std::this_thread::sleep_for(10ms);
  return read_ledger(at).starts == count;
}

}  // namespace

TEST_CASE("a node killed around a submit, a look or an end has one job, and collects its result") {
  const auto place = GENERATE(std::string{"before_submit"}, "accepted", "first_look", "end_seen", "before_collect", "collected");
  INFO(place);
  const perdure::test::temp_directory directory;
  const auto got = live(directory.path(), place);
  CHECK(got.lives == 2);
  CHECK(got.starts == 1);
  CHECK(got.ends == 1);
  CHECK(got.outputs == std::vector<std::string>{"\"failed 4 hello made.txt\""});
}

TEST_CASE("a node killed around a cancel has the job cancelled once") {
  const auto place = GENERATE(std::string{"before_cancel"}, "cancelled");
  INFO(place);
  const perdure::test::temp_directory directory;
  const auto got = live(directory.path(), place, "cancel");
  CHECK(got.lives == 2);
  CHECK(got.starts == 1);
  CHECK(got.ends == 0);
  CHECK(got.outputs == std::vector<std::string>{"\"cancelled\""});
}

TEST_CASE("a node killed around a submit to a backend that knows no keys does what the step's policy says") {
  const auto [place, mode, starts, output] = GENERATE(
      table<std::string, std::string, int, std::string>({// Nobody can tell the two places apart: that is what the policy is for.
                                                         {"before_submit", "retry", 1, "failed"},
                                                         {"accepted", "retry", 2, "failed"},
                                                         {"before_submit", "fail", 0, "job_ambiguous"},
                                                         {"accepted", "fail", 1, "job_ambiguous"},
                                                         {"before_submit", "ask", 1, "failed"},
                                                         {"accepted", "ask", 2, "failed"}}));
  INFO(place << " " << mode);
  const perdure::test::temp_directory directory;
  const auto got = live(directory.path(), place, mode.c_str());
  CHECK(got.lives == 2);
  CHECK(eventually_starts(directory.path(), starts));
  CHECK(got.outputs == std::vector<std::string>{"\"" + output + "\""});
}

TEST_CASE("a question about a job, and its answer, survive the node") {
  const auto place = GENERATE(std::string{"asked"}, "answered");
  INFO(place);
  const perdure::test::temp_directory directory;
  int status = 0;
  REQUIRE(::waitpid(start_worker(directory.path(), "accepted", "ask"), &status, 0) > 0);
  REQUIRE(WIFSIGNALED(status));
  std::filesystem::remove(directory.path() / "ledger.died");
  const auto got = live(directory.path(), place, "ask");
  CHECK(got.lives == 2);
  CHECK(got.outputs == std::vector<std::string>{"\"failed\""});
  // Killed when the answer was durable, nobody can tell whether it was submitted: it is asked again, not guessed.
  std::this_thread::sleep_for(100ms);
  const auto starts = read_ledger(directory.path()).starts;
  CHECK(starts >= 2);
  CHECK(starts <= (place == "asked" ? 2 : 3));
}

TEST_CASE("a job that ends while no node is there is collected by the next one") {
  const perdure::test::temp_directory directory;
  int status = 0;
  REQUIRE(::waitpid(start_worker(directory.path(), "first_look", nullptr), &status, 0) > 0);
  REQUIRE(WIFSIGNALED(status));
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (read_ledger(directory.path()).ends == 0 && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(10ms);
  std::this_thread::sleep_for(100ms);
  const auto began = std::chrono::steady_clock::now();
  const auto got = live(directory.path(), "never");
  CHECK(got.starts == 1);
  CHECK(got.outputs == std::vector<std::string>{"\"failed 4 hello made.txt\""});
  CHECK(std::chrono::steady_clock::now() - began < 10s);  // its supervisor left word of the end: nobody had to wait for a look
}

TEST_CASE("a node killed at random moments has one job, and collects its result") {
  std::mt19937_64 random{perdure::test::session_seed()};
  for (int round = 0; round < 6; ++round) {
    const perdure::test::temp_directory directory;
    for (int i = 0; i < 4; ++i) {
      const auto worker = start_worker(directory.path(), "never", nullptr);
      REQUIRE(worker > 0);
      std::this_thread::sleep_for(std::chrono::milliseconds{5 + random() % 120});
      ::kill(worker, SIGKILL);
      int status = 0;
      REQUIRE(::waitpid(worker, &status, 0) == worker);
    }
    const auto got = live(directory.path(), "never");
    CHECK(got.starts == 1);
    CHECK(got.ends == 1);
    REQUIRE_FALSE(got.outputs.empty());
    CHECK(got.outputs.back() == "\"failed 4 hello made.txt\"");
  }
}
