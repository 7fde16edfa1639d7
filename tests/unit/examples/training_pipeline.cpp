#include "examples/training_pipeline.hpp"

#include "perdure/testing.hpp"
#include "support/catch.hpp"

using namespace training_pipeline;

namespace {

testing::virtual_node& with_cluster(testing::virtual_node& node) {
  node.add(train(std::make_shared<training_pipeline::cluster>()));
  return node;
}

}  // namespace

TEST_CASE("a training job is submitted once, polled with backoff, and reported") {
  testing::virtual_node node;
  const auto run = with_cluster(node).start("train", train_request{"resnet", 3}, {.key = "nightly-42"});
  const auto began = node.now();
  run.expect_output(train_result{"resnet", 0.97});
  CHECK(node.calls("trainer", "submit") == 1);
  CHECK(node.calls("trainer", "training") == 4);
  CHECK(node.now() - began == 20ms + 40ms + 80ms);
  run.expect_subsequence({{"turn", "trainer", "submit"},
                          {"step_retrying", "trainer", "training"},
                          {"step_retrying", "trainer", "training"},
                          {"step_retrying", "trainer", "training"},
                          {"turn", "reporter"},
                          {"run_ended"}});
  CHECK(node.start("train", train_request{"resnet", 3}, {.key = "nightly-42"}).id() == run.id());
}

TEST_CASE("a training job is reported after a crash in any place, and its key never changes") {
  testing::for_each_crash([](testing::virtual_node& node) {
    const auto run = with_cluster(node).start("train", train_request{"resnet", 3});
    run.expect_output(train_result{"resnet", 0.97});
    std::size_t submits = 0;
    for (const auto& each : node.bodies()) {
      if (each.step == "submit") ++submits;
      CHECK(each.key.starts_with(run.id().str() + "/trainer/"));
    }
    CHECK(submits == 1);  // one key
  });
}

TEST_CASE("a cluster that is away when a job is submitted is tried again, and at last given up") {
  testing::virtual_node node;
  with_cluster(node).fail_step({"trainer", "submit", {}, {1, 2}}, "unavailable");
  node.start("train", train_request{"resnet", 3}).expect_output(train_result{"resnet", 0.97});
  node.fail_step({"trainer", "submit"}, "unavailable");
  const auto failed = node.start("train", train_request{"resnet", 3}).expect_end(run_status::failed);
  CHECK(failed.error->code == "unavailable");
  CHECK(failed.error->attempt == 3);
}

TEST_CASE("a job that is never done ends at the limit of its poll") {
  testing::virtual_node node;
  with_cluster(node).hang_step({"trainer", "training"});
  const auto began = node.now();
  const auto ended = node.start("train", train_request{"resnet", 3}).expect_end(run_status::failed);
  CHECK(ended.error->code == failure_code::timeout);
  CHECK(node.now() - began > 3 * 1h);  // three attempts
  CHECK(node.now() - began < 4h);
}
