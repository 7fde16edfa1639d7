// What the service makes of a run's wishes and a backend's answers.
#include "actors/backends/job_service.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "perdure/limits.hpp"
#include "perdure/memory_backend.hpp"
#include "support/catch.hpp"

using namespace perdure;
using namespace perdure::actors;
using namespace std::chrono_literals;
using core::job_action;
using core::job_fact;

namespace {

struct desk {
  explicit desk(std::chrono::milliseconds patience = 5s)
      : service({.tell =
                     [this](const run_id&, core::job_noticed what) {
                       const std::lock_guard lock{mutex};
                       words.push_back(std::move(what));
                       came.notify_all();
                     },
                 .log =
                     [this](std::string_view, std::string_view text) {
                       const std::lock_guard lock{mutex};
                       logged.emplace_back(text);
                       came.notify_all();
                     },
                 .patience = patience}) {}
  ~desk() { service.stop(); }

  core::job_order order(job_action action, std::string id = {}) const {
    return {.run = run,
            .what = {.number = 1, .action = action, .key = run.str() + "/a/1/0"},
            .id = std::move(id),
            .backend = "b",
            .spec = payload{json::value(1)},
            .poll = fixed(5ms),
            .poll_timeout = 1s};
  }
  /// The word number `index`.
  core::job_noticed word(std::size_t index, std::chrono::milliseconds patience = 5s) {
    std::unique_lock lock{mutex};
    REQUIRE(came.wait_for(lock, patience, [&] { return words.size() > index; }));
    return words[index];
  }
  std::size_t count() {
    const std::lock_guard lock{mutex};
    return words.size();
  }

  run_id run = run_id::make();
  std::mutex mutex;
  std::condition_variable came;
  std::vector<core::job_noticed> words;
  std::vector<std::string> logged;
  job_service service;
};

const backend_options quick{.submit_timeout = 200ms, .retry = fixed(5ms)};

}  // namespace

TEST_CASE("a submit gives the job's id, with the key that the order had") {
  desk d;
  const auto backend = std::make_shared<testing::memory_backend>();
  REQUIRE(d.service.add("b", backend, quick));
  d.service.carry_on(d.order(job_action::submit));
  const auto got = d.word(0);
  CHECK(got.what == job_fact::submitted);
  CHECK(got.number == 1);
  CHECK(backend->find_job(got.key)->id == got.id);
}

TEST_CASE("why looks at a backend come to nothing is told at the first one, and when it counts as down; not at each") {
  // A node that was started without its backend's key looked at a job for ever, and nobody was told.
  desk d;
  const auto backend = std::make_shared<testing::memory_backend>();
  REQUIRE(d.service.add("b", backend, quick));
  backend->down(true);
  d.service.carry_on(d.order(job_action::watch, "id"));
  std::unique_lock lock{d.mutex};
  REQUIRE(d.came.wait_for(lock, 5s, [&] { return d.logged.size() >= 2; }));
  CHECK(d.logged[0].starts_with("backend \"b\" did not do what it was asked: "));
  CHECK(d.logged[1].starts_with("backend \"b\" is down: "));
  lock.unlock();
  std::this_thread::sleep_for(50ms);
  lock.lock();
  CHECK(d.logged.size() == 2);
}

TEST_CASE("a submit that may have been made before looks for the job first") {
  desk d;
  const auto backend = std::make_shared<testing::memory_backend>();
  REQUIRE(d.service.add("b", backend, quick));
  auto order = d.order(job_action::submit);
  d.service.carry_on(order);
  const auto first = d.word(0);
  order.again = order.unsure = true;
  d.service.carry_on(order);
  const auto second = d.word(1);
  CHECK(second.what == job_fact::submitted);
  CHECK(second.id == first.id);
  CHECK(backend->accepted() == 1);
}

TEST_CASE("when nobody can tell, the run is told so; a try that the run wants is made") {
  desk d;
  const auto backend = std::make_shared<testing::memory_backend>(backend_capabilities{});
  REQUIRE(d.service.add("b", backend, quick));
  auto order = d.order(job_action::submit);
  order.again = order.unsure = true;
  d.service.carry_on(order);
  CHECK(d.word(0).what == job_fact::ambiguous);
  CHECK(backend->accepted() == 0);
  order.unsure = false;
  d.service.carry_on(order);
  CHECK(d.word(1).what == job_fact::submitted);
  backend->fail_after([](const job_submission&) { return error{errc::io_error, "cut"}; });
  d.service.carry_on(order);
  CHECK(d.word(2).what == job_fact::ambiguous);
}

TEST_CASE("what a submit's error means") {
  const auto [code, finds, fact] = GENERATE(table<errc, bool, job_fact>({{errc::invalid_argument, true, job_fact::refused},
                                                                         {errc::unsupported, false, job_fact::refused},
                                                                         {errc::overloaded, false, job_fact::later},
                                                                         {errc::io_error, true, job_fact::later},
                                                                         {errc::io_error, false, job_fact::ambiguous},
                                                                         {errc::timeout, false, job_fact::ambiguous}}));
  desk d;
  const auto backend = std::make_shared<testing::memory_backend>(backend_capabilities{.find = finds});
  backend->fail_before([code = code](const job_submission&) { return error{code, "no"}; });
  REQUIRE(d.service.add("b", backend, quick));
  d.service.carry_on(d.order(job_action::submit));
  CHECK(d.word(0).what == fact);
}

TEST_CASE("a watched job is looked at with backoff; only changes are told, and the end is the last") {
  desk d;
  const auto backend = std::make_shared<testing::memory_backend>();
  backend->plan([](const testing::memory_backend::job& of) -> job_report {
    if (of.looks < 6) return {.status = job_status::running, .raw = "running"};
    return {.status = job_status::succeeded, .raw = "done"};
  });
  REQUIRE(d.service.add("b", backend, quick));
  d.service.carry_on(d.order(job_action::submit));
  const auto id = d.word(0).id;
  d.service.carry_on(d.order(job_action::watch, id));
  CHECK(d.word(1).seen.status == job_status::running);
  CHECK(d.word(2).seen.status == job_status::succeeded);
  CHECK(d.service.size() == 0);
  std::this_thread::sleep_for(30ms);
  CHECK(d.count() == 3);
}

TEST_CASE("a notice has the job looked at at once") {
  desk d;
  const auto backend = std::make_shared<testing::memory_backend>();
  backend->plan([](const testing::memory_backend::job&) { return job_report{.status = job_status::running, .raw = "running"}; });
  REQUIRE(d.service.add("b", backend, quick));
  d.service.carry_on(d.order(job_action::submit));
  const auto id = d.word(0).id;
  auto watch = d.order(job_action::watch, id);
  watch.poll = fixed(1h);
  d.service.carry_on(watch);
  CHECK(d.word(1).seen.status == job_status::running);
  backend->finish(id);
  CHECK(d.word(2).seen.status == job_status::succeeded);
}

TEST_CASE("a notice of a job that nobody watches brings its run in") {
  desk d;
  const auto backend = std::make_shared<testing::memory_backend>();
  REQUIRE(d.service.add("b", backend, quick));
  d.service.carry_on(d.order(job_action::submit));
  backend->finish(d.word(0).id);
  const auto got = d.word(1);
  CHECK(got.what == job_fact::look);
  CHECK(got.key == d.order(job_action::watch).what.key);
}

TEST_CASE("a job that the backend does not know is lost; a backend that is down is asked again") {
  desk d;
  const auto backend = std::make_shared<testing::memory_backend>();
  REQUIRE(d.service.add("b", backend, quick));
  d.service.carry_on(d.order(job_action::submit));
  const auto id = d.word(0).id;
  backend->down(true);
  d.service.carry_on(d.order(job_action::watch, id));
  std::this_thread::sleep_for(50ms);
  CHECK(d.count() == 1);
  backend->down(false);
  backend->lose(id);
  CHECK(d.word(1).seen.status == job_status::lost);
}

TEST_CASE("a cancel is told when the backend has it, however long that takes") {
  desk d;
  const auto backend = std::make_shared<testing::memory_backend>();
  REQUIRE(d.service.add("b", backend, quick));
  d.service.carry_on(d.order(job_action::submit));
  const auto id = d.word(0).id;
  backend->down(true);
  d.service.carry_on(d.order(job_action::cancel, id));
  std::this_thread::sleep_for(30ms);
  CHECK(d.count() == 1);
  backend->down(false);
  CHECK(d.word(1).what == job_fact::cancel_told);
  CHECK(backend->jobs()[0].cancels == 1);
}

TEST_CASE("a job that is not wanted any more is not submitted") {
  desk d;
  const auto backend = std::make_shared<testing::memory_backend>();
  REQUIRE(d.service.add("b", backend, quick));
  auto order = d.order(job_action::submit);
  order.cancel = true;
  order.again = GENERATE(true, false);
  d.service.carry_on(order);
  CHECK(d.word(0).what == job_fact::refused);
  CHECK(backend->accepted() == 0);
}

TEST_CASE("a job waits a while for its backend to be added, then it is refused") {
  desk d{300ms};
  const bool comes = GENERATE(true, false);
  d.service.carry_on(d.order(job_action::submit));
  std::this_thread::sleep_for(20ms);
  CHECK(d.count() == 0);
  if (comes) {
    REQUIRE(d.service.add("b", std::make_shared<testing::memory_backend>(), quick));
    CHECK(d.word(0).what == job_fact::submitted);
  } else {
    const auto got = d.word(0);
    CHECK(got.what == job_fact::refused);
    CHECK(got.error.code == "unsupported");
  }
}

namespace {
/// Never answers.
class silent final : public backend {
 public:
  backend_capabilities capabilities() const override { return {.find = true}; }
  void submit(job_submission, backend_call how, backend_answer<std::string>) override { stop = how.stop; }
  void status(std::string, backend_call, backend_answer<job_report>) override {}
  std::stop_token stop;
};
}  // namespace

TEST_CASE("a backend that does not answer is not waited for beyond its time, and is told to stop") {
  desk d;
  const auto backend = std::make_shared<silent>();
  REQUIRE(d.service.add("b", backend, quick));
  d.service.carry_on(d.order(job_action::submit));
  const auto got = d.word(0);
  CHECK(got.what == job_fact::later);
  CHECK(got.error.code == "timeout");
  CHECK(backend->stop.stop_requested());
}

TEST_CASE("a run that is read again while its job waits to be submitted does not make that submit doubtful") {
  desk d;
  const auto backend = std::make_shared<testing::memory_backend>(backend_capabilities{});
  d.service.carry_on(d.order(job_action::submit));
  auto again = d.order(job_action::submit);
  again.again = again.unsure = true;
  d.service.carry_on(again);
  REQUIRE(d.service.add("b", backend, quick));
  CHECK(d.word(0).what == job_fact::submitted);
  CHECK(backend->accepted() == 1);
}

namespace {
/// Has news of a job before it has answered its submit, and then no answer.
class early_news final : public testing::memory_backend {
 public:
  early_news() : memory_backend({.notices = true}) {
    fail_after([](const job_submission&) { return error{errc::io_error, "cut off"}; });
  }
  void notify(std::function<void(std::string key)> changed) override { changed_ = std::move(changed); }
  void submit(job_submission what, backend_call how, backend_answer<std::string> done) override {
    changed_(what.key);
    memory_backend::submit(std::move(what), how, std::move(done));
  }

 private:
  std::function<void(std::string key)> changed_;
};
}  // namespace

TEST_CASE("news of a job that is being submitted does not have an ambiguous submit repeated unasked") {
  desk d;
  const auto backend = std::make_shared<early_news>();
  REQUIRE(d.service.add("b", backend, quick));
  d.service.carry_on(d.order(job_action::submit));
  CHECK(d.word(0).what == job_fact::ambiguous);
  CHECK(backend->accepted() == 1);
}

TEST_CASE("no more calls to a backend are under way than the limit, and all are made in the end") {
  desk d;
  const auto backend = std::make_shared<testing::memory_backend>();
  REQUIRE(d.service.add("b", backend, quick));
  const std::size_t count = 3 * limits::backend_calls;
  for (std::size_t i = 0; i < count; ++i) {
    auto order = d.order(job_action::submit);
    order.what.key += "/" + std::to_string(i);
    d.service.carry_on(order);
  }
  (void)d.word(count - 1);
  CHECK(backend->accepted() == count);
  CHECK(d.service.size() == 0);
}

namespace {

core::job_order numbered(const desk& d, job_action action, int number, std::string id = {}) {
  auto out = d.order(action, std::move(id));
  out.what.number = static_cast<core::job_number>(number);
  out.what.key += "/" + std::to_string(number);
  out.poll = fixed(1h);
  return out;
}

}  // namespace

TEST_CASE("a job beyond the limit waits; its run is told, and told again when a place is free, and asks then") {
  desk d;
  const auto backend = std::make_shared<testing::memory_backend>();
  backend->plan([](const testing::memory_backend::job&) { return job_report{.status = job_status::running, .raw = "running"}; });
  auto how = quick;
  how.running = 1;
  REQUIRE(d.service.add("b", backend, how));
  d.service.carry_on(numbered(d, job_action::submit, 1));
  const auto id = d.word(0).id;
  d.service.carry_on(numbered(d, job_action::watch, 1, id));
  CHECK(d.word(1).what == job_fact::seen);
  const auto second = numbered(d, job_action::submit, 2);
  d.service.carry_on(second);
  const auto told = d.word(2);
  CHECK(told.what == job_fact::waits);
  CHECK(told.number == 2);
  // The run has written that down and wants nothing until it is told.
  d.service.leave(d.run, second.what);
  CHECK(d.service.health("b")->running == 1);
  CHECK(d.service.health("b")->waiting == 1);
  backend->finish(id);
  CHECK(d.word(3).seen.status == job_status::succeeded);
  const auto turn = d.word(4);
  CHECK(turn.what == job_fact::look);
  CHECK(turn.number == 2);
  CHECK(backend->accepted() == 1);
  d.service.carry_on(second);
  CHECK(d.word(5).what == job_fact::submitted);
  CHECK(backend->accepted() == 2);
}

TEST_CASE("a job that waits for its turn and is not wanted any more gives up its place in the row") {
  desk d;
  const auto backend = std::make_shared<testing::memory_backend>();
  auto how = quick;
  how.running = 1;
  REQUIRE(d.service.add("b", backend, how));
  d.service.carry_on(numbered(d, job_action::submit, 1));
  CHECK(d.word(0).what == job_fact::submitted);
  d.service.carry_on(numbered(d, job_action::submit, 2));
  auto order = numbered(d, job_action::submit, 2);
  order.cancel = true;
  d.service.carry_on(order);
  CHECK(d.word(1).what == job_fact::refused);
  CHECK(d.service.health("b")->waiting == 0);
  CHECK(d.service.size() == 0);
}

TEST_CASE("a submit that may have been made before is looked for, however many are before it") {
  desk d;
  const auto backend = std::make_shared<testing::memory_backend>();
  auto how = quick;
  how.running = 1;
  REQUIRE(d.service.add("b", backend, how));
  for (int i = 1; i <= 2; ++i) d.service.carry_on(numbered(d, job_action::submit, i));
  CHECK(d.word(0).what == job_fact::submitted);
  auto order = numbered(d, job_action::submit, 1);
  order.again = order.unsure = true;
  d.service.carry_on(order);
  CHECK(d.word(1).id == d.word(0).id);
  CHECK(backend->accepted() == 1);
}

TEST_CASE("jobs of a backend that is down wait without being asked for one by one, and go on when it is there again") {
  desk d;
  const auto backend = std::make_shared<testing::memory_backend>(backend_capabilities{.find = true});
  std::atomic<int> calls{0};
  std::atomic<bool> there{false};
  backend->fail_before([&](const job_submission&) -> std::optional<error> {
    ++calls;
    return there ? std::nullopt : std::optional{error{errc::overloaded, "not now"}};
  });
  auto how = quick;
  how.down_after = 2;
  how.retry = fixed(50ms);
  REQUIRE(d.service.add("b", backend, how));
  d.service.carry_on(numbered(d, job_action::submit, 1));
  d.service.carry_on(numbered(d, job_action::submit, 2));
  CHECK(d.word(0).what == job_fact::later);
  CHECK(d.word(1).what == job_fact::later);
  for (int i = 3; i <= 40; ++i) d.service.carry_on(numbered(d, job_action::submit, i));
  CHECK_FALSE(d.service.health("b")->up);
  CHECK(d.service.health("b")->why == "not now");
  std::this_thread::sleep_for(160ms);
  CHECK(calls <= 2 + 4);
  there = true;
  CHECK(d.word(30, 5s).what != job_fact::waits);
  CHECK(d.service.health("b")->up);
  CHECK(backend->accepted() >= 25);
}

TEST_CASE("where it is said so, jobs of a backend that is down are refused") {
  desk d;
  const auto backend = std::make_shared<testing::memory_backend>();
  backend->fail_before([](const job_submission&) { return error{errc::overloaded, "not now"}; });
  auto how = quick;
  how.down_after = 1;
  how.retry = fixed(1h);
  how.down = when_down::fail;
  REQUIRE(d.service.add("b", backend, how));
  d.service.carry_on(numbered(d, job_action::submit, 1));
  CHECK(d.word(0).what == job_fact::later);
  d.service.carry_on(numbered(d, job_action::submit, 2));
  const auto got = d.word(1);
  CHECK(got.what == job_fact::refused);
  CHECK(got.error.code == "job_refused");
  CHECK(got.error.message.find("not now") != std::string::npos);
}

TEST_CASE("what was left is not told of any more, and nothing is after a stop") {
  desk d;
  const auto backend = std::make_shared<testing::memory_backend>();
  backend->plan([](const testing::memory_backend::job&) { return job_report{.status = job_status::running, .raw = "running"}; });
  REQUIRE(d.service.add("b", backend, quick));
  d.service.carry_on(d.order(job_action::submit));
  const auto id = d.word(0).id;
  const auto watch = d.order(job_action::watch, id);
  d.service.carry_on(watch);
  (void)d.word(1);
  d.service.leave(run_id::make(), watch.what);
  CHECK(d.service.size() == 1);
  d.service.leave(d.run, watch.what);
  CHECK(d.service.size() == 0);
  d.service.stop();
  d.service.carry_on(watch);
  CHECK(d.service.size() == 0);
  CHECK(d.count() == 2);
}

TEST_CASE("a name belongs to one backend") {
  desk d;
  REQUIRE(d.service.add("b", std::make_shared<testing::memory_backend>(), quick));
  const auto again = d.service.add("b", std::make_shared<testing::memory_backend>(), quick);
  REQUIRE(again.has_error());
  CHECK(again.error().code == errc::already_exists);
  CHECK(d.service.names() == std::vector<std::string>{"b"});
}
