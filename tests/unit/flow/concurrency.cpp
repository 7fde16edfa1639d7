// when_all, when_any, and how cancelled branches go.
#include "support/catch.hpp"

#include "unit/flow/outside_world.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

/// Tells when it is destroyed.
struct witness {
  explicit witness(std::vector<std::string>& log, std::string name) : log_(log), name_(std::move(name)) {}
  witness(const witness&) = delete;
  witness& operator=(const witness&) = delete;
  ~witness() { log_.push_back(name_); }
  std::vector<std::string>& log_;
  std::string name_;
};

task<std::string> branch(context& ctx, std::string name, int steps) {
  std::string out = name;
  for (int i = 0; i < steps; ++i) out += co_await ctx.call(name + std::to_string(i), [] { return std::string{"."}; });
  co_return out;
}

}  // namespace

TEST_CASE("when_all starts in order and gives the results in order") {
  world w{[](const json::value&, context& ctx) -> task<> {
    auto a = ctx.call("a", [] { return 1; });
    auto b = branch(ctx, "b", 2);
    auto c = ctx.sleep_for(1s);
    auto [x, y, z] = co_await ctx.when_all(a, b, c);
    static_assert(std::is_same_v<decltype(z), std::monostate>);
    ctx.yield_output(y + std::to_string(x));
  }};
  w.start();
  CHECK(w.last == "issue 0 call a\nissue 1 call b0\nissue 2 sleep sleep\n");
  w.answer(2).body(1);
  CHECK(w.last == "issue 3 call b1\n");
  w.body(0).body(3);
  CHECK(w.last == "output  \"b..1\"\nfinished\n");
}

TEST_CASE("a failure in when_all cancels the others and is thrown") {
  world w{[](const json::value&, context& ctx) -> task<> {
    auto a = ctx.call("a", [] { return 1; });
    auto b = branch(ctx, "b", 2);
    auto c = ctx.sleep_for(1s);
    try {
      co_await ctx.when_all(a, b, c);
    } catch (const step_error& error) {
      ctx.yield_output(error.why().code);
    }
    co_await ctx.call("after", [] {});
  }};
  w.start().fail(1, "mine");
  CHECK(w.last == "issue 3 call after\ncancel 0\ncancel 2\noutput  \"mine\"\n");
  w.answer(0, 1);
  CHECK(w.last.empty());  // a late outcome of what was cancelled
  w.body(3);
  CHECK(w.last == "finished\n");
}

TEST_CASE("the first that is fed wins when_any, and the losers are cancelled") {
  world w{[](const json::value&, context& ctx) -> task<> {
    auto work = branch(ctx, "work", 3);
    auto limit = ctx.sleep_for(1min);
    auto first = co_await ctx.when_any(work, limit);
    ctx.yield_output(first.index);
    if (first.index == 0) ctx.yield_output(*std::get<0>(first.values));
    co_await ctx.sleep_for(1s);
  }};
  w.start();
  CHECK(w.last == "issue 0 call work0\nissue 1 sleep sleep\n");
  w.body(0);
  CHECK(w.last == "issue 2 call work1\n");
  w.answer(1);
  CHECK(w.last == "issue 3 sleep sleep\ncancel 2\noutput  1\n");

  world other{[](const json::value&, context& ctx) -> task<> {
    auto work = branch(ctx, "work", 1);
    auto limit = ctx.sleep_for(1min);
    auto first = co_await ctx.when_any(work, limit);
    ctx.yield_output(*std::get<0>(first.values));
  }};
  other.start().body(0);
  CHECK(other.last == "cancel 1\noutput  \"work.\"\nfinished\n");
}

TEST_CASE("joins over vectors give results in order, or the first") {
  world w{[](const json::value& message, context& ctx) -> task<> {
            std::vector<task<std::string>> all;
            for (const auto& each : message.as_array()) all.push_back(branch(ctx, std::string{each.as_string()}, 1));
            auto texts = co_await ctx.when_all(all);
            ctx.yield_output(texts);
            std::vector<step<void>> sleeps;
            for (int i = 0; i < 3; ++i) sleeps.push_back(ctx.sleep_for(1s));
            auto first = co_await ctx.when_any(sleeps);
            ctx.yield_output(first.index);
            std::vector<step<int>> none;
            ctx.yield_output((co_await ctx.when_all(none)).size());
          },
          {"x", "y", "z"}};
  w.start().body(2).body(0).body(1);
  CHECK(w.outputs[0].value.text() == R"(["x.","y.","z."])");
  w.answer(4);
  CHECK(w.last == "cancel 3\ncancel 5\noutput  1\noutput  0\nfinished\n");
}

TEST_CASE("when_any of nothing is refused") {
  world w{[](const json::value&, context& ctx) -> task<> {
    std::vector<step<void>> none;
    co_await ctx.when_any(none);
  }};
  CHECK(w.start().last == "failed exception: when_any needs at least one operation\n");
}

TEST_CASE("branches that end without waiting") {
  world w{[](const json::value&, context& ctx) -> task<> {
    auto quick = branch(ctx, "quick", 0);
    auto slow = ctx.sleep_for(1s);
    auto never = ctx.call("never", [] {});
    auto first = co_await ctx.when_any(slow, quick, never);
    ctx.yield_output(first.index);
    auto one = branch(ctx, "one", 0);
    auto two = branch(ctx, "two", 0);
    auto [a, b] = co_await ctx.when_all(one, two);
    ctx.yield_output(a + b);
  }};
  w.start();
  CHECK(w.last == "output  1\noutput  \"onetwo\"\nfinished\n");  // the sleep was issued and cancelled in one turn
}

TEST_CASE("joins nest, as tasks and as they are") {
  world w{[](const json::value&, context& ctx) -> task<> {
    auto pair = [](context& with, std::string name) -> task<int> {
      auto a = with.call(name + "a", [] { return 1; });
      auto b = with.call(name + "b", [] { return 2; });
      auto [x, y] = co_await with.when_all(a, b);
      co_return x + y;
    };
    auto left = pair(ctx, "l");
    auto right = pair(ctx, "r");
    auto both = ctx.when_all(left, right);
    auto limit = ctx.sleep_for(1h);
    auto first = co_await ctx.when_any(both, limit);
    const auto [x, y] = *std::get<0>(first.values);
    ctx.yield_output(x * 10 + y);
  }};
  w.start();
  CHECK(w.last == "issue 0 call la\nissue 1 call lb\nissue 2 call ra\nissue 3 call rb\nissue 4 sleep sleep\n");
  w.body(3).body(0).body(1).body(2);
  CHECK(w.last == "cancel 4\noutput  33\nfinished\n");
}

TEST_CASE("cancelling a branch cancels the steps of the branches in it") {
  world w{[](const json::value&, context& ctx) -> task<> {
    auto inner = [](context& with) -> task<> {
      auto a = branch(with, "a", 1);
      auto b = branch(with, "b", 1);
      co_await with.when_all(a, b);
    };
    auto outer = inner(ctx);
    auto limit = ctx.sleep_for(1s);
    auto other = ctx.sleep_for(2s);
    auto first = co_await ctx.when_any(outer, limit, other);
    ctx.yield_output(first.index);
    co_await ctx.sleep_for(1s);
  }};
  w.start().answer(2);
  CHECK(w.last == "issue 4 sleep sleep\ncancel 0\ncancel 1\ncancel 3\noutput  1\n");
}

TEST_CASE("a step whose owner goes before its outcome is cancelled") {
  world w{[](const json::value&, context& ctx) -> task<> {
    auto outer = [](context& with) -> task<> {
      auto lost = branch(with, "lost", 1);
      auto brief = with.sleep_for(1s);
      co_await with.when_any(lost, brief);
    };
    auto work = outer(ctx);
    auto call = ctx.call("c", [] {});
    co_await ctx.when_all(work, call);
  }};
  w.start().answer(1);
  CHECK(w.last == "cancel 0\n");
  w.body(2);
  CHECK(w.last == "finished\n");
}

TEST_CASE("the frame of a cancelled branch lives as long as a body of it runs") {
  std::vector<std::string> gone;
  world w{[&gone](const json::value&, context& ctx) -> task<> {
    auto inner = [](context& with, std::vector<std::string>& log) -> task<> {
      const witness here{log, "inner"};
      co_await with.call("inner", [&here] { return here.name_; });
    };
    auto outer = [&inner](context& with, std::vector<std::string>& log) -> task<> {
      const witness here{log, "outer"};
      auto work = inner(with, log);
      auto other = with.sleep_for(1h);
      co_await with.when_all(work, other);
    };
    auto quiet = [](context& with, std::vector<std::string>& log) -> task<> {
      const witness here{log, "quiet"};
      co_await with.call("quiet", [&here] { return here.name_; });
    };
    auto work = outer(ctx, gone);
    auto still = quiet(ctx, gone);
    auto limit = ctx.sleep_for(1s);
    co_await ctx.when_any(work, still, limit);
    gone.push_back("on");
    co_await ctx.sleep_for(1h);
  }};
  w.start();
  w.driver->body_started(0);
  w.answer(3);
  // The branch without a running body goes at once; the other one stays, with all frames that its body may refer to.
  CHECK(gone == std::vector<std::string>{"quiet", "on"});
  CHECK(w.last == "issue 4 sleep sleep\ncancel 0\ncancel 1\ncancel 2\n");
  w.driver->body_ended(0);
  CHECK(gone == std::vector<std::string>{"quiet", "on", "inner", "outer"});
}

TEST_CASE("steps belong to their branch after it went on, too") {
  std::vector<std::string> gone;
  world w{[&gone](const json::value&, context& ctx) -> task<> {
    auto inner = [](context& with, std::vector<std::string>& log, std::string name) -> task<> {
      const witness here{log, name};
      co_await with.sleep_for(1s);
      co_await with.call(name, [&here] { return here.name_; });
    };
    auto one = inner(ctx, gone, "one");
    auto two = inner(ctx, gone, "two");
    auto limit = ctx.sleep_for(1h);
    co_await ctx.when_any(one, two, limit);
    co_await ctx.sleep_for(1h);
  }};
  w.start().answer(1).answer(0);
  REQUIRE(w.last == "issue 4 call one\n");
  w.driver->body_started(3);
  w.answer(2);
  CHECK(gone == std::vector<std::string>{"one"});
  w.driver->body_ended(3);
  CHECK(gone == std::vector<std::string>{"one", "two"});
}

TEST_CASE("a body that runs on after its time limit keeps the branch's frame too") {
  std::vector<std::string> gone;
  world w{[&gone](const json::value&, context& ctx) -> task<> {
    auto inner = [](context& with, std::vector<std::string>& log) -> task<> {
      const witness here{log, "branch"};
      auto body = [&here] { return here.name_; };
      try {
        co_await with.call("slow", body, {.timeout = 1s});
      } catch (const timeout_error&) {
      }
    };
    auto work = inner(ctx, gone);
    auto other = ctx.sleep_for(1h);
    co_await ctx.when_any(work, other);
    co_await ctx.sleep_for(1h);
  }};
  w.start();
  w.driver->body_started(0);
  w.fail(0, "timeout");
  CHECK(w.last == "issue 2 sleep sleep\ncancel 1\n");
  w.driver->body_ended(0);
}

TEST_CASE("everything goes with the driver, wherever it stands") {
  std::vector<std::string> gone;
  const auto handler = [&gone](const json::value&, context& ctx) -> task<> {
    const witness top{gone, "top"};
    auto inner = [](context& with, std::vector<std::string>& log) -> task<> {
      const witness here{log, "branch"};
      co_await with.call("a", [&here] { return here.name_; });
      co_await with.sleep_for(1s);
      co_await with.call("b", [] {});
    };
    auto one = inner(ctx, gone);
    auto two = inner(ctx, gone);
    auto both = ctx.when_all(one, two);
    auto limit = ctx.sleep_for(1h);
    co_await ctx.when_any(both, limit);
    auto three = inner(ctx, gone);
    co_await three;
  };
  std::size_t points = 0;
  {
    world whole{handler};
    whole.start().run();
    REQUIRE(whole.finished);
    points = whole.turns.size();
  }
  for (std::size_t stop = 0; stop <= points; ++stop) {
    for (const bool running : {false, true}) {
      gone.clear();
      world w{handler};
      w.start();
      for (std::size_t i = 0; i < stop && !w.finished; ++i) {
        if (running) {
          for (const auto each : w.bodies) w.driver->body_started(each);
        }
        if (w.bodies.empty()) {
          w.answer(w.now.pending.begin()->first);
        } else {
          w.answer(*w.bodies.begin());
        }
      }
      w.driver.reset();
      CHECK(std::count(gone.begin(), gone.end(), "top") == 1);
      CHECK(std::count(gone.begin(), gone.end(), "branch") >= 2);
    }
  }
}
