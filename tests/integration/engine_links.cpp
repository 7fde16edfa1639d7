// Runs that belong together, on real nodes: children, background work, endless runs, compensations, forks, versions.
#include "support/catch.hpp"
#include "support/engine.hpp"
#include "support/temp_directory.hpp"

#include <atomic>
#include <mutex>

using namespace std::chrono_literals;
using namespace perdure;

namespace {

struct number {
  int value = 0;
};
PERDURE_MESSAGE(number, "number/v1", value)

using test::eventually;
using test::finish;
using test::open_node;
using test::script;
using body = test::scripted<number>::body;

workflow single(std::string name, body what, executor_options options = {}) {
  return test::single<number>(std::move(name), std::move(what), options);
}

/// Writes down what happened, in order; from any thread.
class diary {
 public:
  void note(std::string what) {
    const std::lock_guard lock{mutex_};
    lines_.push_back(std::move(what));
  }
  std::vector<std::string> lines() const {
    const std::lock_guard lock{mutex_};
    return lines_;
  }
  bool has(const std::string& what) const {
    const auto all = lines();
    return std::find(all.begin(), all.end(), what) != all.end();
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

/// The run's first child, once it is there.
run_ref child_of(const node& in, const run_ref& run) {
  REQUIRE(eventually([&] {
    const auto info = run.status().value();
    return !info.children.empty() && in.get(info.children.at(0).run).has_value();
  }));
  return in.get(run.status().value().children.at(0).run).value();
}

const body twice = [](const number& in, context& ctx) -> task<> {
  auto doubled = [&] { return in.value * 2; };
  const int out = co_await ctx.call("double", doubled);
  ctx.yield_output(number{out});
};
const body waits_for_go = [](const number& in, context& ctx) -> task<> {
  co_await ctx.wait_signal("go");
  ctx.yield_output(number{in.value});
};

}  // namespace

TEST_CASE("a parent starts children and goes on with what they give") {
  const test::temp_directory directory;
  for (const auto engine : {journal_engine::memory, journal_engine::lmdb}) {
    for (const bool cooperative : {true, false}) {
      auto node = open_node(directory.path() / (cooperative ? "c" : "p"), engine);
      REQUIRE(node.add(single("twice", twice, {.cooperative = cooperative})));
      REQUIRE(node.add(single("parent",
                              [](const number& in, context& ctx) -> task<> {
                                const auto first = number{in.value}, second = number{in.value + 1};
                                const auto beside = co_await ctx.start_child("twice", first);
                                const auto awaited = co_await ctx.run_child<number>("twice", second);
                                const auto result = co_await ctx.wait_child<number>(beside);
                                ctx.yield_output(number{awaited.value + result.value});
                              },
                              {.cooperative = cooperative})));
      const auto run = node.start("parent", number{10}).value();
      const auto info = finish(run);
      CHECK(info.status == run_status::succeeded);
      CHECK(info.output.text() == R"({"value":42})");
      REQUIRE(info.children.size() == 2);
      for (const auto& each : info.children) {
        CHECK(each.ended);
        const auto child = finish(node.get(each.run).value());
        CHECK(child.parent == run.id());
      }
    }
  }
}

TEST_CASE("a child that fails fails the parent's step with the child's failure as its cause") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  REQUIRE(node.add(single("broken", [](const number&, context& ctx) -> task<> {
    auto breaks = [] { throw step_error("mine", "it broke"); };
    co_await ctx.call("break", breaks);
  })));
  REQUIRE(
      node.add(single("parent", [](const number& in, context& ctx) -> task<> { co_await ctx.run_child<void>("broken", in); })));
  REQUIRE(
      node.add(single("lost", [](const number& in, context& ctx) -> task<> { co_await ctx.run_child<void>("nowhere", in); })));
  const auto info = finish(node.start("parent", number{1}).value());
  CHECK(info.status == run_status::failed);
  REQUIRE(info.error);
  CHECK(info.error->code == failure_code::child_failed);
  REQUIRE(info.error->causes.size() == 1);
  CHECK(info.error->causes[0].code == "mine");
  const auto lost = finish(node.start("lost", number{1}).value());
  CHECK(lost.error->code == "workflow_unknown");
}

TEST_CASE("a child whose workflow is registered a moment after its parent's is started, not refused") {
  // A run went on as soon as its own workflow was there, and its child failed it for good because the host had not come to the
  // child's yet; a child that was there already was refused too.
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  REQUIRE(node.add(single(
      "parent", [](const number& in, context& ctx) -> task<> { ctx.yield_output(co_await ctx.run_child<int>("late", in)); })));
  const auto run = node.start("parent", number{4}).value();
  std::this_thread::sleep_for(150ms);
  CHECK_FALSE(is_terminal(run.status()->status));
  REQUIRE(node.add(single("late", [](const number& in, context& ctx) -> task<> {
    ctx.yield_output(in.value);
    co_return;
  })));
  const auto info = finish(run);
  CHECK(info.status == run_status::succeeded);
  CHECK(info.output.text() == "4");
}

TEST_CASE("children go on over a restart, and the parent still hears of their end, once") {
  const test::temp_directory directory;
  std::atomic<int> began{0};
  const auto open = [&] {
    auto node = open_node(directory.path());
    REQUIRE(node.add(single("child", [&](const number& in, context& ctx) -> task<> {
      auto counts = [&] { return ++began; };
      co_await ctx.call("begin", counts);
      co_await ctx.wait_signal("go");
      ctx.yield_output(in);
    })));
    REQUIRE(node.add(single("parent", [](const number& in, context& ctx) -> task<> {
      const auto out = co_await ctx.run_child<number>("child", in);
      ctx.yield_output(out);
    })));
    return node;
  };
  run_id parent, child;
  {
    auto node = open();
    const auto run = node.start("parent", number{5}).value();
    parent = run.id();
    REQUIRE(eventually([&] { return began == 1; }));
    child = run.status().value().children.at(0).run;
  }
  auto node = open();
  REQUIRE(node.get(child).value().signal("go"));
  const auto info = finish(node.get(parent).value());
  CHECK(info.output.text() == R"({"value":5})");
  CHECK(began == 1);
  CHECK(eventually([&] { return node.stats().live_runs == 0; }));
}

TEST_CASE("a parent that ends cancels, waits for, or leaves its children") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  REQUIRE(node.add(single("child", waits_for_go)));
  REQUIRE(node.add(single("parent", [](const number& in, context& ctx) -> task<> {
    co_await ctx.start_child("child", in, {.close = static_cast<parent_close>(in.value)});
  })));
  for (const auto close : {parent_close::cancel, parent_close::wait, parent_close::abandon}) {
    const auto run = node.start("parent", number{static_cast<int>(close)}).value();
    const auto child = child_of(node, run);
    if (close == parent_close::wait) {
      REQUIRE(eventually([&] { return run.status().value().status == run_status::waiting; }));
      REQUIRE(child.signal("go"));
    }
    CHECK(finish(run).status == run_status::succeeded);
    if (close == parent_close::abandon) REQUIRE(child.signal("go"));
    CHECK(finish(child).status == (close == parent_close::cancel ? run_status::cancelled : run_status::succeeded));
  }
}

TEST_CASE("one run signals and cancels another") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  REQUIRE(node.add(single("child", waits_for_go)));
  REQUIRE(node.add(single("parent", [](const number& in, context& ctx) -> task<> {
    const auto first = number{1}, second = number{2};
    const auto one = co_await ctx.start_child("child", first, {.close = parent_close::abandon});
    const auto two = co_await ctx.start_child("child", second, {.close = parent_close::abandon});
    co_await ctx.signal_run(one.run_id, "go", in);
    co_await ctx.cancel_run(two.run_id, "not needed");
    const auto result = co_await ctx.wait_child<number>(one);
    ctx.yield_output(result);
    std::string code = "none";
    try {
      co_await ctx.signal_run(one.run_id, "go", in);
    } catch (const step_error& refused) {
      code = refused.why().code;
    }
    ctx.yield_output(code);
  })));
  const auto run = node.start("parent", number{7}).value();
  const auto info = finish(run);
  REQUIRE(info.outputs.size() == 2);
  CHECK(info.outputs[0].text() == R"({"value":1})");
  CHECK(info.outputs[1].text() == "\"not_delivered\"");
  for (const auto& each : info.children) {
    CHECK(finish(node.get(each.run).value()).status ==
          (each.status == run_status::succeeded ? run_status::succeeded : run_status::cancelled));
  }
}

TEST_CASE("background work does not hold up the run, is seen, and ends with it as was said") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  diary notes;
  workflow_builder builder{"w", "1"};
  builder
      .add_with("main", script<number>([](const number& in, context& ctx) -> task<> {
                  const auto what = number{in.value};
                  co_await ctx.spawn_background(
                      "beside", what, {.at_end = static_cast<background_end>(in.value % 10), .fails_run = in.value >= 10});
                  if (in.value >= 10) co_await ctx.sleep_for(1h);
                  ctx.yield_output(true);
                }))
      .add_with("beside", script<number>([&](const number& in, context& ctx) -> task<> {
                  if (in.value >= 10) throw step_error("beside", "broken");
                  co_await ctx.wait_signal("go");
                  notes.note("done " + std::to_string(in.value));
                }))
      .start_at("main")
      .without_edges("beside");
  REQUIRE(node.add(builder.build()));
  for (const auto end : {background_end::cancel, background_end::wait, background_end::detach}) {
    const auto run = node.start("w", number{static_cast<int>(end)}).value();
    const auto beside = child_of(node, run);
    const auto work = run.status().value().children.at(0);
    CHECK(work.background);
    CHECK(work.executor == "beside");
    if (end == background_end::wait) REQUIRE(beside.signal("go"));
    CHECK(finish(run).status == run_status::succeeded);
    if (end == background_end::detach) REQUIRE(beside.signal("go"));
    CHECK(finish(beside).status == (end == background_end::cancel ? run_status::cancelled : run_status::succeeded));
  }
  CHECK(notes.lines().size() == 2);
  const auto failed = finish(node.start("w", number{11}).value());
  CHECK(failed.status == run_status::failed);
  CHECK(failed.error->causes.at(0).code == "beside");
}

TEST_CASE("an endless run continues as new with its signals, and references follow it") {
  const test::temp_directory directory;
  const auto open = [&] {
    auto node = open_node(directory.path());
    REQUIRE(node.add(single("endless", [](const number& in, context& ctx) -> task<> {
      const auto add = co_await ctx.wait_signal<int>("add");
      const auto next = number{in.value + add};
      if (add == 0) {
        ctx.yield_output(next);
      } else {
        ctx.continue_as_new(next);
      }
    })));
    return node;
  };
  run_id first;
  constexpr int rounds = 50;
  {
    auto node = open();
    const auto run = node.start("endless", number{0}, {.key = "k"}).value();
    first = run.id();
    // Each is given to the first run, which has continued many times when it comes.
    for (int i = 0; i < rounds; ++i) {
      const auto given = run.signal("add", json::value(1));
      if (!given) {
        const auto end = run.wait();
        INFO((end && end->error ? end->error->message : std::string{"?"}));
        REQUIRE(given);
      }
    }
    const auto info = run.status().value();
    CHECK(info.status == run_status::continued_as_new);
    CHECK(info.successor.has_value());
  }
  auto node = open();
  const auto run = node.find("k").value();
  CHECK(run.id() != first);  // the key leads to the run that goes on, for whoever comes with the first input
  CHECK(node.start("endless", number{0}, {.key = "k"}).value().id() == run.id());
  CHECK(node.start("endless", number{1}, {.key = "k"}).error().code == errc::already_exists);
  std::vector<std::pair<run_id, std::string>> seen;
  std::mutex mutex;
  const auto watch = node.get(first)
                         .value()
                         .subscribe([&](const run_event& event) {
                           const std::lock_guard lock{mutex};
                           seen.emplace_back(event.run, event.kind);
                         })
                         .value();
  REQUIRE(run.signal("add", json::value(0)));
  const auto info = finish(run);
  CHECK(info.status == run_status::succeeded);
  CHECK(info.output.text() == R"({"value":)" + std::to_string(rounds) + "}");
  CHECK(info.id != first);
  CHECK(info.link == "continued");
  CHECK(eventually([&] {
    const std::lock_guard lock{mutex};
    return std::count_if(seen.begin(), seen.end(), [](const auto& each) { return each.second == "run_ended"; }) == rounds + 1;
  }));
}

TEST_CASE("a child that continues as new still tells its parent, and is cancelled through its first name") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  REQUIRE(node.add(single("endless", [](const number& in, context& ctx) -> task<> {
    if (in.value > 3) co_await ctx.wait_signal("never");
    if (in.value == 3) {
      ctx.yield_output(in);
      co_return;
    }
    const auto next = number{in.value < 0 && in.value > -3 ? in.value - 1 : in.value < 0 ? 4 : in.value + 1};
    ctx.continue_as_new(next);
  })));
  REQUIRE(node.add(single("parent", [](const number&, context& ctx) -> task<> {
    const auto counts = number{0}, hangs = number{-1};
    const auto out = co_await ctx.run_child<number>("endless", counts);
    const auto other = co_await ctx.start_child("endless", hangs);
    co_await ctx.sleep_for(200ms);
    co_await ctx.cancel_run(other.run_id);
    std::string end;
    try {
      co_await ctx.wait_child(other);
    } catch (const step_error& why) {
      end = why.why().causes.at(0).code;
    }
    ctx.yield_output(std::to_string(out.value) + " " + end);
  })));
  const auto info = finish(node.start("parent", number{}).value());
  CHECK(info.status == run_status::succeeded);
  CHECK(info.output.text() == "\"3 cancelled\"");
}

TEST_CASE("a failed run undoes what it did, the last first, also over a restart") {
  const test::temp_directory directory;
  diary notes;
  std::atomic<bool> stuck{true};
  const auto open = [&] {
    auto node = open_node(directory.path());
    workflow_builder builder{"saga", "1"};
    builder
        .add_with("book", script<number>([&](const number&, context& ctx) -> task<> {
                    for (int i = 1; i <= 3; ++i) {
                      auto books = [&, i] { notes.note("book " + std::to_string(i)); };
                      co_await ctx.call("book", books);
                      ctx.on_compensate("undo", number{i});
                    }
                    throw step_error("full", "no room left");
                  }))
        .add_with("undo", script<number>([&](const number& in, context& ctx) -> task<> {
                    auto undoes = [&] {
                      if (in.value == 2 && stuck) throw step_error("stuck", "later");
                      notes.note("undo " + std::to_string(in.value));
                    };
                    co_await ctx.call("undo", undoes);
                  }),
                  {.retry = retry(1000, fixed(20ms))})
        .start_at("book")
        .edge("book", "undo");
    REQUIRE(node.add(builder.build()));
    return node;
  };
  run_id id;
  {
    auto node = open();
    const auto run = node.start("saga", number{}).value();
    id = run.id();
    REQUIRE(eventually([&] { return notes.has("undo 3"); }));
    REQUIRE(eventually([&] { return run.status().value().status == run_status::compensating; }));
  }
  stuck = false;
  auto node = open();
  const auto info = finish(node.get(id).value());
  CHECK(info.status == run_status::failed);
  CHECK(info.error->code == "full");
  CHECK(notes.lines() == std::vector<std::string>{"book 1", "book 2", "book 3", "undo 3", "undo 2", "undo 1"});
}

TEST_CASE("a fork shares the steps up to an event and does the rest anew, with the children as its own") {
  const test::temp_directory directory;
  auto node = open_node(directory.path());
  std::atomic<int> first{0}, second{0};
  REQUIRE(node.add(single("child", waits_for_go)));
  REQUIRE(node.add(single("w", [&](const number& in, context& ctx) -> task<> {
    auto one = [&] { return ++first; };
    auto two = [&] { return ++second; };
    const int a = co_await ctx.call("one", one);
    const auto child = co_await ctx.start_child("child", in, {.close = parent_close::abandon});
    const int b = co_await ctx.call("two", two);
    const auto c = co_await ctx.wait_child<number>(child);
    ctx.yield_output(std::vector<int>{a, b, c.value});
  })));
  const auto run = node.start("w", number{7}).value();
  REQUIRE(eventually([&] { return second == 1; }));
  const auto events = run.events().value();
  const auto at = std::find_if(events.begin(), events.end(), [](const auto& each) { return each.kind == "step_completed"; });
  REQUIRE(at != events.end());
  const auto fork = run.fork(at->seq).value();
  REQUIRE(eventually([&] { return second == 2; }));
  const auto info = fork.status().value();
  CHECK(info.source == run.id());
  CHECK(info.link == "forked");
  REQUIRE(info.children.size() == 1);
  CHECK(info.children[0].run != info.children[0].id);
  REQUIRE(eventually([&] { return node.get(info.children[0].run).has_value(); }));
  REQUIRE(node.get(info.children[0].run).value().signal("go"));
  CHECK(finish(fork).output.text() == "[1,2,7]");
  CHECK(first == 1);
  CHECK(run.fork(999).error().code == errc::not_found);
  CHECK_FALSE(is_terminal(run.status().value().status));
  REQUIRE(node.get(run.status().value().children[0].run).value().signal("go"));
  CHECK(finish(run).output.text() == "[1,1,7]");
}

TEST_CASE("a run that was past a change keeps the old way, a new one takes the new way") {
  const test::temp_directory directory;
  const auto old_code = [](const number&, context& ctx) -> task<> {
    auto does = [] { return 1; };
    co_await ctx.call("old", does);
    co_await ctx.wait_signal("go");
    ctx.yield_output(std::string{"old"});
  };
  const auto new_code = [](const number&, context& ctx) -> task<> {
    const auto version = ctx.version("rename", 1, 2);
    auto does = [] { return 1; };
    if (version == 1) {
      co_await ctx.call("old", does);
    } else {
      co_await ctx.call("new", does);
    }
    co_await ctx.wait_signal("go");
    ctx.yield_output(std::string{ctx.version("rename", 1, 2) == 1 ? "old" : "new"});
  };
  run_id before, after;
  {
    auto node = open_node(directory.path());
    REQUIRE(node.add(single("w", old_code)));
    const auto run = node.start("w", number{}).value();
    before = run.id();
    REQUIRE(eventually([&] { return run.status().value().status == run_status::waiting; }));
  }
  for (int restart = 0; restart < 2; ++restart) {
    auto node = open_node(directory.path());
    REQUIRE(node.add(single("w", new_code)));
    if (restart == 0) after = node.start("w", number{}).value().id();
    REQUIRE(eventually([&] { return node.get(after).value().status().value().status == run_status::waiting; }));
    if (restart == 0) continue;
    for (const auto& [id, way] : {std::pair{before, "\"old\""}, std::pair{after, "\"new\""}}) {
      REQUIRE(node.get(id).value().signal("go"));
      CHECK(finish(node.get(id).value()).output.text() == way);
    }
  }
}
