// Answers that are not what a handler waits for are refused when they are given: nothing is recorded, the request stays open.
#include "support/catch.hpp"
#include "support/engine.hpp"
#include "support/temp_directory.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <future>
#include <sstream>

using namespace std::chrono_literals;
using namespace perdure;

namespace {

struct form {
  int pages = 1;
};
PERDURE_MESSAGE(form, "form/v1", pages)
struct verdict {
  bool yes = false;
  std::string by;
};
PERDURE_MESSAGE(verdict, "verdict/v1", yes, by)

using test::eventually;
using test::finish;
using test::open_node;

workflow asking(executor_options options = {}) {
  return test::single<form>(
      "ask",
      [](const form& in, context& ctx) -> task<> {
        const json::value question{{"text", "release?"}};
        for (int i = 0; i < in.pages; ++i) {
          const auto answer = co_await ctx.request<verdict>(question);
          ctx.yield_output(json::value{{"by", answer.by}, {"yes", answer.yes}});
        }
      },
      options);
}

/// The id of the request that the run waits with.
std::string open_request(const run_ref& run) {
  REQUIRE(eventually([&] { return run.status().value().requests.size() == 1; }));
  return run.status().value().requests.at(0).id;
}
bool parked(const node& of) {
  return eventually([&] { return of.stats().live_runs == 0; }, 5s);
}
const json::value wrong{{"yes", "maybe"}};
std::string why(const result<void>& refused) {
  REQUIRE(refused.has_error());
  CHECK(refused.error().code == errc::invalid_argument);
  return refused.error().message;
}

}  // namespace

TEST_CASE("an answer of another type is refused with what was expected, and the right one is taken") {
  for (const bool cooperative : {false, true}) {
    const test::temp_directory directory;
    auto node = open_node(directory.path());
    REQUIRE(node.add(asking({.cooperative = cooperative})));
    const auto run = node.start("ask", form{}).value();
    const auto request = open_request(run);
    const auto events = run.events().value().size();
    CHECK(why(run.respond(request, wrong)) == "answer \"verdict/v1\"/yes: expected a bool, found a string; request " + request +
                                                  " of run " + run.id().str() + " stays open");
    CHECK(why(run.respond(request, json::value(true))).find("answer \"verdict/v1\": expected an object, found ") == 0);
    CHECK(run.status().value().status == run_status::waiting);
    CHECK(run.status().value().requests.size() == 1);
    CHECK(run.events().value().size() == events);
    REQUIRE(run.respond(request, verdict{true, "ann"}));
    CHECK(run.respond(request, wrong).error().code != errc::invalid_argument);  // it is not open any more
    CHECK(finish(run).output.text() == R"({"by":"ann","yes":true})");
  }
}

TEST_CASE("a run that has left memory is brought in to refuse an answer, and leaves again") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  REQUIRE(node.add(asking()));
  const auto run = node.start("ask", form{}).value();
  const auto request = open_request(run);
  for (int i = 0; i < 2; ++i) {
    REQUIRE(parked(node));
    why(run.respond(request, wrong));
  }
  REQUIRE(parked(node));
  // So is a paused one, whose handler does not go on.
  REQUIRE(run.pause());
  REQUIRE(parked(node));
  why(run.respond(request, wrong));
  REQUIRE(parked(node));
  REQUIRE(run.respond(request, verdict{true, "bob"}));
  CHECK(run.status().value().status == run_status::paused);
  REQUIRE(run.resume());
  CHECK(finish(run).output.text() == R"({"by":"bob","yes":true})");
}

TEST_CASE("an answer that was taken counts as given when it comes again, fitting or not") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  REQUIRE(node.add(asking()));
  const auto run = node.start("ask", form{2}).value();
  const auto request = open_request(run);
  // A command id that was refused has not been used up.
  why(run.respond(request, wrong, "c1"));
  REQUIRE(run.respond(request, to_json(verdict{true, "ann"}), "c1"));
  CHECK(run.respond(request, to_json(verdict{true, "ann"}), "c1"));
  CHECK(run.respond(request, wrong, "c1"));
  REQUIRE(eventually([&] { return open_request(run) != request; }));
  REQUIRE(run.respond(open_request(run), verdict{false, "eve"}));
  CHECK(finish(run).status == run_status::succeeded);
  CHECK(run.respond(request, wrong, "c1"));
}

TEST_CASE("answers wait until a handler that is being replayed has said what it waits for") {
  const test::temp_directory directory;
  std::promise<void> go_on;
  const auto gate = go_on.get_future().share();
  std::atomic<int> begun{0};
  const auto define = [&](node& in) {
    REQUIRE(in.add(test::single<form>("ask", [&](const form&, context& ctx) -> task<> {
      if (++begun > 1) gate.wait();  // no handler should; a slow machine does it to any
      const json::value question{{"text", "release?"}};
      const auto answer = co_await ctx.request<verdict>(question);
      ctx.yield_output(answer.by);
    })));
  };
  auto node = open_node(directory.path());
  define(node);
  const auto run = node.start("ask", form{}).value();
  const auto request = open_request(run);
  REQUIRE(parked(node));
  auto refused = std::async(std::launch::async, [&] { return run.respond(request, wrong); });
  REQUIRE(eventually([&] { return begun == 2; }));
  auto taken = std::async(std::launch::async, [&] { return run.respond(request, verdict{true, "ann"}); });
  CHECK(refused.wait_for(50ms) == std::future_status::timeout);
  CHECK(taken.wait_for(50ms) == std::future_status::timeout);
  CHECK(node.stats().live_runs == 1);  // it does not leave with answers that it keeps
  go_on.set_value();
  why(refused.get());
  CHECK(taken.get());
  CHECK(finish(run).output.text() == "\"ann\"");
}

TEST_CASE("an answer that is kept while the handler is replayed is answered when the node closes") {
  const test::temp_directory directory;
  std::promise<void> go_on;
  const auto gate = go_on.get_future().share();
  std::atomic<int> begun{0};
  auto node = open_node(directory.path());
  REQUIRE(node.add(test::single<form>("ask", [&](const form&, context& ctx) -> task<> {
    if (++begun > 1) gate.wait();
    const json::value question{{"text", "release?"}};
    ctx.yield_output((co_await ctx.request<verdict>(question)).by);
  })));
  const auto run = node.start("ask", form{}).value();
  const auto request = open_request(run);
  REQUIRE(parked(node));
  auto kept = std::async(std::launch::async, [&] { return run.respond(request, verdict{true, "ann"}); });
  REQUIRE(eventually([&] { return begun == 2; }));
  std::thread opener([&] {
    kept.wait();
    go_on.set_value();
  });
  node.close();
  opener.join();
  const auto answer = kept.get();
  REQUIRE(answer.has_error());
  CHECK(answer.error().code == errc::shutting_down);
}

TEST_CASE("while the workflow is not registered nobody can tell, and the answer is not recorded") {
  const test::temp_directory directory;
  run_id id;
  std::string request;
  {
    auto node = open_node(directory.path());
    REQUIRE(node.add(asking()));
    const auto run = node.start("ask", form{}).value();
    request = open_request(run);
    id = run.id();
  }
  auto node = open_node(directory.path());
  const auto run = node.get(id).value();
  CHECK(run.respond(request, verdict{true, "ann"}).error().code == errc::workflow_unknown);
  CHECK(run.respond(request, wrong).error().code == errc::workflow_unknown);
  REQUIRE(node.add(asking()));
  why(run.respond(request, wrong));
  REQUIRE(run.respond(request, verdict{true, "ann"}));
  CHECK(finish(run).output.text() == R"({"by":"ann","yes":true})");
}

TEST_CASE("a request for any JSON takes any answer, one of several is checked by its own type") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  REQUIRE(node.add(test::single<form>("mixed", [](const form&, context& ctx) -> task<> {
    const json::value question{{"text", "?"}};
    auto any = ctx.request<json::value>(question);
    auto number = ctx.request<int>(question);
    auto list = ctx.request<std::vector<verdict>>(question);
    auto body = [] { std::this_thread::sleep_for(1ms); };
    auto work = ctx.call("beside", body);
    const auto all = co_await ctx.when_all(any, number, list, work);
    ctx.yield_output(json::value{{"any", std::get<0>(all)}, {"number", std::get<1>(all)}, {"by", std::get<2>(all).at(1).by}});
  })));
  const auto run = node.start("mixed", form{}).value();
  REQUIRE(eventually([&] { return run.status().value().requests.size() == 3; }));
  CHECK(why(run.respond("1.1", json::value("7"))).find("answer \"int\": expected an integer in range") == 0);
  CHECK(why(run.respond("1.2", json::value(json::array{json::object{}, json::object{{"by", 1}}})))
            .find("answer/1/by: expected a string") == 0);
  REQUIRE(run.respond("1.0", json::value("whatever")));
  REQUIRE(run.respond("1.1", json::value(7)));
  REQUIRE(run.respond("1.2", json::value(json::array{json::object{}, json::object{{"by", "x"}}})));
  CHECK(finish(run).output.text() == R"({"any":"whatever","number":7,"by":"x"})");
}

TEST_CASE("a request beside work that is done again after a restart is checked too") {
  const test::temp_directory directory;
  std::atomic<bool> stop{false};
  const auto define = [&](node& in) {
    REQUIRE(in.add(test::single<form>("beside", [&](const form&, context& ctx) -> task<> {
      const json::value question{{"text", "?"}};
      auto answer = ctx.request<verdict>(question);
      auto body = [&](call_context& with) {
        while (!stop && !with.stop_token().stop_requested()) std::this_thread::sleep_for(1ms);
      };
      auto work = ctx.call("work", body);
      const auto all = co_await ctx.when_all(answer, work);
      ctx.yield_output(std::get<0>(all).by);
    })));
  };
  run_id id;
  {
    node_options options;
    options.data_dir = directory.path();
    options.shutdown_timeout = 200ms;  // the work does not end by itself
    auto node = node::open(std::move(options)).value();
    define(node);
    const auto run = node.start("beside", form{}).value();
    why(run.respond(open_request(run), wrong));
    id = run.id();
  }
  auto node = open_node(directory.path());
  define(node);
  const auto run = node.get(id).value();
  const auto request = open_request(run);
  why(run.respond(request, wrong));
  REQUIRE(run.respond(request, verdict{true, "ann"}));
  stop = true;
  CHECK(finish(run).output.text() == "\"ann\"");
}

TEST_CASE("a node that is killed after it refused an answer has the request open again, and takes the right one") {
  const test::temp_directory directory;
  const auto told = directory.path() / "told";
  const auto data = directory.path() / "data";
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl(PERDURE_ANSWER_WORKER, PERDURE_ANSWER_WORKER, data.c_str(), told.c_str(), nullptr);
    ::_exit(127);
  }
  REQUIRE(child > 0);
  std::string said;
  const bool there = eventually(
      [&] {
        std::ifstream in{told};
        std::ostringstream all;
        all << in.rdbuf();
        said = all.str();
        return said.ends_with("\n");
      },
      20s);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  REQUIRE(there);
  CHECK(said.find("invalid_argument: answer \"verdict/v1\"/yes: expected a bool, found a string") == 0);
  auto node = open_node(data);
  REQUIRE(node.add(asking()));
  const auto runs = node.list().value().runs;
  REQUIRE(runs.size() == 1);
  const auto run = node.get(runs.at(0).id).value();
  const auto request = open_request(run);
  why(run.respond(request, wrong));
  REQUIRE(run.respond(request, verdict{true, "ann"}));
  CHECK(finish(run).output.text() == R"({"by":"ann","yes":true})");
}
