// The runs of a node with workflows in C++, asked over the gateway's routes without a socket.
#include <atomic>
#include <thread>

#include "perdure/perdure.hpp"
#include "support/catch.hpp"
#include "support/temp_directory.hpp"
#include "tools/gateway/native_api.hpp"

using namespace perdure;
using namespace perdure::tools::gateway;
using namespace std::chrono_literals;

namespace {

struct verdict {
  bool yes = false;
};
PERDURE_MESSAGE(verdict, "verdict/v1", yes)

class judge : public executor<json::value> {
  task<> handle(const json::value&, context& ctx) override {
    const json::value question{{"text", "well?"}};
    const auto answer = co_await ctx.request<verdict>(question);
    ctx.yield_output(answer.yes);
  }
};

/// Keeps the answer; handlers run where they are called.
struct kept_exchange : exchange {
  using exchange::exchange;
  response said;
  void answer(response what) override { said = std::move(what); }
  void answer_with_stream(response, std::string, std::function<void(std::shared_ptr<stream>)>) override { FAIL("a stream"); }
  void post(std::function<void()> call) override { call(); }
  void work(std::function<void()> call) override { call(); }
  void on_drain(std::function<void()>) override {}
  void on_revoked(std::function<void()>) override {}
};

/// A node and the routes about its runs.
struct counter {
  test::temp_directory here;
  node engine = node::open({.data_dir = here.path() / "node", .engine = journal_engine::memory}).value();
  tenant_policies policies;
  key_store keys{here.path()};
  workflow_shelf shelf{{.data = here.path(), .folder = {}, .policies = {}, .log = {}}};
  signing_key signer = signing_key::open(here.path()).value();
  ticker later;
  webhook_book webhooks{{.data = here.path(), .may_reach_private = {}, .log = {}}};
  std::unique_ptr<file_store> files =
      std::move(file_store::open(here.path(), [](std::string_view) { return std::uint64_t{1}; }).value());
  router routes{keys, policies};
  std::string key;

  counter() {
    add_run_routes(routes, {.engine = engine,
                            .shelf = shelf,
                            .policies = policies,
                            .limits = {},
                            .signer = signer,
                            .later = later,
                            .webhooks = webhooks,
                            .files = *files});
    routes.open();
    api_key mine;
    mine.may = *rights::read("run,read");
    const auto now = std::chrono::time_point_cast<duration>(std::chrono::system_clock::now());
    key = keys.create(std::move(mine), now).value().text;
  }
  response post(const std::string& target, std::string body) {
    request in;
    in.method = "POST";
    in.target = target;
    REQUIRE(read_target(target, in));
    in.headers = {{"authorization", "Bearer " + key}, {"content-type", "application/json"}};
    in.body = std::move(body);
    const auto at = std::make_shared<kept_exchange>(std::move(in));
    routes.take(at);
    return at->said;
  }
};

}  // namespace

TEST_CASE("an answer of another type is 400 with what was expected, and the right one is taken afterwards") {
  counter at;
  REQUIRE(at.engine.add(workflow_builder("judge", "1").add<judge>("judge").start_at("judge").build()));
  const auto run = at.engine.start("judge", json::value(nullptr)).value();
  for (int i = 0; i < 5000 && run.status().value().requests.empty(); ++i) std::this_thread::sleep_for(1ms);
  const auto target = "/api/v1/runs/" + run.id().str() + "/respond";
  const auto wrong = at.post(target, R"({"request_id":"1.0","value":{"yes":"maybe"}})");
  INFO(wrong.body);
  CHECK(wrong.status == 400);
  CHECK(wrong.body.find(R"(answer \"verdict/v1\"/yes: expected a bool, found a string; request 1.0)") != std::string::npos);
  CHECK(run.status().value().requests.size() == 1);
  CHECK(at.post(target, R"({"request_id":"1.0","value":{"yes":true}})").status == 200);
  CHECK(run.wait(20s).value().output.text() == "true");
}
