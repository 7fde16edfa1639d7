// Law 3: what an event lets out is outstanding(after) − outstanding(before). The ledger looks only at what an event
// touched; here it is held against the difference of the whole sets, over random runs.
#include "core/effects.hpp"

#include "support/run_fixture.hpp"
#include "support/seed.hpp"

using namespace perdure;
using namespace perdure::core;
using namespace perdure::test;

namespace {

/// What goes on outside, as the ledger's changes say.
struct outside {
  void apply(const std::vector<effect_change>& changes) {
    using what = effect_change::what;
    for (const auto& each : changes) {
      auto* going = attempts.contains(each.activation) ? &attempts.at(each.activation) : nullptr;
      switch (each.kind) {
        case what::stop:
          REQUIRE(going != nullptr);
          REQUIRE(going->attempt == each.attempt);
          attempts.erase(each.activation);
          break;
        case what::start: {
          REQUIRE((going == nullptr || (going->attempt == 0 && each.attempt == 1)));
          REQUIRE(each.begin->attempt == each.attempt);
          attempt fresh{.attempt = each.attempt, .fed = each.begin->history.size()};
          for (const auto& [ordinal, step] : each.begin->pending) {
            if (step.tries > 0 && !step.retry_at) fresh.bodies.insert({each.activation, each.attempt, ordinal, step.tries});
          }
          attempts[each.activation] = fresh;
          break;
        }
        case what::feed:
          REQUIRE(going != nullptr);
          REQUIRE(going->attempt == each.attempt);
          ++going->fed;
          if (each.item->what == history_kind::outcome) drop(*going, each.item->ordinal);
          break;
        case what::run_body:
          REQUIRE(going != nullptr);
          REQUIRE(going->attempt == each.attempt);
          drop(*going, each.ordinal);
          going->asked.push_back(each.ordinal);
          break;
      }
    }
  }

  struct attempt {
    std::uint32_t attempt = 0;
    std::size_t fed = 0;
    std::set<body_effect> bodies;
    std::vector<step_ordinal> asked;
  };
  static void drop(attempt& in, step_ordinal ordinal) {
    std::erase_if(in.bodies, [&](const body_effect& each) { return each.ordinal == ordinal; });
  }
  std::map<activation_id, attempt> attempts;
};

plan busy_plan() {
  auto out = make_plan({{.name = "a", .retry = retry(3, fixed(2s))},
                        {.name = "b",
                         .timeouts = {.schedule_to_start = 30s, .start_to_close = 20s, .heartbeat = 10s},
                         .retry = retry(2, fixed(3s))},
                        {.name = "c"}});
  add_edge(out, {.kind = edge_kind::direct, .from = {0}, .to = {1, 2}});
  add_edge(out, {.kind = edge_kind::fan_in, .from = {1, 2}, .to = {0}});
  out.max_activations = 12;
  return out;
}

/// A random command that makes sense more often than not.
command random_command(const run_state& state, random_source& random) {
  std::vector<activation_id> ids;
  for (const auto& [id, in] : state.activations) ids.push_back(id);
  if (ids.empty() || random.one_in(12)) {
    switch (random.below(8)) {
      case 0: return cancel_command{"enough", ""};
      case 1: return pause_command{};
      case 2: return reopened{.unclean = random.one_in(2)};
      case 3: return signal_command{random.one_in(2) ? "s" : "t", {}, std::to_string(random.below(5))};
      default: return resume_command{};
    }
  }
  const auto& in = state.activations.at(random.pick(ids));
  if (in.status == activation_status::pending) return attempt_began{in.id};
  if (random.one_in(20)) return attempt_died{in.id, in.attempt, failed_with("died")};
  if (random.one_in(20)) return progress_made{in.id, in.attempt, {}};
  for (const auto& [ordinal, step] : in.pending) {
    if (step.kind == step_kind::request && random.one_in(3))
      return respond_command{std::to_string(in.id) + "." + std::to_string(ordinal), {}, ""};
  }
  attempt_report report{.activation = in.id, .attempt = in.attempt - (random.one_in(15) ? 1 : 0), .fed = in.history.size()};
  static step_ordinal next = 0;
  next = (next + 10) % 1'000'000;
  if (random.one_in(2)) {
    for (auto left = random.below(3); left > 0; --left) {
      const auto kind = random.below(4);
      const auto ordinal = next++;
      if (kind == 0)
        report.issued.push_back({.ordinal = ordinal, .name = "sleep", .delay = std::chrono::seconds{random.below(8)}});
      if (kind == 1)
        report.issued.push_back({.ordinal = ordinal, .kind = step_kind::signal, .name = random.one_in(2) ? "s" : "t"});
      if (kind == 2) report.issued.push_back({.ordinal = ordinal, .kind = step_kind::request, .name = "r", .timeout = 9s});
      if (kind == 3) report.issued.push_back({.ordinal = ordinal, .kind = step_kind::call, .name = "c", .timeout = 15s});
    }
  }
  if (random.one_in(2)) {
    outcome result;
    if (random.one_in(2)) result.error = failed_with("e");
    report.done.push_back({.ordinal = next++, .name = "done", .result = result, .retry = retry(3, fixed(1s))});
  }
  for (const auto& [ordinal, step] : in.pending) {
    if (step.kind == step_kind::call && !step.retry_at && random.one_in(3)) {
      outcome result;
      if (random.one_in(2)) result.error = failed_with("e");
      report.done.push_back(
          {.ordinal = ordinal, .name = step.name, .result = result, .recorded = true, .retry = retry(3, fixed(1s))});
    } else if (random.one_in(6)) {
      report.cancelled.push_back(ordinal);
    }
  }
  if (random.one_in(3)) report.outputs.push_back({.kind = output_kind::message, .name = "m"});
  if (random.one_in(6)) report.failed = failed_with("e");
  if (!report.failed && random.one_in(5)) report.finished = true;
  report.waits = report.done.empty() && random.one_in(2);
  return report;
}

}  // namespace

TEST_CASE("effects that are let out are the difference of what is outstanding, for every event of random runs") {
  for (std::uint64_t round = 0; round < 400; ++round) {
    const auto seed = session_seed() + round;
    INFO("seed " << seed);
    random_source random{seed};
    run_fixture run{busy_plan(), random.one_in(3) ? duration{2min} : duration{0}};
    effect_ledger ledger;
    outside world;
    std::vector<effect_change> changes;
    ledger.update_all(run.state(), changes);
    world.apply(changes);
    run_state before = run.state();
    for (int i = 0; i < 60 && !is_terminal(run.state().status); ++i) {
      run.now += std::chrono::milliseconds{random.below(1'500)};
      auto events = run.machine.execute(random.one_in(5) ? command{wake{}} : random_command(run.state(), random), run.now);
      if (!events) continue;
      run.check();
      changes.clear();
      for (const auto& each : *events) ledger.update(run.state(), each, changes);
      world.apply(changes);

      // A paused run is given nothing new; what goes on may end.
      const auto wanted = outstanding(run.state());
      if (run.state().paused) {
        for (const auto& [id, going] : world.attempts) {
          const auto& state = run.state().activations;
          REQUIRE((state.contains(id) && state.at(id).attempt == going.attempt));
        }
        for (const auto& each : changes) REQUIRE(each.kind == effect_change::what::stop);
        continue;
      }
      std::set<attempt_effect> have;
      for (const auto& [id, going] : world.attempts) have.insert({id, going.attempt, going.fed});
      REQUIRE(have == wanted.attempts);
      // Every body that is to run was asked for exactly once: at the start of its attempt, or later.
      const auto had = outstanding(before);
      std::size_t fresh = 0, given = 0;
      for (const auto& each : wanted.bodies) fresh += had.bodies.contains(each) ? 0 : 1;
      for (const auto& each : changes) {
        if (each.kind == effect_change::what::run_body) ++given;
        if (each.kind != effect_change::what::start) continue;
        for (const auto& [ordinal, step] : each.begin->pending) given += step.tries > 0 && !step.retry_at ? 1 : 0;
      }
      if (!before.paused) REQUIRE(fresh == given);
      before = run.state();

      // Told again, the ledger has nothing to add.
      changes.clear();
      ledger.update_all(run.state(), changes);
      REQUIRE(changes.empty());

      // A ledger that begins with this state, as after a crash, lets out all that is outstanding.
      effect_ledger recovered;
      outside anew;
      recovered.update_all(run.state(), changes);
      anew.apply(changes);
      have.clear();
      std::set<body_effect> bodies;
      for (const auto& [id, going] : anew.attempts) {
        have.insert({id, going.attempt, going.fed});
        bodies.insert(going.bodies.begin(), going.bodies.end());
      }
      REQUIRE(have == wanted.attempts);
      REQUIRE(bodies == wanted.bodies);
    }
  }
}

TEST_CASE("an attempt is started, fed, asked for bodies and stopped in this order") {
  run_fixture run{make_plan({{.name = "a", .retry = retry(2, fixed(1s))}})};
  effect_ledger ledger;
  const auto changes_of = [&](const std::vector<event>& events) {
    std::vector<effect_change> out;
    for (const auto& each : events) ledger.update(run.state(), each, out);
    return out;
  };
  using what = effect_change::what;
  auto changes = changes_of({run.history[0].first});
  REQUIRE(changes.size() == 1);
  CHECK((changes[0].kind == what::start && changes[0].attempt == 1));
  changes = changes_of(run.tell(run.done(1, 0)));
  REQUIRE(changes.size() == 1);
  CHECK((changes[0].kind == what::feed && changes[0].item->ordinal == 0));
  CHECK(changes_of(run.tell(run.done(1, 1, {{}, failed_with("e")}, retry(3, fixed(1s))))).empty());
  changes = changes_of(run.sleep());
  REQUIRE(changes.size() == 1);
  CHECK((changes[0].kind == what::run_body && changes[0].ordinal == 1));
  changes = changes_of(run.tell(run.failing(1, failed_with("e"))));
  REQUIRE(changes.size() == 1);
  CHECK((changes[0].kind == what::stop && changes[0].attempt == 1));
  changes = changes_of(run.sleep());
  REQUIRE(changes.size() == 1);
  CHECK((changes[0].kind == what::start && changes[0].attempt == 2 && changes[0].begin->history.size() == 1));
}

TEST_CASE("a paused run is given nothing new, and everything at its resume") {
  run_fixture run{make_plan({{.name = "a"}})};
  effect_ledger ledger;
  std::vector<effect_change> changes;
  ledger.update_all(run.state(), changes);
  const auto take = [&](const std::vector<event>& events) {
    changes.clear();
    for (const auto& each : events) ledger.update(run.state(), each, changes);
  };
  take(run.tell(pause_command{}));
  take(run.tell(run.done(1, 0)));
  CHECK(changes.empty());
  take(run.tell(resume_command{}));
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].kind == effect_change::what::feed);
}

TEST_CASE("an attempt that waits for its explicit start is asked for before it begins") {
  run_fixture run{make_plan({{.name = "a", .timeouts = {.start_to_close = 1s}}})};
  effect_ledger ledger;
  std::vector<effect_change> changes;
  ledger.update_all(run.state(), changes);
  REQUIRE(changes.size() == 1);
  CHECK((changes[0].kind == effect_change::what::start && changes[0].attempt == 0));
  changes.clear();
  for (const auto& each : run.tell(attempt_began{1})) ledger.update(run.state(), each, changes);
  REQUIRE(changes.size() == 1);
  CHECK((changes[0].kind == effect_change::what::start && changes[0].attempt == 1));
  changes.clear();
  for (const auto& each : run.pass(1s)) ledger.update(run.state(), each, changes);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].kind == effect_change::what::stop);
}
