// The reaper: runs without any activity end as failed, those that wait for something do not.
#include "support/serve.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace std::chrono_literals;

TEST_CASE(
    "a run without activity is failed in the contract's words; one that waits, asks or is paused is not; a late result changes "
    "nothing") {
  const workplace here;
  std::filesystem::create_directory(here.path("workflows"));
  const auto put = [&](const std::string& name, const std::string& tasks) {
    here.write("workflows/" + name + ".yaml",
               "document: {dsl: '1.0.3', namespace: default, name: " + name + ", version: 1.0.0}\ndo:\n" + tasks);
  };
  put("stuck", "  - work:\n      run: {shell: {command: 'sleep 4; echo late'}}\n  - after:\n      set: {late: true}\n");
  put("sleeps", "  - pause:\n      wait: {seconds: 3}\n");
  put("asks", "  - q:\n      call: request\n      with: {content: now}\n");
  const served at{here, {"--workflows", here.path("workflows").string(), "--reap-idle", "1s"}};
  const auto start = [&](const std::string& name) {
    return text_of(at.call("POST", "/api/v1/runs", R"({"workflow":")" + name + R"("})").json().at("run_id"));
  };
  const auto of = [&](const std::string& id) { return at.call("GET", "/api/v1/runs/" + id).json(); };
  const auto stuck = start("stuck"), sleeps = start("sleeps"), asks = start("asks"), paused = start("stuck");
  CHECK(at.call("POST", "/api/v1/runs/" + paused + "/pause").status == 200);
  const auto key = at.key({"--workflow", "stuck"});
  const auto seen = [&] { return at.call_as(key, "GET", "/v1/workflows/run/" + stuck).json(); };
  REQUIRE(workplace::eventually([&] { return seen().at("status") == "failed"; }, 20s));
  CHECK(seen().at("error") == "Execution timed out with no recent node activity \xE2\x80\x94 worker may have crashed");
  CHECK(seen().at("finished_at").is_int64());
  CHECK(seen().at("outputs") == json::object{});
  REQUIRE(workplace::eventually([&] { return of(sleeps).at("status") == "succeeded"; }, 10s));
  CHECK(of(asks).at("status") == "waiting");
  CHECK(of(paused).at("status") == "paused");
  std::this_thread::sleep_for(1s);
  CHECK(seen().at("status") == "failed");
}
