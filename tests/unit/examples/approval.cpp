#include "examples/approval.hpp"

#include "perdure/testing.hpp"
#include "support/catch.hpp"

using namespace approval;

namespace {

testing::test_run asked(testing::virtual_node& node) {
  node.add(ship());
  const auto run = node.start("ship", release{"2.0", node.now() + 48h});
  node.run_until_idle();
  return run;
}

}  // namespace

TEST_CASE("an approved release is published when its window opens, whatever crashes meanwhile") {
  testing::for_each_crash([](testing::virtual_node& node) {
    const auto run = asked(node);
    const auto window = node.now() + 48h;
    node.skip(3h);
    run.answer(verdict{true, "Ada"});
    CHECK(node.calls("manager", "publish") == 0);
    const auto ended = run.expect_output(json::value("2.0"));
    CHECK(ended.ended_at == window);
    run.expect_replay();
  });
}

TEST_CASE("a release that nobody answers for within a day is not published") {
  testing::virtual_node node;
  const auto run = asked(node);
  CHECK(run.status().requests.at(0).question.text() == R"({"text":"release 2.0?"})");
  node.skip(24h - 1s);
  CHECK(run.status().status == run_status::waiting);
  node.skip(1s);
  CHECK(run.expect_end(run_status::failed).error->code == failure_code::timeout);
  CHECK(node.calls("manager", "publish") == 0);
  CHECK(run.try_respond("1.0", to_json(verdict{true, "too late"})).error().code == errc::conflict);
}

TEST_CASE("a refused release is not published") {
  testing::virtual_node node;
  const auto run = asked(node);
  run.answer(verdict{false, "Bo"});
  CHECK(run.expect_end(run_status::failed).error->message == "Bo said no");
  run.expect_no_event({.step = "publish"});
}

TEST_CASE("the approval's code still fits a run that was recorded while it waited") {
  const std::filesystem::path file = PERDURE_SOURCE_DIR "/tests/unit/examples/histories/approval.jsonl";
  testing::virtual_node node;
  const auto run = asked(node);
  node.skip(3h);
  run.answer(verdict{true, "Ada"});
  run.wait();
  run.expect_history(file);
  testing::replay_history(file, ship());
}
