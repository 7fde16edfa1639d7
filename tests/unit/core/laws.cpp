// Laws 1, 3 and 5 over random runs that reach beyond themselves: children, messages to other runs, jobs. (effects.cpp holds law 3
// for attempts and their bodies, the simulation holds the others.)
#include <array>
#include <set>

#include "core/effects.hpp"
#include "core/jobs.hpp"
#include "perdure/limits.hpp"
#include "support/run_fixture.hpp"
#include "support/seed.hpp"

using namespace perdure;
using namespace perdure::core;
using namespace perdure::test;

namespace {

/// What goes on outside for the run, as its ledger's changes say.
struct beyond {
  std::set<std::uint64_t> deliveries;
  std::map<job_number, job_effect> jobs;

  void apply(const std::vector<effect_change>& changes) {
    using what = effect_change::what;
    for (const auto& each : changes) {
      if (each.kind == what::deliver) {
        REQUIRE(deliveries.insert(each.number).second);
      } else if (each.kind == what::job) {
        const auto known = jobs.find(each.job.number);
        REQUIRE((known == jobs.end() || known->second != each.job));
        jobs[each.job.number] = each.job;
      } else if (each.kind == what::leave_job) {
        REQUIRE(jobs.erase(each.job.number) == 1);
      }
    }
  }
  void must_be(const effects& wanted) const {
    std::set<job_effect> now;
    for (const auto& [number, each] : jobs) now.insert(each);
    REQUIRE(deliveries == wanted.deliveries);
    REQUIRE(now == wanted.jobs);
  }
};

/// Says what callers, attempts, receivers, children and backends might say, sensible more often than not.
class random_world {
 public:
  random_world(const run_fixture& run, const beyond& outside, random_source& random)
      : run_(run), outside_(outside), random_(random) {}

  command next() {
    const auto& state = run_.state();
    switch (random_.below(10)) {
      case 0: return of_a_caller();
      case 1: return wake{};
      case 2:
      case 3:
        if (!outside_.deliveries.empty()) return delivered();
        break;
      case 4:
        if (!state.children.empty()) return end_of_child();
        break;
      case 5:
      case 6:
        if (!state.jobs.empty()) return about_a_job();
        break;
      default: break;
    }
    return of_an_attempt();
  }

 private:
  command of_a_caller() {
    switch (random_.below(8)) {
      case 0: return cancel_command{"enough", ""};
      case 1: return pause_command{};
      case 2: return reopened{.unclean = random_.one_in(4)};
      case 3: return delivered_command{1'000'000 + random_.below(10), {}};
      case 4: return signal_command{"s", {}, std::to_string(random_.below(5))};
      default: return resume_command{};
    }
  }
  command delivered() {
    auto at = outside_.deliveries.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_.below(outside_.deliveries.size())));
    return delivered_command{*at, random_.one_in(4) ? std::optional{failed_with("not_delivered")} : std::nullopt};
  }
  command end_of_child() {
    auto at = run_.state().children.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_.below(run_.state().children.size())));
    child_ended_command out{.child = at->first};
    if (random_.one_in(3)) {
      out.status = run_status::failed;
      out.error = failed_with("broken");
    }
    return out;
  }
  command about_a_job() {
    auto at = run_.state().jobs.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_.below(run_.state().jobs.size())));
    const auto& [number, job] = *at;
    if (random_.one_in(8)) return cancel_job_command{number};
    if (asks(job.now) && random_.one_in(2)) return respond_command{question_id(number), answer(), {}, {}};
    job_noticed out{.number = number, .key = random_.one_in(10) ? "of another submission" : job.key()};
    static constexpr std::array facts{job_fact::look,      job_fact::submitted, job_fact::refused,     job_fact::later,
                                      job_fact::ambiguous, job_fact::seen,      job_fact::cancel_told, job_fact::waits};
    out.what = random_.pick(facts);
    out.id = "id";
    out.error = failed_with("job_refused");
    static constexpr std::array seen{job_status::queued, job_status::running, job_status::succeeded, job_status::failed,
                                     job_status::lost};
    if (!random_.one_in(6)) out.seen.status = random_.pick(seen);
    out.seen.raw = std::to_string(random_.below(3));
    return out;
  }
  payload answer() { return payload{random_.one_in(2) ? json::value("retry") : json::value("fail")}; }

  command of_an_attempt() {
    std::vector<activation_id> ids;
    for (const auto& [id, in] : run_.state().activations) ids.push_back(id);
    if (ids.empty()) return resume_command{};
    const auto& in = run_.activation(random_.pick(ids));
    if (in.status == activation_status::pending) return attempt_began{in.id};
    auto report = run_.report(in.id);
    for (auto left = random_.below(3); left > 0; --left) report.issued.push_back(step());
    for (const auto& [ordinal, waiting] : in.pending) {
      if (random_.one_in(12)) report.cancelled.push_back(ordinal);
    }
    if (random_.one_in(12)) report.failed = failed_with("e");
    if (!report.failed && random_.one_in(10)) report.finished = true;
    report.waits = random_.one_in(2);
    return report;
  }
  wait_request step() {
    const auto ordinal = next_ordinal_++;
    switch (random_.below(4)) {
      case 0: return {.ordinal = ordinal, .name = "sleep", .delay = std::chrono::seconds{random_.below(8)}};
      case 1:
        return {.ordinal = ordinal,
                .kind = step_kind::child,
                .name = "other",
                .args = payload{json::value{{"workflow", "other"},
                                            {"message", "m"},
                                            {"input", ordinal},
                                            {"close", 1 + static_cast<int>(random_.below(3))},
                                            {"await", random_.one_in(2)}}}};
      case 2:
        return {.ordinal = ordinal,
                .kind = step_kind::tell,
                .name = "go",
                .args = payload{
                    json::value{{"what", "signal"}, {"to", random_.pick(others_).str()}, {"name", "go"}, {"value", ordinal}}}};
      default: {
        job_options options;
        if (random_.one_in(3)) options.timeout = 20s;
        options.ambiguous = random_.one_in(2) ? ambiguous_submit::ask : ambiguous_submit::retry;
        options.at_end = random_.one_in(3) ? background_end::detach : background_end::cancel;
        return {.ordinal = ordinal,
                .kind = step_kind::job,
                .name = "b",
                .args = perdure::detail::job_args(random_.one_in(2) ? "run" : "submit", "b", {}, json::value(7), options)};
      }
    }
  }

  const run_fixture& run_;
  const beyond& outside_;
  random_source& random_;
  step_ordinal next_ordinal_ = 0;
  std::array<run_id, 2> others_{run_id::make(), run_id::make()};
};

/// All that a decision says, to compare.
std::string decided(const run_state& on, const std::shared_ptr<const plan>& of, const command& what, timestamp now) {
  machine copy{on, of};
  const auto events = copy.execute(what, now);
  if (!events) return std::string{to_string(events.error().code)} + ": " + events.error().message;
  std::string out;
  for (const auto& each : *events) {
    out += std::to_string(static_cast<int>(kind_of(each))) + " " + encode(each, nullptr).value() + "\n";
  }
  return out + encode_state(copy.state(), nullptr).value();
}

/// One random run; `look` is called after each command that changed something, with what was decided.
template <class Before, class After>
void random_run(std::uint64_t seed, Before before, After after) {
  random_source random{seed};
  run_fixture run{make_plan({{.name = "a", .retry = retry(3, fixed(2s))}}), random.one_in(3) ? duration{2min} : duration{0}};
  beyond outside;
  random_world world{run, outside, random};
  effect_ledger ledger;
  std::vector<effect_change> changes;
  ledger.update_all(run.state(), changes);
  outside.apply(changes);
  for (int i = 0; i < 80; ++i) {
    run.now += std::chrono::milliseconds{random.below(1'500)};
    const auto what = world.next();
    before(run, what);
    auto events = run.machine.execute(what, run.now);
    if (!events) continue;
    run.check();
    for (const auto& each : *events) {
      if (const auto* gone = std::get_if<message_delivered>(&each)) REQUIRE(outside.deliveries.erase(gone->number) == 1);
    }
    changes.clear();
    for (const auto& each : *events) ledger.update(run.state(), each, changes);
    outside.apply(changes);
    after(run, *events, ledger, outside);
  }
}

}  // namespace

TEST_CASE("law 1: what is decided follows from state, command and time alone, whether the state lived on or was stored") {
  for (std::uint64_t round = 0; round < 100; ++round) {
    const auto seed = session_seed() + round;
    INFO("seed " << seed);
    std::string expected;
    random_run(
        seed,
        [&](const run_fixture& run, const command& what) {
          const auto stored = encode_state(run.state(), nullptr).value();
          expected = decided(run.state(), run.plan, what, run.now);
          REQUIRE(decided(run.state(), run.plan, what, run.now) == expected);
          REQUIRE(decided(decode_state(stored, nullptr).value(), run.plan, what, run.now) == expected);
          REQUIRE(encode_state(run.state(), nullptr).value() == stored);
        },
        [&](const run_fixture& run, const std::vector<event>& events, const effect_ledger&, const beyond&) {
          std::string done;
          for (const auto& each : events) {
            done += std::to_string(static_cast<int>(kind_of(each))) + " " + encode(each, nullptr).value() + "\n";
          }
          REQUIRE(done + encode_state(run.state(), nullptr).value() == expected);
          if (!events.empty()) REQUIRE(run.state().updated_at == run.now);
        });
  }
}

TEST_CASE("law 5: a run that is full refuses load from outside, by the limit's name, and nothing of what it goes on by itself") {
  random_source choice{session_seed()};
  std::size_t full = 0, went_on = 0;
  for (std::uint64_t round = 0; round < 40; ++round) {
    const auto seed = session_seed() + round;
    INFO("seed " << seed);
    random_run(
        seed,
        [&](const run_fixture& run, const command& what) {
          if (!choice.one_in(8)) return;
          auto filled = run.state();
          while (filled.signals.size() < limits::buffered_signals) filled.signals.push_back({.name = "nobody's"});
          const auto outcome = [&](run_state on, const command& of) {
            machine copy{std::move(on), run.plan};
            const auto events = copy.execute(of, run.now);
            return events ? std::string{"taken"} : std::string{to_string(events.error().code)} + ": " + events.error().message;
          };
          const auto load = signal_command{"nobody's", {}, ""};
          const auto before = outcome(run.state(), load);
          const auto now = outcome(filled, load);
          if (before == "taken") {
            REQUIRE(now.find(to_string(errc::limit_exceeded)) == 0);
            REQUIRE(now.find("buffered_signals") != std::string::npos);
            ++full;
          } else {
            REQUIRE(now == before);
          }
          if (std::holds_alternative<signal_command>(what)) return;
          REQUIRE(outcome(filled, what) == outcome(run.state(), what));
          ++went_on;
        },
        [](const run_fixture&, const std::vector<event>&, const effect_ledger&, const beyond&) {});
  }
  CHECK(full > 50);
  CHECK(went_on > 100);
}

TEST_CASE(
    "law 3: deliveries and jobs that are let out are the difference of what is outstanding, for every event of random runs") {
  // The ledger was held against it for attempts only.
  std::size_t delivered = 0, jobs = 0, ends = 0;
  for (std::uint64_t round = 0; round < 200; ++round) {
    const auto seed = session_seed() + round;
    INFO("seed " << seed);
    random_run(
        seed, [](const run_fixture&, const command&) {},
        [&](const run_fixture& run, const std::vector<event>& events, effect_ledger& ledger, const beyond& outside) {
          const auto wanted = outstanding(run.state());
          outside.must_be(wanted);
          delivered += count<message_delivered>(events);
          jobs += count<job_noted>(events);
          ends += count<run_ended>(events);

          // Told again, the ledger has nothing to add.
          std::vector<effect_change> changes;
          ledger.update_debts(run.state(), changes);
          REQUIRE(changes.empty());

          // A ledger that begins with this state, as after a crash, lets out all that is outstanding, and says of jobs that it
          // may have been done.
          effect_ledger recovered;
          recovered.state_was_read();
          beyond anew;
          recovered.update_debts(run.state(), changes);
          anew.apply(changes);
          anew.must_be(wanted);
          for (const auto& each : changes) REQUIRE((each.kind != effect_change::what::job || each.again));
        });
  }
  // It was about something.
  CHECK(delivered > 100);
  CHECK(jobs > 100);
  CHECK(ends > 20);
}
