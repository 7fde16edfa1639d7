// Jobs of real runs on a real node: with a backend in memory that does what the test says, and with processes.
#include "perdure/memory_backend.hpp"
#include "support/engine.hpp"
#include "support/temp_directory.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

struct order {
  std::string spec;
};
PERDURE_MESSAGE(order, "order/v1", spec)

job_report still_running(const testing::memory_backend::job&) { return {.status = job_status::running, .raw = "RUNNING"}; }

/// Accepts at once, and says so when the test wants it.
class slow_to_answer final : public testing::memory_backend {
 public:
  slow_to_answer() : memory_backend({.find = true}) {}
  void submit(job_submission what, backend_call how, backend_answer<std::string> done) override {
    memory_backend::submit(std::move(what), how, [this, done](const result<std::string>& id) {
      const std::lock_guard lock{mutex_};
      kept_.emplace_back([done, id] { done(id); });
    });
  }
  void answer() {
    std::unique_lock lock{mutex_};
    const auto kept = std::exchange(kept_, {});
    lock.unlock();
    for (const auto& each : kept) each();
  }

 private:
  std::mutex mutex_;
  std::vector<std::function<void()>> kept_;
};

}  // namespace

TEST_CASE("a job is submitted once, watched while its run is not in memory, and its end brings the run back") {
  const temp_directory directory;
  const auto outside = std::make_shared<testing::memory_backend>();
  outside->plan(still_running);
  const auto definition = single<order>("w", [](const order& in, context& ctx) -> task<> {
    const auto spec = json::value(in.spec);
    const auto job = co_await ctx.submit_job("outside", spec);
    const auto end = co_await ctx.poll_until_complete(job, {.backoff = fixed(1h)});
    ctx.yield_output(end.result);
  });
  run_id id;
  {
    auto node = open_node(directory.path());
    REQUIRE(node.add_backend("outside", outside));
    REQUIRE(node.add(definition));
    const auto run = node.start("w", order{"x"}).value();
    id = run.id();
    REQUIRE(eventually([&] { return outside->accepted() == 1 && node.stats().live_runs == 0; }));
    const auto info = run.status().value();
    CHECK(info.status == run_status::waiting);
    REQUIRE(info.jobs.size() == 1);
    CHECK(info.jobs[0].status == job_status::running);
    CHECK(info.jobs[0].raw == "RUNNING");
    CHECK(info.jobs[0].key == id.str() + "/only/1/0");
  }
  // Another life of the node; the backend tells of the end.
  auto node = open_node(directory.path());
  REQUIRE(node.add(definition));
  REQUIRE(node.add_backend("outside", outside));
  outside->finish(outside->jobs()[0].id, job_status::succeeded, payload{json::value("made")});
  const auto end = finish(node.get(id).value());
  CHECK(end.output.text() == "\"made\"");
  CHECK(outside->accepted() == 1);
}

TEST_CASE("while a backend is down its jobs wait; they are submitted when it is up again") {
  const auto outside = std::make_shared<testing::memory_backend>();
  outside->down(true);
  auto node = open_node({}, journal_engine::memory);
  REQUIRE(node.add_backend("outside", outside));
  REQUIRE(node.add(single<order>("w", [](const order& in, context& ctx) -> task<> {
    const auto spec = json::value(in.spec);
    const auto end = co_await ctx.run_job("outside", spec, {.poll = fixed(10ms)});
    ctx.yield_output(std::string{boost::describe::enum_to_string(end.status, "?")});
  })));
  const auto run = node.start("w", order{"x"}).value();
  REQUIRE(eventually([&] {
    const auto jobs = run.status().value().jobs;
    return jobs.size() == 1 && jobs[0].error && jobs[0].error->code == "overloaded";
  }));
  outside->down(false);
  CHECK(finish(run).output.text() == "\"succeeded\"");
}

TEST_CASE("a backend that nobody adds fails the step, and says which one is missing") {
  auto node = open_node({}, journal_engine::memory);
  REQUIRE(node.add(single<order>("w", [](const order& in, context& ctx) -> task<> {
    const auto spec = json::value(in.spec);
    co_await ctx.run_job("nowhere", spec);
  })));
  const auto end = finish(node.start("w", order{"x"}).value());
  CHECK(end.status == run_status::failed);
  REQUIRE(end.error);
  CHECK(end.error->code == "unsupported");
  CHECK(end.error->message.find("nowhere") != std::string::npos);
}

TEST_CASE("a cancelled run has its jobs cancelled") {
  const auto outside = std::make_shared<testing::memory_backend>();
  outside->plan(still_running);
  auto node = open_node({}, journal_engine::memory);
  REQUIRE(node.add_backend("outside", outside));
  REQUIRE(node.add(single<order>("w", [](const order& in, context& ctx) -> task<> {
    const auto spec = json::value(in.spec);
    co_await ctx.run_job("outside", spec);
  })));
  const auto run = node.start("w", order{"x"}).value();
  REQUIRE(eventually([&] { return outside->accepted() == 1 && run.status().value().jobs[0].accepted; }));
  REQUIRE(run.cancel("enough"));
  CHECK(finish(run).status == run_status::cancelled);
  CHECK(eventually([&] { return outside->jobs()[0].cancels == 1; }));
}

TEST_CASE("progress and an unknown status of a job are seen in its run, as the backend said them") {
  const auto outside = std::make_shared<testing::memory_backend>();
  outside->plan([](const testing::memory_backend::job& of) -> job_report {
    if (of.looks == 1) return {.status = job_status::running, .raw = "RUNNING", .done = 1, .total = 4, .text = "first"};
    if (of.looks < 4) return {.raw = "MELTING"};
    return {.status = job_status::succeeded, .raw = "OK"};
  });
  auto node = open_node({}, journal_engine::memory);
  REQUIRE(node.add_backend("outside", outside));
  REQUIRE(node.add(single<order>("w", [](const order& in, context& ctx) -> task<> {
    const auto spec = json::value(in.spec);
    co_await ctx.run_job("outside", spec, {.poll = fixed(10ms)});
  })));
  const auto run = node.start("w", order{"x"}).value();
  CHECK(finish(run).status == run_status::succeeded);
  std::vector<std::string> raws;
  bool progress = false;
  for (const auto& each : run.events().value()) {
    if (each.kind != "job_noted") continue;
    if (const auto* raw = each.data.if_contains("raw")) raws.emplace_back(raw->as_string());
    progress = progress || each.data.contains("progress");
  }
  CHECK(raws == std::vector<std::string>{"RUNNING", "MELTING"});
  CHECK(progress);
}

TEST_CASE("a handler runs a process as a job, and reads its log and artifacts") {
  const temp_directory directory;
  auto node = open_node(directory.path());
  REQUIRE(node.add(single<order>("w", [](const order& in, context& ctx) -> task<> {
    auto spec = process_job{"sh"}.arg("-c").arg("cat in.txt; printf '\\377\\n'; echo made > out.txt");
    spec.files = {{"in.txt", in.spec + "\n"}};
    spec.artifacts = {"out.*"};
    const auto job = co_await ctx.submit_job("process", spec);
    const auto end = co_await ctx.poll_until_complete(job);
    const auto log = co_await ctx.job_logs(job);
    const auto files = co_await ctx.artifacts(job);
    std::string text = std::to_string(end.exit_code.value_or(-1));
    for (const auto& each : log.lines) text += "|" + each.text;
    for (const auto& each : files) text += "|" + each.name + " " + std::to_string(each.size_bytes);
    ctx.yield_output(text);
  })));
  const auto end = finish(node.start("w", order{"given"}).value());
  INFO((end.error ? end.error->message : std::string{}));
  CHECK(end.output.value().as_string() == "0|given|\xEF\xBF\xBD|out.txt 5");
}

TEST_CASE("an exit of a process ends the wait early, however long its backoff is") {
  const temp_directory directory;
  auto node = open_node(directory.path());
  REQUIRE(node.add(single<order>("w", [](const order&, context& ctx) -> task<> {
    auto spec = process_job{"sh"}.arg("-c").arg("sleep 0.3; exit 9");
    const auto job = co_await ctx.submit_job("process", spec, {.poll = fixed(1h)});
    const auto end = co_await ctx.poll_until_complete(job);
    ctx.yield_output(*end.exit_code);
  })));
  const auto began = std::chrono::steady_clock::now();
  CHECK(finish(node.start("w", order{}).value()).output.text() == "9");
  CHECK(std::chrono::steady_clock::now() - began < 5s);
}

TEST_CASE("a run that continues as new takes its jobs along") {
  const auto outside = std::make_shared<testing::memory_backend>();
  outside->plan(still_running);
  struct round {
    job_handle job;
  };
  auto node = open_node({}, journal_engine::memory);
  REQUIRE(node.add_backend("outside", outside));
  REQUIRE(node.add(single<order>("w", [](const order& in, context& ctx) -> task<> {
    if (in.spec.empty()) {
      const auto spec = json::value("x");
      const auto job = co_await ctx.submit_job("outside", spec);
      ctx.continue_as_new(order{std::string{payload{to_json(job)}.text()}});
      co_return;
    }
    const auto job = from_json<job_handle>(payload::parse_text(in.spec).value().value()).value();
    const auto end = co_await ctx.poll_until_complete(job);
    ctx.yield_output(std::string{boost::describe::enum_to_string(end.status, "?")});
  })));
  const auto run = node.start("w", order{}).value();
  REQUIRE(eventually([&] {
    const auto now = run.status();
    return now && now->status == run_status::continued_as_new;
  }));
  outside->finish(outside->jobs()[0].id);
  CHECK(finish(run).output.text() == "\"succeeded\"");
  CHECK(outside->accepted() == 1);
  CHECK(outside->jobs()[0].cancels == 0);
}

TEST_CASE("a job whose submit is under way when its run continues as new is not submitted again") {
  // The end of the first run broke the call off, and the next run submitted the job anew: it was there twice.
  const auto outside = std::make_shared<slow_to_answer>();
  outside->plan(still_running);
  auto node = open_node({}, journal_engine::memory);
  REQUIRE(node.add_backend("outside", outside));
  REQUIRE(node.add(single<order>("w", [](const order& in, context& ctx) -> task<> {
    if (in.spec.empty()) {
      const auto spec = json::value("x");
      auto job = ctx.submit_job("outside", spec);
      auto go = ctx.wait_signal<bool>("go");
      (void)co_await ctx.when_any(job, go);
      ctx.continue_as_new(order{"second"});
      co_return;
    }
    (void)co_await ctx.wait_signal<bool>("end");
  })));
  const auto run = node.start("w", order{}).value();
  REQUIRE(eventually([&] { return outside->accepted() == 1; }));
  REQUIRE(run.signal("go", json::value(true)));
  REQUIRE(eventually([&] {
    const auto now = run.status();
    return now && now->status == run_status::continued_as_new;
  }));
  outside->answer();
  REQUIRE(eventually([&] {
    outside->answer();
    return outside->jobs()[0].looks > 0;
  }));
  REQUIRE(run.signal("end", json::value(true)));
  CHECK(finish(run).status == run_status::succeeded);
  CHECK(outside->accepted() == 1);
}

TEST_CASE("jobs beyond a backend's limit wait out of memory, and all are done in the end, one after the other") {
  const temp_directory directory;
  const auto outside = std::make_shared<testing::memory_backend>();
  outside->plan(still_running);
  auto node = open_node(directory.path());
  REQUIRE(node.add_backend("outside", outside, {.running = 1}));
  REQUIRE(node.add(single<order>("w", [](const order& in, context& ctx) -> task<> {
    const auto spec = json::value(in.spec);
    co_await ctx.run_job("outside", spec, {.poll = fixed(1h)});
  })));
  std::vector<run_ref> runs;
  for (int i = 0; i < 3; ++i) runs.push_back(node.start("w", order{std::to_string(i)}).value());
  REQUIRE(eventually([&] { return outside->accepted() == 1 && node.stats().live_runs == 0; }, 10s));
  CHECK(node.health_of("outside")->waiting == 2);
  std::size_t waiting = 0;
  for (const auto& each : runs) waiting += each.status().value().jobs[0].raw == "waits for its turn" ? 1 : 0;
  CHECK(waiting == 2);
  for (std::size_t i = 1; i <= 3; ++i) {
    REQUIRE(eventually([&] { return outside->accepted() == i; }));
    outside->finish(outside->jobs()[i - 1].id);
  }
  for (const auto& each : runs) CHECK(finish(each).status == run_status::succeeded);
}

TEST_CASE("a job that surely was not accepted is never ambiguous, also when its run was read again for the next try") {
  // It was: between two tries the run left memory, and when it was read, at the time of the next one, that try counted as one
  // that may have been made before.
  const auto outside = std::make_shared<testing::memory_backend>(backend_capabilities{});
  int refusals = 2;
  outside->fail_before([&](const job_submission&) {
    return refusals-- > 0 ? std::optional{error{errc::overloaded, "no place"}} : std::nullopt;
  });
  auto node = open_node({}, journal_engine::memory);
  REQUIRE(node.add_backend("outside", outside));
  REQUIRE(node.add(single<order>("w", [](const order& in, context& ctx) -> task<> {
    const auto spec = json::value(in.spec);
    co_await ctx.run_job("outside", spec, {.poll = fixed(10ms), .ambiguous = ambiguous_submit::fail});
  })));
  const auto run = node.start("w", order{"x"}).value();
  // The next tries come after one second and two more: the run is out of memory meanwhile.
  REQUIRE(eventually([&] { return node.stats().live_runs == 0 && !run.status().value().jobs.empty(); }));
  CHECK(finish(run).status == run_status::succeeded);
  CHECK(outside->accepted() == 1);
}

TEST_CASE("a person says how it goes on with a job of which nobody knows whether it was accepted") {
  const auto outside = std::make_shared<testing::memory_backend>(backend_capabilities{});
  bool cut = true;
  outside->fail_after([&](const job_submission&) {
    return std::exchange(cut, false) ? std::optional{error{errc::io_error, "the line was cut"}} : std::nullopt;
  });
  auto node = open_node({}, journal_engine::memory);
  REQUIRE(node.add_backend("outside", outside));
  REQUIRE(node.add(single<order>("w", [](const order& in, context& ctx) -> task<> {
    const auto spec = json::value(in.spec);
    co_await ctx.run_job("outside", spec, {.poll = fixed(10ms), .ambiguous = ambiguous_submit::ask});
  })));
  const auto run = node.start("w", order{"x"}).value();
  REQUIRE(eventually([&] { return run.status().value().requests.size() == 1; }));
  const auto info = run.status().value();
  CHECK(info.requests[0].id == "job.1");
  CHECK(info.jobs[0].asks);
  CHECK(outside->accepted() == 1);
  CHECK(run.respond("job.1", json::value("maybe")).error().code == errc::invalid_argument);
  const bool again = GENERATE(true, false);
  REQUIRE(run.respond("job.1", json::value(again ? "retry" : "fail"), "once"));
  REQUIRE(run.respond("job.1", json::value(again ? "retry" : "fail"), "once"));
  const auto end = finish(run);
  // Said again by a client that heard no answer: the run may have ended because of it, and the answer is the same.
  CHECK(run.respond("job.1", json::value(again ? "retry" : "fail"), "once"));
  CHECK(run.respond("job.1", json::value("fail"), "another").error().code == errc::conflict);
  CHECK(end.requests.empty());
  if (again) {
    CHECK(end.status == run_status::succeeded);
    CHECK(outside->accepted() == 2);
  } else {
    CHECK(end.error->code == "job_ambiguous");
    CHECK(outside->accepted() == 1);
  }
}

TEST_CASE("artifacts that are kept are there when the job's folder is not, and go with their run") {
  const temp_directory directory;
  run_id id;
  {
    auto node = open_node(directory.path());
    REQUIRE(node.add(single<order>("w", [](const order&, context& ctx) -> task<> {
      auto spec = process_job{"sh"}.arg("-c").arg("mkdir d; echo made > d/out.txt; ln -s /etc/passwd d/link.txt");
      spec.artifacts = {"d/*.txt"};
      const auto job = co_await ctx.submit_job("process", spec);
      co_await ctx.poll_until_complete(job);
      const auto files = co_await ctx.keep_artifacts(job);
      ctx.yield_output(files);
    })));
    const auto run = node.start("w", order{}).value();
    id = run.id();
    const auto end = finish(run);
    INFO((end.error ? end.error->message : std::string{}));
    REQUIRE(end.status == run_status::succeeded);
    REQUIRE(end.output.value().as_array().size() == 1);
  }
  std::filesystem::remove_all(directory.path() / "jobs");
  auto node = open_node(directory.path());
  const auto reader = node.open_artifact(id, 1, "d/out.txt");
  REQUIRE(reader.has_value());
  char text[16] = {};
  CHECK((*reader)->read(0, text, sizeof text).value() == 5);
  CHECK(std::string{text} == "made\n");
  CHECK(node.open_artifact(id, 1, "d/link.txt").has_error());
  CHECK(node.open_artifact(id, 2, "d/out.txt").error().code == errc::not_found);
}
