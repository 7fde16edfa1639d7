// Jobs in virtual time, with a crash at every place.
#include "perdure/memory_backend.hpp"
#include "perdure/perdure.hpp"
#include "perdure/testing.hpp"
#include "support/catch.hpp"

using namespace perdure;
using namespace perdure::testing;
using namespace std::chrono_literals;

namespace {

struct train {
  int lines = 0;
};
PERDURE_MESSAGE(train, "train/v1", lines)

class trainer : public executor<train> {
  task<> handle(const train&, context& ctx) override {
    const auto spec = json::value("train");
    const auto job = co_await ctx.submit_job("gpu", spec);
    const auto end = co_await ctx.poll_until_complete(job, {.backoff = exponential(10s, 300s), .max_duration = 24h});
    ctx.yield_output(end.result);
  }
};

class canceller : public executor<train> {
  task<> handle(const train&, context& ctx) override {
    const auto spec = json::value("train");
    const auto job = co_await ctx.submit_job("gpu", spec);
    co_await ctx.sleep_for(1h);
    co_await ctx.cancel_job(job);
    const auto end = co_await ctx.poll_until_complete(job);
    ctx.yield_output(std::string{boost::describe::enum_to_string(end.status, "?")});
  }
};

template <class E>
workflow of_one() {
  return workflow_builder("w", "1").add<E>("only").start_at("only").build();
}

/// Runs for so many looks.
std::shared_ptr<memory_backend> gpu(std::uint32_t looks, backend_capabilities can = {.find = true, .cancel = true}) {
  auto out = std::make_shared<memory_backend>(can);
  out->plan([looks](const memory_backend::job& of) -> job_report {
    if (of.looks < looks) return {.status = job_status::running, .raw = "running"};
    return {.status = job_status::succeeded, .raw = "done", .result = payload{json::value("weights")}};
  });
  return out;
}

}  // namespace

TEST_CASE("a job of hours is looked at with backoff, and its run waits out of memory") {
  virtual_node node;
  const auto backend = gpu(50);
  node.add_backend("gpu", backend);
  node.add(of_one<trainer>());
  const auto began = node.now();
  node.start("w", train{}).expect_output(json::value("weights"));
  CHECK(node.now() - began > 3h);
  CHECK(backend->accepted() == 1);
}

TEST_CASE("wherever the node crashes, the job is submitted once and its result collected") {
  for (std::uint64_t at = 1; at < 40; ++at) {
    INFO("crash after operation " << at);
    virtual_node node;
    const auto backend = gpu(4);
    node.add_backend("gpu", backend);
    node.add(of_one<trainer>());
    node.crash_after(at);
    const auto run = node.start("w", train{});
    run.expect_output(json::value("weights"));
    run.expect_replay();
    CHECK(backend->accepted() == 1);
  }
}

TEST_CASE("wherever the node crashes, a cancelled job ends as cancelled") {
  for (std::uint64_t at = 1; at < 40; ++at) {
    INFO("crash after operation " << at);
    virtual_node node;
    const auto backend = gpu(1'000'000);
    node.add_backend("gpu", backend);
    node.add(of_one<canceller>());
    node.crash_after(at);
    node.start("w", train{}).expect_output(json::value("cancelled"));
    CHECK(backend->accepted() == 1);
  }
}

TEST_CASE("in any order of things, with crashes, there is one job") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    virtual_node node{{.seed = seed}};
    const auto backend = gpu(3);
    node.add_backend("gpu", backend);
    node.add(of_one<trainer>());
    node.crash_one_in(12);
    node.start("w", train{}).expect_output(json::value("weights"));
    CHECK(backend->accepted() == 1);
  }
}

TEST_CASE("a submit that was cut off after it was accepted is found by its key") {
  virtual_node node;
  const auto backend = gpu(2);
  int cuts = 2;
  backend->fail_after([&](const job_submission&) -> std::optional<error> {
    if (cuts-- > 0) return error{errc::io_error, "the connection was cut"};
    return std::nullopt;
  });
  node.add_backend("gpu", backend);
  node.add(of_one<trainer>());
  node.start("w", train{}).expect_output(json::value("weights"));
  CHECK(backend->accepted() == 1);
}

TEST_CASE("a backend that is down for a day holds the job up, and fails nothing") {
  virtual_node node;
  const auto backend = gpu(2);
  backend->down(true);
  node.add_backend("gpu", backend);
  node.add(of_one<trainer>());
  const auto run = node.start("w", train{});
  node.skip(24h);
  CHECK(run.status().status == run_status::waiting);
  CHECK(backend->accepted() == 0);
  backend->down(false);
  run.expect_output(json::value("weights"));
  CHECK(backend->accepted() == 1);
}
