// Runs that belong together, as the commands show them: children, linked runs, those that continued as new.
#include "perdure/perdure.hpp"
#include "support/catch.hpp"
#include "support/program.hpp"

using namespace perdure;
using namespace std::chrono_literals;
using perdure::test::text_of;
using perdure::test::workplace;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

struct lap {
  int done = 0, of = 0;
};
PERDURE_MESSAGE(lap, "lap/v1", done, of)

class runner : public executor<lap> {
  task<> handle(const lap& now, context& ctx) override {
    if (now.done == now.of) {
      ctx.yield_output(now.done);
      co_return;
    }
    auto go = co_await ctx.wait_signal<int>("go");
    ctx.continue_as_new(lap{now.done + go, now.of});
  }
};
class racer : public executor<lap> {
  task<> handle(const lap& now, context& ctx) override {
    if (now.done == 0) co_await ctx.wait_signal("start");
    if (now.done == now.of) {
      ctx.yield_output(now.done);
    } else {
      ctx.continue_as_new(lap{now.done + 1, now.of});
    }
    co_return;
  }
};
class helper : public executor<lap> {
  task<> handle(const lap& now, context& ctx) override {
    if (now.of == 0) throw step_error("no_legs", "it cannot run");
    co_await ctx.wait_signal("go");
  }
};
class trainer : public executor<lap> {
  task<> handle(const lap& now, context& ctx) override {
    const lap runs{0, 1}, falls{0, 0};
    const auto left = co_await ctx.start_child("helper", runs, {.close = parent_close::abandon});
    ctx.yield_output(left.run_id);
    if (now.of == 0) co_await ctx.run_child<int>("helper", falls);
  }
};

node open_node(const workplace& here) {
  auto opened = node::open({.data_dir = here.data(), .control_socket = true}).value();
  opened.add(workflow_builder("laps", "1").add<runner>("runner").build()).value();
  opened.add(workflow_builder("race", "1").add<racer>("racer").build()).value();
  opened.add(workflow_builder("helper", "1").add<helper>("helper").build()).value();
  opened.add(workflow_builder("train", "1").add<trainer>("trainer").build()).value();
  return opened;
}

}  // namespace

TEST_CASE("runs wait follows a run that continues as new, also where the one that goes on has not begun yet") {
  const workplace here;
  auto node = open_node(here);
  const auto run = node.start("race", lap{0, 60}).value();
  const auto waits = here.start({"runs", "wait", run.id().str(), "--json"});
  std::this_thread::sleep_for(300ms);  // most likely it waits by then
  run.signal("start").value();
  const auto end = waits->finish();
  CHECK(end.err.empty());
  REQUIRE(end.code == 0);
  CHECK(end.json().at("output") == 60);
}

TEST_CASE("a signal that finds no node is left for the run that goes on from one that continued as new") {
  const workplace here;
  std::string first, last;
  {
    auto node = open_node(here);
    const auto run = node.start("laps", lap{0, 2}).value();
    run.signal("go", json::value(1)).value();
    first = run.id().str();
    REQUIRE(workplace::eventually([&] { return run.status()->status == run_status::continued_as_new; }));
    node.close();
  }
  CHECK(has(here.call({"runs", "show", first}).out, "goes on"));
  const auto left = here.call({"runs", "signal", first, "go", "--value", "1", "--command-id", "c1", "--json"});
  CHECK(left.err.empty());
  REQUIRE(left.code == 0);
  CHECK(left.json().at("pending") == true);
  {
    auto node = open_node(here);
    const auto end = node.get(run_id::parse(first).value())->wait(20s);
    REQUIRE(end.has_value());
    CHECK(end->output.text() == "2");
    last = end->id.str();
    node.close();
  }
  const auto late = here.call({"runs", "signal", first, "go"});
  CHECK(late.code == 1);
  CHECK(has(late.err, last + " has ended (succeeded)"));
  CHECK(has(here.call({"runs", "show", last}).out, "follows"));
}

TEST_CASE("runs show lists children with what has become of them, and why one led to a failure") {
  const workplace here;
  auto node = open_node(here);
  const auto fine = node.start("train", lap{0, 1}).value();
  const auto bad = node.start("train", lap{0, 0}).value();
  const auto end = fine.wait(20s);
  REQUIRE(end.has_value());
  const auto child = text_of(end->output.value());
  REQUIRE(workplace::eventually([&] { return node.get(run_id::parse(child).value())->status()->status == run_status::waiting; }));

  // It was left alone, so its parent is not told what becomes of it; its own run is looked at.
  const auto shown = here.call({"runs", "show", fine.id().str()}).out;
  CHECK(has(shown, "Children"));
  CHECK(has(shown, child));
  CHECK(has(shown, "abandon"));
  const auto status = [&] {
    return text_of(here.call({"runs", "show", fine.id().str(), "--json"}).json().at("children").as_array().at(0).at("status"));
  };
  CHECK(status() == "waiting");
  node.get(run_id::parse(child).value())->signal("go").value();
  CHECK(workplace::eventually([&] { return status() == "succeeded"; }));
  CHECK(has(here.call({"runs", "show", child}).out, "parent    " + fine.id().str()));

  REQUIRE(bad.wait(20s).has_value());
  const auto failed = here.call({"runs", "show", bad.id().str()}).out;
  CHECK(has(failed, "because   no_legs in helper: it cannot run"));
  CHECK(has(here.call({"runs", "wait", bad.id().str()}).err, "because: no_legs in helper: it cannot run"));
  const auto again = bad.retry().value();
  REQUIRE(again.wait(20s).has_value());
  CHECK(has(here.call({"runs", "show", again.id().str()}).out, "retry of  " + bad.id().str()));
}
