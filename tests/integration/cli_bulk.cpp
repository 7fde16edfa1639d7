// `perdure runs cancel|pause|resume|retry` on a selection of runs.
#include "perdure/perdure.hpp"
#include "support/catch.hpp"
#include "support/program.hpp"

#include <map>

using namespace perdure;
using namespace std::chrono_literals;
using perdure::test::members_of;
using perdure::test::text_of;
using perdure::test::workplace;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

class waits_for_go : public executor<json::value> {
  task<> handle(const json::value&, context& ctx) override { co_await ctx.wait_signal<json::value>("go"); }
};
class always_fails : public executor<json::value> {
  task<> handle(const json::value&, context& ctx) override {
    auto body = []() -> int { throw step_error("broken", "it never works"); };
    co_await ctx.call("work", body);
  }
};

workflow one(const std::string& name) { return workflow_builder(name, "1").add<waits_for_go>("wait").start_at("wait").build(); }
workflow failing() { return workflow_builder("failing", "1").add<always_fails>("fail").start_at("fail").build(); }

std::map<std::string, int> statuses(const workplace& here) {
  std::map<std::string, int> out;
  const auto listed = here.call({"runs", "list", "--limit", "1000", "--json"}).json();
  for (const auto& each : listed.at("runs").as_array()) ++out[text_of(each.at("status"))];
  return out;
}

node open_node(const workplace& here) {
  auto opened = node::open({.data_dir = here.data(), .control_socket = true}).value();
  opened.add(one("left")).value();
  opened.add(one("right")).value();
  opened.add(failing()).value();
  return opened;
}

using counts = std::map<std::string, int>;

}  // namespace

TEST_CASE("a selection of runs is paused, resumed and cancelled through a running node, and again without harm") {
  const workplace here;
  auto node = open_node(here);
  for (int i = 0; i < 20; ++i) (void)node.start(i % 2 == 0 ? "left" : "right", json::value(i)).value();
  REQUIRE(workplace::eventually([&] { return statuses(here) == counts{{"waiting", 20}}; }));

  const auto dry = here.call({"runs", "pause", "--workflow", "left", "--dry-run", "--json"});
  CHECK(dry.code == 0);
  CHECK(dry.json().at("eligible") == 10);
  CHECK(dry.json().at("done") == 0);
  CHECK(statuses(here) == counts{{"waiting", 20}});

  // Nobody can be asked, so nothing is done.
  const auto unasked = here.call({"runs", "pause", "--all"});
  CHECK(unasked.code == 2);
  CHECK(has(unasked.err, "--yes"));
  CHECK(statuses(here) == counts{{"waiting", 20}});

  const auto paused = here.call({"runs", "pause", "--workflow", "left", "--yes", "--json"});
  CHECK(paused.code == 0);
  CHECK(paused.json().at("done") == 10);
  CHECK(members_of(paused.json()) == std::vector<std::string>{"command", "dry_run", "matched", "eligible", "groups", "done",
                                                              "pending", "skipped", "failed", "interrupted", "errors"});
  CHECK(statuses(here) == counts{{"paused", 10}, {"waiting", 10}});
  const auto again = here.call({"runs", "pause", "--workflow", "left", "--yes"});
  CHECK(again.code == 0);
  CHECK(has(again.out, "nothing to pause"));

  CHECK(here.call({"runs", "resume", "--all", "--yes"}).code == 0);
  REQUIRE(workplace::eventually([&] { return statuses(here) == counts{{"waiting", 20}}; }));
  CHECK(here.call({"runs", "cancel", "--older-than", "1h", "--yes"}).code == 0);
  CHECK(statuses(here) == counts{{"waiting", 20}});
  const auto cancelled = here.call({"runs", "cancel", "--status", "waiting", "--reason", "spring cleaning", "--yes"});
  CHECK(cancelled.code == 0);
  CHECK(has(cancelled.out, "20 done"));
  REQUIRE(workplace::eventually([&] { return statuses(here) == counts{{"cancelled", 20}}; }));
}

TEST_CASE("a bulk retry starts one linked run for each, however often it is said") {
  const workplace here;
  auto node = open_node(here);
  for (int i = 0; i < 5; ++i) (void)node.start("failing", json::value(i)).value();
  REQUIRE(workplace::eventually([&] { return statuses(here) == counts{{"failed", 5}}; }));
  const auto ids = here.call({"runs", "list", "--json"}).json();
  CHECK(here.call({"runs", "retry", "--status", "failed", "--yes", "--json"}).json().at("done") == 5);
  REQUIRE(workplace::eventually([&] { return statuses(here) == counts{{"failed", 10}}; }));
  // The linked runs have failed too, so they are retried now; the first five have theirs.
  CHECK(here.call({"runs", "retry", "--status", "failed", "--yes", "--json"}).json().at("done") == 5);
  REQUIRE(workplace::eventually([&] { return statuses(here) == counts{{"failed", 15}}; }));
}

TEST_CASE("without a node a selection goes into the inbox once, and is taken in at the next open") {
  const workplace here;
  {
    auto node = open_node(here);
    for (int i = 0; i < 10; ++i) (void)node.start("left", json::value(i)).value();
    REQUIRE(workplace::eventually([&] { return statuses(here) == counts{{"waiting", 10}}; }));
  }
  CHECK(here.call({"runs", "pause", "--all", "--yes", "--json"}).json().at("pending") == 10);
  CHECK(here.call({"runs", "pause", "--all", "--yes", "--json"}).json().at("eligible") == 0);
  CHECK(here.call({"runs", "resume", "--all", "--yes", "--json"}).json().at("pending") == 10);
  const auto cancelled = here.call({"runs", "cancel", "--all", "--yes"});
  CHECK(cancelled.code == 0);
  CHECK(has(cancelled.out, "10 in the inbox"));
  CHECK(statuses(here) == counts{{"waiting", 10}});
  auto node = open_node(here);
  CHECK(workplace::eventually([&] { return statuses(here) == counts{{"cancelled", 10}}; }));
}

TEST_CASE("what is wrong with a selection is said before anything is done") {
  const workplace here;
  auto node = open_node(here);
  const auto run = node.start("left", json::value(1)).value().id().str();
  CHECK(here.call({"runs", "cancel"}).code == 2);
  CHECK(here.call({"runs", "cancel", run, "--all"}).code == 2);
  CHECK(here.call({"runs", "cancel", "--status", "fine", "--yes"}).code == 2);
  CHECK(here.call({"runs", "cancel", "--older-than", "soon", "--yes"}).code == 2);
  CHECK(here.call({"runs", "signal", "--all"}).code == 2);
  CHECK(here.call({"runs", "list", "--older-than", "1h", "--json"}).json().at("runs").as_array().empty());
  CHECK(here.call({"runs", "list", "--workflow", "left", "--json"}).json().at("runs").as_array().size() == 1);
  CHECK(here.call({"runs", "cancel", run}).code == 0);
}
