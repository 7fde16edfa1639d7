// training_pipeline: a job on an outside system is started once, polled with backoff until it is complete, and reported.
#pragma once

#include <atomic>
#include <cstdio>

#include "perdure/perdure.hpp"

namespace training_pipeline {

using namespace perdure;
using namespace std::chrono_literals;

struct train_request {
  std::string model;
  int epochs = 1;
};
PERDURE_MESSAGE(train_request, "train_request/v1", model, epochs)

struct train_result {
  std::string model;
  double accuracy = 0;
};
PERDURE_MESSAGE(train_result, "train_result/v1", model, accuracy)

/// Stands for a training cluster: a job is complete after a few looks at it.
class cluster {
 public:
  std::string submit(const std::string& model, const std::string& key) {
    std::printf("cluster: job for %s accepted, idempotency key %s\n", model.c_str(), key.c_str());
    return "job-" + model;
  }
  std::optional<double> result_of(const std::string& job) {
    const int look = ++looks_;
    std::printf("cluster: %s is %s\n", job.c_str(), look < 4 ? "training" : "done");
    if (look < 4) return std::nullopt;
    return 0.97;
  }

 private:
  std::atomic<int> looks_{0};
};

class trainer : public executor<train_request> {
 public:
  explicit trainer(std::shared_ptr<cluster> jobs) : jobs_(std::move(jobs)) {}

 private:
  task<> handle(const train_request& what, context& ctx) override {
    // The key is the same after a crash, so the cluster can tell that it has the job already.
    auto submit = [&](call_context& with) { return jobs_->submit(what.model, with.idempotency_key()); };
    const std::string job = co_await ctx.call("submit", submit);
    auto check = [&] { return jobs_->result_of(job); };
    const double accuracy =
        co_await ctx.poll_until_complete("training", check, {.backoff = exponential(20ms, 200ms), .max_duration = 1h});
    ctx.progress(1, 1, "trained");
    ctx.send(train_result{what.model, accuracy});
  }
  std::shared_ptr<cluster> jobs_;
};

class reporter : public executor<train_result> {
  task<> handle(const train_result& what, context& ctx) override {
    ctx.yield_output(what);
    co_return;
  }
};

inline workflow train(std::shared_ptr<cluster> jobs) {
  return workflow_builder("train", "1.0.0")
      .add_with("trainer", [jobs] { return std::make_unique<trainer>(jobs); },
                {.timeout = 6h, .retry = retry(3, exponential(1s, 60s))})
      .add<reporter>("reporter")
      .start_at("trainer")
      .edge("trainer", "reporter")
      .with_timeout(24h)
      .build();
}

}  // namespace training_pipeline
