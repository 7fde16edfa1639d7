// A workflow whose graph was changed, in a directory with runs of the old one.
#include "perdure/perdure.hpp"
#include "support/catch.hpp"
#include "support/temp_directory.hpp"

#include <fstream>

using namespace perdure;
using namespace std::chrono_literals;
using perdure::test::temp_directory;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

class waits_for_go : public executor<json::value> {
  task<> handle(const json::value& what, context& ctx) override {
    co_await ctx.wait_signal("go");
    ctx.send(what);
  }
};

workflow plain() { return workflow_builder("shape", "1").add<waits_for_go>("first").build(); }
workflow changed() {
  return workflow_builder("shape", "1")
      .add<waits_for_go>("first", {.timeout = 1h})
      .add<waits_for_go>("second")
      .start_at("first")
      .edge("first", "second")
      .build();
}

node open_node(const temp_directory& here) { return node::open({.data_dir = here.path() / "data"}).value(); }

std::size_t kept(const temp_directory& here) {
  std::size_t out = 0;
  std::error_code none;
  for (const auto& each : std::filesystem::directory_iterator(here.path() / "data/graphs/shape", none)) {
    out += each.path().extension() == ".json" ? 1 : 0;
  }
  return out;
}

}  // namespace

TEST_CASE("a graph that was changed under its version is refused with what changed, also in a later process") {
  const temp_directory here;
  run_id id;
  {
    auto node = open_node(here);
    node.add(plain()).value();
    id = node.start("shape", json::value(1)).value().id();
    node.close();
  }
  {
    auto node = open_node(here);
    const auto refused = node.add(changed());
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == errc::already_exists);
    CHECK(has(refused.error().message, id.str()));
    CHECK(has(refused.error().message, "executor \"second\" is new"));
    CHECK(has(refused.error().message, "edge \"first\" -> \"second\" is new"));
    CHECK(has(refused.error().message, "executor \"first\": start_to_close none, now 1h"));
    // Nothing of it is registered.
    CHECK(node.start("shape", json::value(2)).error().code == errc::workflow_unknown);
    CHECK(node.get(id)->status()->blocked == "workflow not registered");
    // The run goes on with the graph that it began with.
    node.add(plain()).value();
    node.get(id)->signal("go").value();
    CHECK(node.get(id)->wait(20s)->status == run_status::succeeded);
    node.close();
  }
  auto node = open_node(here);
  CHECK(node.add(changed()).has_value());  // nobody needs the old one any more
  CHECK(kept(here) == 1);
  node.close();
}

TEST_CASE("another version may have another graph beside runs of the old one") {
  const temp_directory here;
  auto first = open_node(here);
  first.add(plain()).value();
  (void)first.start("shape", json::value(1)).value();
  first.close();
  auto node = open_node(here);
  CHECK(node.add(workflow_builder("shape", "2").add<waits_for_go>("only").build()).has_value());
  CHECK(node.add(plain()).has_value());
  CHECK(kept(here) == 2);
  node.close();
}

TEST_CASE("a kept graph that cannot be read still refuses another one, and holds nothing up once its runs have ended") {
  const temp_directory here;
  run_id id;
  {
    auto node = open_node(here);
    node.add(plain()).value();
    id = node.start("shape", json::value(1)).value().id();
    node.close();
  }
  for (const auto& each : std::filesystem::directory_iterator(here.path() / "data/graphs/shape")) {
    std::ofstream{each.path(), std::ios::binary | std::ios::trunc} << "{\"name\":";
  }
  auto node = open_node(here);
  const auto refused = node.add(changed());
  REQUIRE_FALSE(refused.has_value());
  CHECK(has(refused.error().message, id.str()));
  CHECK_FALSE(has(refused.error().message, "("));
  node.get(id)->cancel().value();
  CHECK(node.get(id)->wait(20s)->status == run_status::cancelled);
  CHECK(node.add(changed()).has_value());
  node.close();
}
