// Every backend does what the node relies on; and the suite finds those that do not.
#include <algorithm>
#include <set>

#include "actors/backends/process_backend.hpp"
#include "perdure/backend_check.hpp"
#include "perdure/json.hpp"
#include "perdure/memory_backend.hpp"
#include "support/catch.hpp"
#include "support/temp_directory.hpp"

using namespace perdure;
using namespace perdure::testing;
using namespace std::chrono_literals;

namespace {

void expect_conforming(backend& which, const backend_check_options& options) {
  for (const auto& problem : check_backend(which, options)) FAIL_CHECK(problem);
}

process_job shell(const std::string& script) { return process_job{"sh"}.arg("-c").arg(script); }

/// Specs are names of what the job does.
std::shared_ptr<memory_backend> scripted(std::shared_ptr<memory_backend> out) {
  out->plan([](const memory_backend::job& of) -> job_report {
    const auto what = of.what.spec.value();
    const auto text = what.is_string() ? std::string{what.get_string()} : std::string{};
    if (of.looks < 2 || text == "hangs") return {.status = job_status::running, .raw = "running"};
    if (text == "fails") return {.status = job_status::failed, .raw = "failed"};
    return {.status = job_status::succeeded, .raw = "succeeded"};
  });
  out->fail_before([](const job_submission& what) -> std::optional<error> {
    if (what.spec.text() == "\"refused\"") return error{errc::invalid_argument, "never"};
    return std::nullopt;
  });
  return out;
}

backend_check_options scripted_specs() {
  return {.succeeds = json::value("ends"),
          .fails = json::value("fails"),
          .hangs = json::value("hangs"),
          .refused = json::value("refused"),
          .patience = 2s};
}

/// Does one thing wrong.
class bad_backend : public memory_backend {
 public:
  enum class fault {
    none,
    forgets_key,
    new_job_each_time,
    reopens,
    finds_strangers,
    ignores_cancel,
    guesses_unknown,
    accepts_all,
    answers_twice,
    never_answers
  };
  explicit bad_backend(fault which)
      : memory_backend({.find = true, .idempotent = which == fault::new_job_each_time, .cancel = true}), fault_(which) {
    if (which == fault::ignores_cancel) ignore_cancels(true);
  }
  void submit(job_submission what, backend_call how, backend_answer<std::string> done) override {
    if (fault_ == fault::never_answers) return;
    if (fault_ == fault::accepts_all) {
      what.spec = payload{json::value("ends")};
    } else if (fault_ == fault::new_job_each_time) {
      what.key += "/" + std::to_string(++salt_);
    } else if (fault_ == fault::answers_twice) {
      return memory_backend::submit(std::move(what), how, [done](const result<std::string>& got) {
        done(got);
        done(got);
      });
    }
    memory_backend::submit(std::move(what), how, std::move(done));
  }
  void find(std::string key, backend_call how, backend_answer<std::optional<std::string>> done) override {
    if (fault_ == fault::forgets_key) return done(std::optional<std::string>{});
    if (fault_ == fault::finds_strangers && !jobs().empty()) return done(std::optional{jobs().front().id});
    memory_backend::find(std::move(key), how, std::move(done));
  }
  void status(std::string id, backend_call how, backend_answer<job_report> done) override {
    if (fault_ == fault::guesses_unknown) {
      return memory_backend::status(id, how, [done](const result<job_report>& got) {
        done(got ? got : result<job_report>{job_report{.status = job_status::succeeded}});
      });
    }
    if (fault_ == fault::reopens) {
      return memory_backend::status(id, how, [this, id, done](result<job_report> got) {
        if (got && got->status && is_terminal(*got->status) && !ended_.insert(id).second) got->status = job_status::running;
        done(got);
      });
    }
    memory_backend::status(std::move(id), how, std::move(done));
  }

 private:
  fault fault_;
  int salt_ = 0;
  std::set<std::string> ended_;
};

}  // namespace

TEST_CASE("the process backend conforms") {
  const test::temp_directory directory;
  actors::process_backend backend{directory.path() / "jobs"};
  auto leaves = shell("printf done > result.txt; ln -s /etc/passwd link.txt; mkfifo pipe.txt; echo no > other.bin");
  leaves.artifacts = {"*.txt"};
  expect_conforming(backend, {.succeeds = to_json(shell("exit 0")),
                              .fails = to_json(shell("exit 3")),
                              .hangs = to_json(shell("sleep 1000 & sleep 1000")),
                              .writes = to_json(shell("echo one; echo two; echo three")),
                              .leaves = to_json(leaves),
                              .refused = json::value{{"program", ""}}});
}

TEST_CASE("the backend in memory conforms") {
  const auto backend = scripted(std::make_shared<memory_backend>());
  expect_conforming(*backend, scripted_specs());
}

TEST_CASE("a backend that can tell repeated submits conforms") {
  const auto backend =
      scripted(std::make_shared<memory_backend>(backend_capabilities{.find = true, .idempotent = true, .cancel = true}));
  expect_conforming(*backend, scripted_specs());
}

TEST_CASE("a backend that does one thing wrong does not conform, and is told what") {
  using fault = bad_backend::fault;
  const auto [which, word] = GENERATE(table<fault, std::string>({{fault::forgets_key, "not found by its key"},
                                                                 {fault::new_job_each_time, "makes another job"},
                                                                 {fault::reopens, "does not stay"},
                                                                 {fault::finds_strangers, "never used finds a job"},
                                                                 {fault::ignores_cancel, "does not end"},
                                                                 {fault::guesses_unknown, "unknown job"},
                                                                 {fault::accepts_all, "not refused"},
                                                                 {fault::answers_twice, "more than once"},
                                                                 {fault::never_answers, "not answered"}}));
  const auto backend = std::make_shared<bad_backend>(which);
  scripted(backend);
  auto specs = scripted_specs();
  specs.patience = 150ms;
  const auto problems = check_backend(*backend, specs);
  std::string all;
  for (const auto& each : problems) all += each + "\n";
  INFO(all);
  CHECK_FALSE(problems.empty());
  CHECK(all.find(word) != std::string::npos);
}

TEST_CASE("checks that have no spec are left out, and said so") {
  memory_backend backend;
  std::vector<std::string> notes;
  backend_check_options options;
  options.note = [&](const std::string& what) { notes.push_back(what); };
  CHECK(check_backend(backend, options).empty());
  CHECK(std::count_if(notes.begin(), notes.end(), [](const auto& each) { return each.starts_with("left out"); }) >= 5);
}
