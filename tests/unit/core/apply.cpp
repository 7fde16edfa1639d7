// apply: how events change a run's state, and which events do not fit it.
#include "core/state.hpp"

#include "perdure/limits.hpp"
#include "support/run_fixture.hpp"
#include "support/seed.hpp"

using namespace perdure;
using namespace perdure::core;
using namespace perdure::test;

namespace {

plan two_steps() {
  auto out = make_plan({{.name = "a"}, {.name = "b"}});
  add_edge(out, {.kind = edge_kind::direct, .from = {0}, .to = {1}});
  return out;
}

/// The message of the refusal; the state given is a copy, since it is useless afterwards.
std::string refusal(run_state state, const event& what) {
  const auto done = apply(state, what, test_epoch + 1h);
  REQUIRE(done.has_error());
  REQUIRE(done.error().code == errc::corrupt);
  return done.error().message;
}

}  // namespace

TEST_CASE("a run begins with one activation of its start executor") {
  run_fixture run{two_steps(), 5min};
  CHECK(run.state().seq == 1);
  CHECK(run.state().status == run_status::running);
  CHECK(run.state().deadline_at == test_epoch + 5min);
  const auto& first = run.activation(1);
  CHECK(first.executor == "a");
  CHECK(first.attempt == 1);
  CHECK(first.status == activation_status::running);
  CHECK(first.value.text() == "1");
  CHECK(run.state().next_activation == 2);
}

TEST_CASE("a turn records outcomes, outputs and new activations at once") {
  run_fixture run{two_steps()};
  auto report = run.done(1, 0, {payload{json::value(7)}, {}});
  report.outputs = {{.kind = output_kind::state, .name = "k", .value = payload{json::value(1)}},
                    {.kind = output_kind::output, .value = payload{json::value(2)}},
                    {.kind = output_kind::message, .name = "m", .value = payload{json::value(3)}},
                    {.kind = output_kind::progress, .value = payload{json::value(4)}}};
  run.now += 1s;
  const auto turned = only<turn>(run.tell(report));
  CHECK(turned.done.size() == 1);
  CHECK(turned.activations.size() == 1);
  const auto& in = run.activation(1);
  REQUIRE(in.history.size() == 1);
  CHECK(in.history[0].outputs_before == 2);
  CHECK(in.history[0].time == test_epoch + 1s);
  CHECK(in.outputs_recorded == 2);
  CHECK(in.messages_emitted == 2);
  CHECK(run.state().values.at("k").text() == "1");
  CHECK(run.state().outputs.size() == 1);
  CHECK(run.activation(2).executor == "b");
  CHECK(run.activation(2).value.text() == "3");
}

TEST_CASE("events that do not fit the state are corrupt") {
  run_fixture run{two_steps()};
  run.tell(run.waiting(1, {{.ordinal = 0, .kind = step_kind::sleep, .name = "sleep", .delay = 1h}}));
  const auto& state = run.state();

  SECTION("another start") {
    CHECK(refusal(state, run_started{}) == "event 3: a second start");
    CHECK(refusal(state, run_restored{}) == "event 3: a restored state in the middle of a run");
  }
  SECTION("anything before the start") {
    run_state empty;
    for (const event& each : {event{signal_received{.name = "s"}}, event{run_paused{}}, event{warning{}},
                              event{cancel_requested{}}, event{run_ended{}}, event{suspect_marked{}}}) {
      CHECK(refusal(empty, each) == "event 1: an event before the start of the run");
    }
  }
  SECTION("turns of attempts that do not run") {
    refusal(state, turn{.activation = 2, .attempt = 1});
    refusal(state, turn{.activation = 1, .attempt = 2});
    refusal(state, step_retrying{.activation = 1, .attempt = 2});
    refusal(state, attempt_failed{.activation = 1, .attempt = 2});
    refusal(state, attempt_failed{.activation = 9, .attempt = 1});
  }
  SECTION("a step that is issued twice") {
    refusal(state, turn{.activation = 1, .attempt = 1, .issued = {{.ordinal = 0, .name = "sleep"}}});
  }
  SECTION("an outcome that nobody waits for") {
    refusal(state, step_completed{.activation = 2, .ordinal = 0});
    refusal(state, step_completed{.activation = 1, .ordinal = 1});
    refusal(state, step_completed{.activation = 1, .ordinal = 0, .signal = 1});
    refusal(state, step_resumed{.activation = 1, .ordinal = 0});
    refusal(state, step_resumed{.activation = 1, .ordinal = 1});
    refusal(state, step_resumed{.activation = 7, .ordinal = 0});
  }
  SECTION("attempts out of order") {
    refusal(state, attempt_started{.activation = 1, .attempt = 2});
    refusal(state, attempt_started{.activation = 1, .attempt = 1});  // it runs already
    refusal(state, attempt_started{.activation = 2, .attempt = 1});
  }
  SECTION("references into the turn that lead nowhere") {
    refusal(state, turn{.activation = 1, .attempt = 1, .joins = {{.output = 0}}});
    refusal(state, turn{.activation = 1, .attempt = 1, .activations = {{.id = 2, .executor = "b", .output = 0}}});
    refusal(state, turn{.activation = 1, .attempt = 1, .activations = {{.id = 3, .executor = "b"}}});
    refusal(state, turn{.activation = 1, .attempt = 1, .activations = {{.id = 1, .executor = "b"}}});
  }
  SECTION("pauses and cancels that cannot be") {
    refusal(state, run_resumed{});
    auto paused = state;
    REQUIRE(apply(paused, run_paused{}, test_epoch).has_value());
    refusal(paused, run_paused{});
    auto cancelled = state;
    REQUIRE(apply(cancelled, cancel_requested{.grace_until = test_epoch + 1h}, test_epoch).has_value());
    refusal(cancelled, cancel_requested{});
    refusal(cancelled, run_paused{});
  }
  SECTION("an end that is none, and anything after the end") {
    refusal(state, run_ended{.status = run_status::paused});
    auto over = state;
    REQUIRE(apply(over, run_ended{}, test_epoch).has_value());
    CHECK(refusal(over, signal_received{}) == "an event after the end of the run");
  }
}

TEST_CASE("any event on any state is applied or corrupt, and what was applied can be stored") {
  random_source random{session_seed() + 10};
  for (int i = 0; i < 4'000; ++i) {
    run_state state;
    state.id = run_fixture::id_of_test();
    REQUIRE(apply(state, run_started{.start = "a", .explicit_start = random.one_in(4)}, test_epoch).has_value());
    for (int k = 0; k < 8; ++k) {
      auto what = random_event(random.below(std::variant_size_v<event>), random);
      // Random numbers would hardly ever name something that is there.
      std::visit(
          [&](auto& each) {
            if constexpr (requires { each.activation; }) each.activation = 1 + static_cast<activation_id>(random.below(2));
            if constexpr (requires { each.attempt; }) each.attempt = static_cast<std::uint32_t>(random.below(3));
            if constexpr (requires { each.ordinal; }) each.ordinal = static_cast<step_ordinal>(random.below(3));
            if constexpr (requires { each.keep; }) each.keep = static_cast<std::uint32_t>(random.below(3));
            if constexpr (requires { each.heartbeat; }) each.heartbeat.reset();
            if constexpr (requires { each.issued; }) {
              for (auto& step : each.issued) step.ordinal = static_cast<step_ordinal>(random.below(4));
              for (auto& next : each.activations) next.id = state.next_activation;
            }
          },
          what);
      if (!apply(state, what, test_epoch + std::chrono::seconds{k})) break;
      const auto bytes = encode_state(state, nullptr);
      const auto back = decode_state(*bytes, nullptr);
      REQUIRE(back.has_value());
      REQUIRE(same_state(state, *back));
    }
  }
}

TEST_CASE("a state that has ended keeps nothing to wait for, stored or live") {
  run_fixture run{two_steps(), 1h};
  run.tell(run.waiting(1, {{.ordinal = 0, .kind = step_kind::signal, .name = "s", .timeout = 1min},
                           {.ordinal = 1, .kind = step_kind::sleep, .name = "sleep", .delay = 1min}}));
  SECTION("by success") { run.tell(run.finished(1)); }
  SECTION("by a cancel whose grace is not over") {
    run.tell(cancel_command{});
    run.tell(run.finished(1));
  }
  REQUIRE(is_terminal(run.state().status));
  CHECK(run.state().deadlines.empty());
  CHECK_FALSE(next_wakeup(run.state()).has_value());
  CHECK(run.state().signal_waiters.empty());
}

TEST_CASE("the earliest deadline is the run's wake-up, and goes with its step") {
  run_fixture run{two_steps(), 1h};
  CHECK(next_wakeup(run.state()) == test_epoch + 1h);
  run.tell(run.waiting(1, {{.ordinal = 0, .kind = step_kind::sleep, .name = "sleep", .delay = 10min},
                           {.ordinal = 1, .kind = step_kind::sleep, .name = "sleep", .delay = 5min},
                           {.ordinal = 2, .kind = step_kind::request, .name = "request", .timeout = 20min}}));
  CHECK(next_wakeup(run.state()) == test_epoch + 5min);
  auto loser = run.waiting(1, {});
  loser.cancelled = {1};
  run.tell(loser);
  CHECK(next_wakeup(run.state()) == test_epoch + 10min);
  loser.cancelled = {0, 2};
  run.tell(loser);
  CHECK(next_wakeup(run.state()) == test_epoch + 1h);
}

TEST_CASE("the first message of a run is the state of its activation even when the turn ends it") {
  // A turn may end its own activation and schedule the next with the turn's outputs.
  run_fixture run{two_steps()};
  run.tell(run.finished(1, {{.kind = output_kind::message, .name = "m", .value = text_payload("hello")}}));
  CHECK_FALSE(run.state().activations.contains(1));
  CHECK(run.activation(2).value.text() == "\"hello\"");
  CHECK(run.state().status == run_status::running);
}

TEST_CASE("an `any` fan-in remembers each source of a round once") {
  // Else a source that sends a million times while the other is silent makes every snapshot larger.
  auto of = make_plan({{.name = "a"}, {.name = "b"}, {.name = "c"}});
  add_edge(of, {.kind = edge_kind::direct, .from = {0}, .to = {0}});
  add_edge(of, {.kind = edge_kind::fan_in, .from = {0, 1}, .to = {2}, .mode = fan_in_mode::any});
  run_fixture run{of};
  for (int i = 0; i < 5; ++i) {
    auto report = run.done(1, static_cast<step_ordinal>(i));
    report.outputs = {{.kind = output_kind::message, .name = "m"}};
    run.tell(report);
  }
  CHECK(run.state().rounds.at(1) == std::vector<std::string>{"a"});
}
