// One run's machine in a unit test: a plan made by hand, a clock that stands still, and the laws checked after every event.
//
// Operation: tell() puts a command to the run at the present time and gives the events. After each event the state must
// come back from its stored form as it was, after each command a replay of all events must give the live state.
#pragma once

#include "core/codec.hpp"
#include "core/machine.hpp"
#include "support/catch.hpp"
#include "support/random_value.hpp"

namespace perdure::test {

using namespace std::chrono_literals;

inline constexpr timestamp test_epoch{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1}};

/// An error like the engine's, for brevity.
inline failure failed_with(std::string code, std::string message = "no") {
  return {.code = std::move(code), .message = std::move(message)};
}
inline payload text_payload(std::string_view text) { return payload{json::value(json::string_view{text.data(), text.size()})}; }

inline core::plan make_plan(std::vector<core::executor_plan> executors) {
  core::plan out;
  out.name = "w";
  out.version = "1";
  out.hash = "h";
  for (auto& each : executors) {
    out.by_name[each.name] = out.executors.size();
    out.executors.push_back(std::move(each));
  }
  out.groups_from.resize(out.executors.size());
  return out;
}
inline void add_edge(core::plan& of, core::edge_group group) {
  for (const auto from : group.from) of.groups_from[from].push_back(of.groups.size());
  of.groups.push_back(std::move(group));
}

class run_fixture {
 public:
  explicit run_fixture(core::plan of, duration timeout = {})
      : plan(std::make_shared<core::plan>(std::move(of))), machine(id_of_test(), plan) {
    watch();
    auto events = machine.start({.id = id_of_test(), .message = "m", .input = payload{json::value(1)}, .timeout = timeout}, now);
    REQUIRE(events.has_value());
    check();
  }
  static run_id id_of_test() { return *run_id::parse("01956000-0000-7000-8000-000000000001"); }

  // What a test says -----------------------------------------------------------------------------------------------

  std::vector<core::event> tell(core::command what) {
    auto events = machine.execute(what, now);
    if (!events) FAIL(events.error().message);
    check();
    return std::move(*events);
  }
  errc refused(core::command what) {
    const auto seq = state().seq;
    auto events = machine.execute(what, now);
    REQUIRE(events.has_error());
    REQUIRE(state().seq == seq);
    return events.error().code;
  }
  /// Whether the command was taken but changed nothing.
  bool ignored(core::command what) { return tell(std::move(what)).empty(); }

  std::vector<core::event> wake() { return tell(core::wake{}); }
  /// Goes to the run's wake-up and wakes it.
  std::vector<core::event> sleep() {
    const auto due = core::next_wakeup(state());
    REQUIRE(due.has_value());
    now = std::max(now, *due);
    return wake();
  }
  std::vector<core::event> pass(duration length) {
    now += length;
    return wake();
  }

  /// A report of the activation's present attempt that has seen everything.
  [[nodiscard]] core::attempt_report report(activation_id activation = 1) const {
    const auto& in = state().activations.at(activation);
    return {.activation = activation, .attempt = in.attempt, .fed = in.history.size()};
  }
  [[nodiscard]] core::attempt_report done(activation_id activation, step_ordinal ordinal, core::outcome result = {},
                                          retry_policy retry = {}) const {
    auto out = report(activation);
    const auto& pending = state().activations.at(activation).pending;
    out.done.push_back({.ordinal = ordinal,
                        .name = "s" + std::to_string(ordinal),
                        .result = std::move(result),
                        .recorded = pending.contains(ordinal),
                        .retry = retry});
    return out;
  }
  [[nodiscard]] core::attempt_report failing(activation_id activation, failure why) const {
    auto out = report(activation);
    out.failed = std::move(why);
    return out;
  }
  [[nodiscard]] core::attempt_report waiting(activation_id activation, std::vector<core::wait_request> issued) const {
    auto out = report(activation);
    out.issued = std::move(issued);
    out.waits = true;
    return out;
  }
  [[nodiscard]] core::attempt_report finished(activation_id activation, std::vector<core::output> outputs = {}) const {
    auto out = report(activation);
    out.outputs = std::move(outputs);
    out.finished = true;
    return out;
  }

  [[nodiscard]] const core::run_state& state() const { return machine.state(); }
  [[nodiscard]] const core::activation& activation(activation_id id) const {
    REQUIRE(state().activations.contains(id));
    return state().activations.at(id);
  }

  // The laws -------------------------------------------------------------------------------------------------------

  /// The state made of the stored bytes of all events, from the beginning.
  [[nodiscard]] core::run_state replayed() const {
    core::run_state out;
    out.id = id_of_test();
    for (const auto& [bytes, kind, at] : stored) {
      auto event = core::decode(kind, core::event_schema, bytes, nullptr);
      REQUIRE(event.has_value());
      REQUIRE(core::apply(out, *event, at).has_value());
    }
    return out;
  }
  void check() const {
    CHECK(same_state(replayed(), state()));
    const bool waker =
        is_terminal(state().status) || state().paused || core::has_work(state()) || !state().deadlines.empty() || waits_outside();
    CHECK(waker);
  }
  [[nodiscard]] bool waits_outside() const {
    for (const auto& [id, in] : state().activations) {
      for (const auto& [ordinal, step] : in.pending) {
        if (core::waits_outside(step.kind)) return true;
      }
    }
    return state().awaited_children > 0;
  }

  std::shared_ptr<core::plan> plan;
  core::machine machine;
  timestamp now = test_epoch;
  std::vector<std::pair<core::event, timestamp>> history;

 private:
  struct record {
    std::string bytes;
    core::event_kind kind;
    timestamp at;
  };
  void watch() {
    machine.observe([this](const core::event& what, const core::run_state& after) {
      history.emplace_back(what, after.updated_at);
      auto bytes = core::encode(what, nullptr);
      REQUIRE(bytes.has_value());
      stored.push_back({std::move(*bytes), core::kind_of(what), after.updated_at});
      auto snapshot = core::encode_state(after, nullptr);
      REQUIRE(snapshot.has_value());
      auto back = core::decode_state(*snapshot, nullptr);
      REQUIRE(back.has_value());
      CHECK(same_state(*back, after));
    });
  }
  std::vector<record> stored;
};

/// The only event of that type; fails the test when there is none or more.
template <class E>
E only(const std::vector<core::event>& events) {
  std::optional<E> out;
  for (const auto& each : events) {
    if (!std::holds_alternative<E>(each)) continue;
    REQUIRE_FALSE(out.has_value());
    out = std::get<E>(each);
  }
  REQUIRE(out.has_value());
  return *out;
}
template <class E>
std::size_t count(const std::vector<core::event>& events) {
  std::size_t out = 0;
  for (const auto& each : events) out += std::holds_alternative<E>(each) ? 1 : 0;
  return out;
}

}  // namespace perdure::test
