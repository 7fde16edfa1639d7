// long_job: work of hours is a job of its own: it is submitted once, goes on while the node is away, and leaves its log and
// files.
#pragma once

#include "perdure/perdure.hpp"

namespace long_job {

using namespace perdure;
using namespace std::chrono_literals;

struct order {
  std::string model;
  int epochs = 3;
};
PERDURE_MESSAGE(order, "train_order/v1", model, epochs)

struct trained {
  std::string model, last_line, weights_sha256;
  std::uint64_t weights_bytes = 0;
};
PERDURE_MESSAGE(trained, "trained/v1", model, last_line, weights_sha256, weights_bytes)

/// Stands for a program that trains: tells how far it is, and leaves a file.
constexpr const char* program = R"(
  epoch=0
  while [ "$epoch" -lt "$2" ]; do
    epoch=$((epoch + 1))
    echo "::progress $epoch/$2 epoch $epoch of $1"
    sleep 0.1
  done
  printf 'weights of %s' "$1" > weights.bin
  echo "trained $1"
)";

class trainer : public executor<order> {
  task<> handle(const order& what, context& ctx) override {
    auto spec = process_job{"sh"}.arg("-c").arg(program).arg("train").arg(what.model).arg(std::to_string(what.epochs));
    spec.artifacts = {"*.bin"};
    spec.silent_ms = 60'000;
    // Accepted when it returns. From here on neither a crash nor an upgrade of this program loses it.
    const auto job = co_await ctx.submit_job("process", spec, {.timeout = 6h});
    // Nothing is held while it waits: no thread, no actor. The end of the process ends the wait at once.
    const auto end = co_await ctx.poll_until_complete(job, {.backoff = exponential(1s, 5min)});
    const auto log = co_await ctx.job_logs(job);
    if (end.status != job_status::succeeded) throw step_error(*end.error);
    // In the node's own store they stay as long as the run does.
    const auto files = co_await ctx.keep_artifacts(job);
    ctx.yield_output(trained{what.model, log.lines.back().text, files.at(0).sha256, files.at(0).size_bytes});
  }
};

inline workflow train() { return workflow_builder("train", "1.0.0").add<trainer>("trainer").start_at("trainer").build(); }

}  // namespace long_job
