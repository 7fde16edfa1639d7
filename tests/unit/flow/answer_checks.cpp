// Which answers requests take: told live and on replay, never stored.
#include "flow/answer_checks.hpp"

#include "flow/attempt_turns.hpp"
#include "support/catch.hpp"
#include "support/run_fixture.hpp"
#include "unit/flow/outside_world.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

struct verdict {
  bool yes = false;
  std::vector<std::string> why;
};
PERDURE_MESSAGE(verdict, "verdict/v1", yes, why)

/// Its default is user code, and it throws.
struct thrower {
  thrower() { throw std::runtime_error("no default"); }
  int value = 0;
};
PERDURE_MESSAGE(thrower, "thrower/v1", value)

task<> asks(const json::value&, context& ctx) {
  const json::value question{{"text", "?"}};
  co_await ctx.call("before", [] { return 1; });
  auto any = ctx.request<json::value>(question);
  auto typed = ctx.request<verdict>(question);
  auto number = ctx.request<std::int64_t>(question);
  co_await ctx.when_all(any, typed, number);
}

std::string said(detail::answer_check check, const json::value& answer) {
  REQUIRE(check != nullptr);
  const auto done = check(payload{answer});
  return done ? "fits" : done.error().message;
}

/// A plan of one executor "e" whose first activation runs, and what its attempt reports.
struct stage {
  run_fixture run{make_plan({{.name = "e"}})};
  flow::answer_checks checks;

  core::attempt_report issued(std::vector<core::wait_request> steps) const { return run.waiting(1, std::move(steps)); }
  void note(std::vector<core::asked_request> asked, std::uint32_t attempt = 1) { checks.note(run.state(), 1, attempt, asked); }
  std::optional<result<void>> judge(std::string id, const json::value& answer, std::string command_id = {}) const {
    return checks.judge(run.state(), core::respond_command{std::move(id), payload{answer}, std::move(command_id)});
  }
};

core::wait_request ask(step_ordinal ordinal) { return {.ordinal = ordinal, .kind = core::step_kind::request, .name = "request"}; }

}  // namespace

TEST_CASE("a turn tells what its requests take, once, and a replay tells it again") {
  world w{asks};
  w.start();
  CHECK(w.asked.empty());
  w.body(0);
  REQUIRE(w.asked.size() == 3);
  CHECK(w.asked[0].ordinal == 1);
  CHECK(w.asked[0].check == nullptr);
  CHECK(said(w.asked[1].check, {{"yes", true}}) == "fits");
  CHECK(said(w.asked[1].check, {{"yes", 1}}) == "answer \"verdict/v1\"/yes: expected a bool, found the number 1");
  CHECK(said(w.asked[1].check, {{"why", {"x", 1}}}) == "answer \"verdict/v1\"/why/1: expected a string, found the number 1");
  CHECK(said(w.asked[2].check, "7") == "answer \"int64\": expected an integer in range, found a string");
  w.answer(1, "whatever");
  CHECK(w.asked.empty());
  w.restart_from(w.now);
  REQUIRE(w.asked.size() == 2);
  CHECK(w.asked[0].ordinal == 2);
  CHECK(said(w.asked[0].check, 1) == "answer \"verdict/v1\": expected an object, found the number 1");
  CHECK(w.asked[1].ordinal == 3);
  CHECK(w.last.empty());
}

TEST_CASE("an attempt that fails tells nothing of its requests") {
  world w{[](const json::value&, context& ctx) -> task<> {
    const json::value question{{"text", "?"}};
    auto typed = ctx.request<verdict>(question);
    auto body = []() -> int { throw step_error("no", "never"); };
    auto failing = ctx.call("fails", body);
    co_await ctx.when_all(typed, failing);
  }};
  w.start();
  REQUIRE(w.asked.size() == 1);
  w.fail(1, "no");
  CHECK(w.failed);
  CHECK(w.asked.empty());
}

TEST_CASE("an answer is judged once an attempt has said what its request takes") {
  stage s;
  s.run.tell(s.issued({ask(0), ask(1)}));
  CHECK_FALSE(s.judge("1.0", 1).has_value());
  s.note({{0, detail::check_of<verdict>()}});
  CHECK(s.judge("1.0", {{"yes", true}}).value().has_value());
  const auto refused = s.judge("1.0", {{"yes", 1}}).value();
  REQUIRE(refused.has_error());
  CHECK(refused.error().code == errc::invalid_argument);
  CHECK(refused.error().message.ends_with("; request 1.0 of run " + s.run.state().id.str() + " stays open"));
  CHECK_FALSE(s.judge("1.1", 1).has_value());
  s.note({{1, nullptr}});
  CHECK(s.judge("1.1", 1).value().has_value());
  CHECK(s.judge("1.0", 1).value().has_error());  // what was said before still holds
}

TEST_CASE("answers that are for no open request are left to the run to judge") {
  stage s;
  s.run.tell(s.issued({ask(0)}));
  s.note({{0, detail::check_of<verdict>()}});
  for (const auto* id : {"9.9", "", "1.1", "job.1"}) CHECK(s.judge(id, 1).value().has_value());
  s.run.tell(core::respond_command{"1.0", payload{json::value{{"yes", true}}}, "c1"});
  CHECK(s.judge("1.0", 1).value().has_value());
  s.run.tell(s.issued({ask(1)}));
  CHECK(s.judge("1.1", 1, "c1").value().has_value());
  CHECK_FALSE(s.judge("1.1", 1, "c2").has_value());
}

TEST_CASE("what an earlier attempt said does not count for a later one") {
  auto plan = make_plan({{.name = "e", .retry = retry(3, fixed(1s))}});
  stage s{.run = run_fixture{std::move(plan)}, .checks = {}};
  s.run.tell(s.issued({ask(0)}));
  s.note({{0, detail::check_of<verdict>()}});
  s.run.tell(s.run.failing(1, failed_with("no")));
  s.run.sleep();
  REQUIRE(s.run.activation(1).attempt == 2);
  s.run.tell(s.issued({ask(0)}));
  CHECK_FALSE(s.judge("1.0", 1).has_value());
  s.note({{0, detail::check_of<int>()}}, 1);  // a late word of the first
  CHECK_FALSE(s.judge("1.0", 1).has_value());
  s.note({{0, detail::check_of<int>()}}, 2);
  CHECK(s.judge("1.0", 1).value().has_value());
}

TEST_CASE("a type whose default throws refuses answers instead of ending the run's actor") {
  stage s;
  s.run.tell(s.issued({ask(0)}));
  s.note({{0, detail::check_of<thrower>()}});
  const auto refused = s.judge("1.0", json::object{}).value();
  REQUIRE(refused.has_error());
  CHECK(refused.error().message.starts_with("answer: no default"));
}

TEST_CASE("a handler that does not go on is replayed to hear what it waits for") {
  detail::definition of{.plan = make_plan({{.name = "e"}}), .factories = {}, .is_switch = {}};
  of.factories.push_back([] { return std::make_unique<script>(asks); });
  stage s;
  auto in = s.run.activation(1);
  in.executor = "e";
  in.message = "json";
  in.history = {{.ordinal = 0, .kind = core::step_kind::call, .name = "before", .result = {payload{json::value(1)}, {}}}};
  for (step_ordinal ordinal = 1; ordinal <= 3; ++ordinal)
    in.pending[ordinal] = {.ordinal = ordinal, .kind = core::step_kind::request, .name = "request"};
  const auto asked = flow::asked_when_replayed(of, s.run.state().id, in);
  REQUIRE(asked.size() == 3);
  CHECK(said(asked[1].check, 1) == "answer \"verdict/v1\": expected an object, found the number 1");
  // Code that does something else now: any answer will do, for it fails when it goes on.
  in.history[0].name = "another";
  const auto other = flow::asked_when_replayed(of, s.run.state().id, in);
  REQUIRE(other.size() == 3);
  for (const auto& each : other) CHECK(each.check == nullptr);
}
