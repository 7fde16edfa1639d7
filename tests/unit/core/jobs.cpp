// What becomes of a run's jobs: placed, submitted, watched, ended; and who is told of it.
#include "core/jobs.hpp"

#include <algorithm>

#include "core/effects.hpp"
#include "support/run_fixture.hpp"

using namespace perdure;
using namespace perdure::core;
using namespace perdure::test;

namespace {

wait_request job_step(step_ordinal ordinal, std::string_view what = "run", const job_options& options = {}, int spec = 7) {
  return {.ordinal = ordinal,
          .kind = step_kind::job,
          .name = "b",
          .args = perdure::detail::job_args(what, "b", {}, json::value(spec), options)};
}
wait_request wait_step(step_ordinal ordinal, const run_fixture& run, job_number number, std::string_view what = "wait",
                       const job_wait_options& options = {}) {
  const job_handle which{.number = number, .key = run.state().jobs.at(number).known_as, .backend = "b"};
  return {.ordinal = ordinal,
          .kind = step_kind::job,
          .name = "job",
          .args = what == "wait" ? perdure::detail::job_args(which, options) : perdure::detail::job_args(what, which),
          .timeout = options.max_duration};
}
job_noticed word(const run_fixture& run, job_number number, job_fact what) {
  return {.number = number, .key = run.state().jobs.at(number).key(), .what = what};
}
job_noticed accepted(const run_fixture& run, job_number number = 1, std::string id = "id") {
  auto out = word(run, number, job_fact::submitted);
  out.id = std::move(id);
  return out;
}
job_noticed refused(const run_fixture& run, job_fact what = job_fact::refused, job_number number = 1) {
  auto out = word(run, number, what);
  out.error = failed_with("job_refused");
  return out;
}
job_noticed seen(const run_fixture& run, std::optional<job_status> status, job_number number = 1, std::string raw = "r") {
  auto out = word(run, number, job_fact::seen);
  out.seen.status = status;
  out.seen.raw = std::move(raw);
  return out;
}
const job_record& job(const run_fixture& run, job_number number = 1) { return run.state().jobs.at(number); }
std::optional<job_action> goes_on(const run_fixture& run, job_number number = 1) {
  const auto effect = effect_of(run.state(), number);
  return effect ? std::optional{effect->action} : std::nullopt;
}
plan of_one() { return make_plan({{.name = "a", .retry = retry(3, fixed(1s))}}); }

}  // namespace

TEST_CASE("a job step makes the job durable with its submit key before anything is submitted") {
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(4)}));
  CHECK(job(run).key() == run.state().id.str() + "/a/1/4");
  CHECK(goes_on(run) == job_action::submit);
  CHECK(has_work(run.state()));
  CHECK_FALSE(may_park(run.state()));
  CHECK(outstanding(run.state()).jobs.size() == 1);
  const auto order = order_of(run.state(), *effect_of(run.state(), 1));
  CHECK(order.backend == "b");
  CHECK(order.spec.text() == "7");
}

TEST_CASE("a submitted job is watched, and the run may leave memory") {
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0, "submit")}));
  const auto events = run.tell(accepted(run));
  CHECK(only<step_completed>(events).result.value.value().at("id").as_string() == "id");
  run.tell(run.waiting(1, {wait_step(1, run, 1)}));
  CHECK(goes_on(run) == job_action::watch);
  CHECK(may_park(run.state()));
  REQUIRE(next_wakeup(run.state()).has_value());
  CHECK(*next_wakeup(run.state()) == run.now + limits::job_look_pause);
}

TEST_CASE("run_job ends with the job's result, and fails with a code that says how the job ended") {
  const auto [status, code] = GENERATE(table<job_status, std::string>({{job_status::succeeded, ""},
                                                                       {job_status::failed, "job_failed"},
                                                                       {job_status::cancelled, "job_cancelled"},
                                                                       {job_status::timed_out, "job_timed_out"},
                                                                       {job_status::lost, "job_lost"}}));
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0)}));
  run.tell(accepted(run));
  auto end = seen(run, status);
  end.seen.exit_code = 3;
  end.seen.result = text_payload("result");
  const auto events = run.tell(end);
  CHECK(count<job_ended>(events) == 1);
  const auto& answer = only<step_completed>(events).result;
  if (status == job_status::succeeded) {
    REQUIRE_FALSE(answer.error);
    CHECK(answer.value.value().at("result").as_string() == "result");
    CHECK(answer.value.value().at("exit_code").as_int64() == 3);
  } else {
    REQUIRE(answer.error);
    CHECK(answer.error->code == code);
  }
  CHECK_FALSE(goes_on(run));
  CHECK(run.ignored(seen(run, job_status::failed)));  // the first end stays
}

TEST_CASE("waiting for a job gives its end however it ends") {
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0, "submit")}));
  run.tell(accepted(run));
  run.tell(seen(run, job_status::failed));
  const auto events = run.tell(run.waiting(1, {wait_step(1, run, 1)}));
  const auto& answer = only<step_completed>(events).result;
  REQUIRE_FALSE(answer.error);
  CHECK(answer.value.value().at("status").as_string() == "failed");
  CHECK(answer.value.value().at("error").at("code").as_string() == "job_failed");
}

TEST_CASE("a job of another run is not known") {
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0, "submit")}));
  auto foreign = wait_step(1, run, 1);
  foreign.args = perdure::detail::job_args(job_handle{.number = 1, .key = "another/a/1/0"}, job_wait_options{});
  const auto events = run.tell(run.waiting(1, {foreign}));
  CHECK(only<step_completed>(events).result.error->code == failure_code::bad_message);
}

TEST_CASE("what a look gives is an event only when something has changed") {
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0)}));
  run.tell(accepted(run));
  CHECK(count<job_noted>(run.tell(seen(run, job_status::running))) == 1);
  CHECK(run.ignored(seen(run, job_status::running)));
  auto further = seen(run, job_status::running);
  further.seen.progress = payload{json::value{{"done", 5}, {"total", 10}}};
  CHECK(count<job_noted>(run.tell(further)) == 1);
  further.seen.progress = payload{json::value{{"done", 4}, {"total", 10}}};
  CHECK(run.ignored(further));  // progress does not go back
  const auto unknown = run.tell(seen(run, std::nullopt, 1, "MELTING"));
  CHECK(only<job_noted>(unknown).now.status == job_status::running);
  CHECK(only<job_noted>(unknown).now.raw == "MELTING");
}

TEST_CASE("how far a job came is told with its end, and does not go back then either") {
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0)}));
  run.tell(accepted(run));
  auto further = seen(run, job_status::running);
  further.seen.progress = payload{json::value{{"done", 5}, {"total", 10}}};
  run.tell(further);
  const auto last = GENERATE(4, 5, 10);
  auto end = seen(run, job_status::succeeded);
  end.seen.progress = payload{json::value{{"done", last}, {"total", 10}}};
  const auto events = run.tell(end);
  CHECK(count<job_noted>(events) == (last == 10 ? 1 : 0));
  CHECK(count<job_ended>(events) == 1);
  CHECK(job(run).now.progress.value().at("done") == json::value(last == 10 ? 10 : 5));
  CHECK(job(run).now.status == job_status::succeeded);
}

TEST_CASE("a running job is looked at again after a while, without anything being submitted") {
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0)}));
  run.tell(accepted(run));
  const auto before = *effect_of(run.state(), 1);
  run.sleep();
  const auto after = *effect_of(run.state(), 1);
  CHECK(after.action == job_action::watch);
  CHECK(after.key == before.key);
  CHECK(after.generation == before.generation + 1);
}

TEST_CASE("a backend that is down has the submit tried again, with backoff and the same key") {
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0)}));
  const auto key = job(run).key();
  for (int i = 1; i <= 12; ++i) {
    run.tell(refused(run, job_fact::later));
    CHECK_FALSE(goes_on(run));
    CHECK_FALSE(has_work(run.state()));
    const auto before = run.now;
    run.sleep();
    CHECK(run.now - before >= 1s);
    CHECK(run.now - before <= 60s);
    CHECK(goes_on(run) == job_action::submit);
    CHECK(order_of(run.state(), *effect_of(run.state(), 1)).again);
    CHECK(job(run).key() == key);
  }
  run.tell(accepted(run));
  CHECK(goes_on(run) == job_action::watch);
}

TEST_CASE("a job that is refused fails its step") {
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0, "submit")}));
  const auto events = run.tell(refused(run));
  CHECK(only<step_completed>(events).result.error->code == "job_refused");
}

TEST_CASE("an ambiguous submit is repeated or fails, as the step said") {
  const auto how = GENERATE(ambiguous_submit::retry, ambiguous_submit::fail);
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0, "run", {.ambiguous = how})}));
  const auto events = run.tell(refused(run, job_fact::ambiguous));
  if (how == ambiguous_submit::retry) {
    CHECK(job(run).live());
    run.sleep();
    CHECK(goes_on(run) == job_action::submit);
  } else {
    CHECK(only<step_completed>(events).result.error->code == failure_code::job_ambiguous);
  }
}

TEST_CASE("a job that did not succeed is submitted anew under another key, as its policy says") {
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0, "run", {.retry = retry(2, fixed(5s))})}));
  run.tell(accepted(run));
  const auto first = job(run).key();
  auto late = seen(run, job_status::succeeded);
  CHECK(count<job_noted>(run.tell(seen(run, job_status::lost))) == 1);
  CHECK(job(run).live());
  CHECK(job(run).key() != first);
  CHECK(run.ignored(late));  // word of the first one
  run.sleep();
  CHECK(goes_on(run) == job_action::submit);
  CHECK_FALSE(order_of(run.state(), *effect_of(run.state(), 1)).again);
  run.tell(accepted(run, 1, "second"));
  const auto events = run.tell(seen(run, job_status::failed));
  CHECK(only<step_completed>(events).result.error->code == "job_failed");
}

TEST_CASE("a cancel is recorded at once and seen later; the first end stays") {
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0, "submit")}));
  run.tell(accepted(run));
  const auto asked = run.tell(run.waiting(1, {wait_step(1, run, 1, "cancel")}));
  CHECK_FALSE(only<step_completed>(asked).result.error);
  CHECK(goes_on(run) == job_action::cancel);
  CHECK(has_work(run.state()));
  run.tell(run.waiting(1, {wait_step(2, run, 1)}));
  SECTION("it is told, and ends") {
    run.tell(word(run, 1, job_fact::cancel_told));
    CHECK(goes_on(run) == job_action::watch);
    const auto events = run.tell(seen(run, job_status::cancelled));
    CHECK(only<step_completed>(events).result.value.value().at("status").as_string() == "cancelled");
  }
  SECTION("it had succeeded before the cancel reached it") {
    const auto events = run.tell(seen(run, job_status::succeeded));
    CHECK(only<step_completed>(events).result.value.value().at("status").as_string() == "succeeded");
    CHECK_FALSE(goes_on(run));
    CHECK(run.ignored(word(run, 1, job_fact::cancel_told)));
  }
}

TEST_CASE("somebody outside may ask a job to end, while its run and the job go on") {
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0)}));
  CHECK(run.refused(cancel_job_command{2}) == errc::not_found);
  run.tell(accepted(run));
  CHECK(count<job_noted>(run.tell(cancel_job_command{1})) == 1);
  CHECK(goes_on(run) == job_action::cancel);
  CHECK(run.ignored(cancel_job_command{1}));
  const auto events = run.tell(seen(run, job_status::cancelled));
  CHECK(only<step_completed>(events).result.error->code == failure_code::job_cancelled);
  CHECK(run.ignored(cancel_job_command{1}));
}

TEST_CASE("a job that is not wanted while it is being submitted is found out about first") {
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0, "submit")}));
  run.tell(refused(run, job_fact::later));
  CHECK_FALSE(goes_on(run));
  run.tell(cancel_command{.reason = "enough"});
  REQUIRE(goes_on(run) == job_action::submit);
  CHECK(order_of(run.state(), *effect_of(run.state(), 1)).cancel);
  run.tell(run.finished(1));
  CHECK(is_terminal(run.state().status));
  CHECK(owes(run.state()));
  SECTION("it had been accepted") {
    run.tell(accepted(run));
    CHECK(goes_on(run) == job_action::cancel);
    run.tell(word(run, 1, job_fact::cancel_told));
  }
  SECTION("it had not") { run.tell(refused(run)); }
  CHECK_FALSE(owes(run.state()));
  CHECK_FALSE(has_work(run.state()));
}

TEST_CASE("a job whose time limit passes ends as timed out at once, and the backend is told") {
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0, "run", {.timeout = 10s})}));
  const bool submitted = GENERATE(true, false);
  if (submitted) run.tell(accepted(run));
  const auto events = run.pass(10s);
  CHECK(only<step_completed>(events).result.error->code == failure_code::job_timed_out);
  if (!submitted) {
    CHECK(goes_on(run) == job_action::submit);
    run.tell(accepted(run));
  }
  CHECK(goes_on(run) == job_action::cancel);
  run.tell(word(run, 1, job_fact::cancel_told));
  CHECK_FALSE(goes_on(run));
}

TEST_CASE("when its run ends, a job is cancelled, waited for, or left alone") {
  const auto at_end = GENERATE(background_end::cancel, background_end::wait, background_end::detach);
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0, "submit", {.at_end = at_end})}));
  run.tell(accepted(run));
  run.tell(run.finished(1));
  if (at_end == background_end::wait) {
    CHECK(status_of(run.state()) == run_status::waiting);
    CHECK(goes_on(run) == job_action::watch);
    run.tell(seen(run, job_status::succeeded));
    CHECK(run.state().status == run_status::succeeded);
  } else if (at_end == background_end::cancel) {
    CHECK(run.state().status == run_status::succeeded);
    CHECK(goes_on(run) == job_action::cancel);
    CHECK(has_work(run.state()));
    run.tell(word(run, 1, job_fact::cancel_told));
  } else {
    CHECK(run.state().status == run_status::succeeded);
  }
  CHECK_FALSE(goes_on(run));
  CHECK_FALSE(has_work(run.state()));
}

TEST_CASE("an attempt that is made again takes up the job that an earlier one submitted, unless it came to nothing") {
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0, "submit"), job_step(1)}));
  run.tell(accepted(run, 1));
  run.tell(accepted(run, 2));
  const auto outcome = GENERATE(std::optional<job_status>{}, job_status::succeeded, job_status::failed);
  if (outcome) run.tell(seen(run, outcome, 2));
  run.tell(run.failing(1, failed_with("x")));
  run.sleep();
  run.tell(run.waiting(1, {job_step(1)}));
  CHECK(run.state().jobs.size() == (outcome == job_status::failed ? 3U : 2U));
  if (outcome == job_status::failed) CHECK(job(run, 3).key() != job(run, 2).key());
}

TEST_CASE("two jobs of one turn have numbers and keys of their own") {
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0), job_step(1)}));
  CHECK(run.state().jobs.size() == 2);
  CHECK(job(run, 1).key() != job(run, 2).key());
  CHECK(run.state().next_job == 3);
}

TEST_CASE("a run has no more jobs than the limit, and those that ended before it continued do not count") {
  run_fixture run{of_one()};
  const auto args = job_step(0, "submit").args;
  job_number placed = 0;
  auto state = run.state();
  for (job_number i = 1; i <= limits::run_jobs; ++i) state.jobs[i] = {};
  state.next_job = 50'000;
  const auto refused = place_job(state, state.activations.at(1), 0, args, placed);
  REQUIRE(refused.has_error());
  CHECK(refused.error().code == failure_code::limit);
  state.jobs.erase(1);
  const auto taken = place_job(state, state.activations.at(1), 0, args, placed);
  REQUIRE(taken.has_value());
  CHECK(job_of(*taken) == 50'000);
}

TEST_CASE("a retried run submits the jobs that were going on as its own") {
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0)}));
  run.tell(accepted(run));
  const auto& history = run.history;
  const auto id = *run_id::parse("01956000-0000-7000-8000-000000000002");
  const auto forked = state_for_fork(history, id, history.size(), run.plan.get(), run.now);
  REQUIRE(forked.has_value());
  const auto& mine = forked->jobs.at(1);
  CHECK(mine.known_as == job(run).known_as);
  CHECK(mine.key().starts_with(id.str()));
  CHECK(mine.now.stage == job_stage::submitting);
}

TEST_CASE("a job that waits for its turn leaves its run free to leave memory, and is submitted when it is told so") {
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0, "submit")}));
  const auto waits = run.tell(word(run, 1, job_fact::waits));
  CHECK(only<job_noted>(waits).now.raw == waits_for_its_turn);
  CHECK_FALSE(goes_on(run));
  CHECK(may_park(run.state()));
  CHECK(*next_wakeup(run.state()) == run.now + limits::job_look_pause);
  CHECK(run.ignored(word(run, 1, job_fact::waits)));
  run.tell(word(run, 1, job_fact::look));
  CHECK(goes_on(run) == job_action::submit);
  CHECK(run.ignored(word(run, 1, job_fact::look)));
  run.tell(accepted(run));
  CHECK(goes_on(run) == job_action::watch);
  CHECK(job(run).now.raw.empty());
}

TEST_CASE("a word that a job's turn has come does not shorten a pause after a failure") {
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0, "submit")}));
  run.tell(refused(run, job_fact::later));
  CHECK_FALSE(goes_on(run));
  CHECK(run.ignored(word(run, 1, job_fact::look)));
}

namespace {

respond_command said(const json::value& answer, std::string id = "job.1", std::string command_id = {}) {
  return {.request_id = std::move(id), .answer = payload{answer}, .command_id = std::move(command_id)};
}

}  // namespace

TEST_CASE("where a person is to say so, an ambiguous submit waits for the answer, and nothing is submitted meanwhile") {
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0, "run", {.ambiguous = ambiguous_submit::ask})}));
  run.tell(refused(run, job_fact::ambiguous));
  CHECK(asks(job(run).now));
  CHECK_FALSE(goes_on(run));
  CHECK(may_park(run.state()));
  CHECK(question_of(run.state(), 1).value().at("job").as_int64() == 1);
  run.sleep();
  CHECK(asks(job(run).now));
  // It survives a restart, and so does the wait.
  const auto stored = encode_state(run.state(), nullptr);
  CHECK(asks(decode_state(*stored, nullptr)->jobs.at(1).now));
  const auto answer = GENERATE(std::string{"retry"}, "fail");
  const auto events = run.tell(said(json::value(answer), "job.1", "c1"));
  CHECK(count<request_answered>(events) == 1);
  CHECK_FALSE(asks(job(run).now));
  if (answer == "retry") {
    CHECK(goes_on(run) == job_action::submit);
    CHECK(order_of(run.state(), *effect_of(run.state(), 1)).again);
  } else {
    CHECK_FALSE(goes_on(run));
    CHECK(only<step_completed>(events).result.error->code == "job_ambiguous");
  }
  CHECK(run.ignored(said(json::value(answer), "job.1", "c1")));
}

TEST_CASE("a question about a job takes \"retry\" and \"fail\" only, and only while it is open") {
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0, "submit", {.ambiguous = ambiguous_submit::ask})}));
  CHECK(run.refused(said(json::value("retry"))) == errc::not_found);
  run.tell(refused(run, job_fact::ambiguous));
  CHECK(run.refused(said(json::value("yes"))) == errc::invalid_argument);
  CHECK(run.refused(said(json::value(nullptr))) == errc::invalid_argument);
  CHECK(run.refused(said(json::value("retry"), "job.2")) == errc::not_found);
  CHECK(run.refused(said(json::value("retry"), "job.")) == errc::not_found);
  run.tell(said(json::value("retry")));
  CHECK(run.refused(said(json::value("retry"))) == errc::not_found);
}

TEST_CASE("a cancel ends the question about a job, which is then looked for") {
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0, "submit", {.ambiguous = ambiguous_submit::ask})}));
  run.tell(refused(run, job_fact::ambiguous));
  run.tell(cancel_job_command{.number = 1});
  CHECK_FALSE(asks(job(run).now));
  CHECK(goes_on(run) == job_action::submit);
  CHECK(order_of(run.state(), *effect_of(run.state(), 1)).cancel);
  CHECK(run.refused(said(json::value("retry"))) == errc::not_found);
}

TEST_CASE("a run that ends while a person is asked about a detached job submits nothing, and leaves no question open") {
  // The end of a run had its detached jobs submitted at once, without the rest of their pauses. The pause of one could be the
  // wait for a person's answer: it was submitted a second time, though nobody had said so, and nobody could say so any more.
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0, "submit", {.at_end = background_end::detach, .ambiguous = ambiguous_submit::ask}),
                           job_step(1, "submit", {.at_end = background_end::detach, .ambiguous = ambiguous_submit::ask})}));
  for (const job_number each : {1U, 2U}) {
    run.tell(refused(run, job_fact::ambiguous, each));
    REQUIRE(asks(job(run, each).now));
  }
  SECTION("it succeeds") { run.tell(run.finished(1)); }
  SECTION("it fails") {
    run.tell(run.failing(1, failed_with("x")));
    run.sleep();
    run.tell(run.failing(1, failed_with("x")));
    run.sleep();
    run.tell(run.failing(1, failed_with("x")));
  }
  SECTION("it is cancelled") {
    run.tell(cancel_command{.reason = "enough"});
    CHECK(asks(job(run).now));  // it is still known, and can be answered
    run.tell(run.finished(1));
  }
  SECTION("it is cancelled, and its handler does not end") {
    run.tell(cancel_command{.reason = "enough"});
    run.pass(limits::cancel_grace);
  }
  SECTION("it is quarantined") {
    run.tell(run.waiting(1, {{.ordinal = 2, .kind = step_kind::sleep, .timeout = 1s}}));
    run.pass(1s);  // its handler goes on
    for (std::uint32_t i = 0; i < limits::suspect_marks; ++i) run.tell(reopened{true});
    CHECK(run.state().error->code == "quarantined");
  }
  REQUIRE(is_terminal(run.state().status));
  for (const job_number each : {1U, 2U}) {
    CHECK_FALSE(goes_on(run, each));
    REQUIRE_FALSE(job(run, each).live());
    CHECK(job(run, each).end.status == job_status::failed);
    CHECK(job(run, each).end.error->code == failure_code::job_ambiguous);
    CHECK_FALSE(job(run, each).end.error->causes.empty());
  }
  CHECK_FALSE(owes(run.state()));
  CHECK(run.refused(said(json::value("retry"))) == errc::conflict);
}

TEST_CASE("a question about a job goes along with a run that continues as new") {
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0, "submit", {.at_end = background_end::detach, .ambiguous = ambiguous_submit::ask})}));
  run.tell(refused(run, job_fact::ambiguous));
  const output next{.kind = output_kind::continuation, .name = "m", .value = payload{json::value(2)}};
  const auto events = run.tell(run.finished(1, {next}));
  CHECK(run.state().status == run_status::continued_as_new);
  CHECK(count<job_ended>(events) == 0);
  CHECK_FALSE(goes_on(run));
}

TEST_CASE("the run that goes on from one looks whether a submit on its way was accepted before it submits the job") {
  // The run that went on had the job, but not the knowledge that somebody had begun to submit it, and submitted it again.
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0, "submit")}));
  REQUIRE(goes_on(run) == job_action::submit);
  const output next{.kind = output_kind::continuation, .name = "m", .value = payload{json::value(2)}};
  run.tell(run.finished(1, {next}));
  CHECK(went_along(run.state(), 1));
  const auto& message = run.state().outbox.begin()->second;
  const auto link = GENERATE(restore_link::continued, restore_link::forked);
  const event first = run_restored{.source = run_fixture::id_of_test(), .state = message.state, .link = link};
  machine follower{message.to, run.plan};
  effect_ledger ledger;
  ledger.begins_with(first);
  const auto events = follower.adopt(first, run.now);
  REQUIRE(events.has_value());
  std::vector<effect_change> changes;
  for (const auto& each : *events) ledger.update(follower.state(), each, changes);
  const auto job =
      std::find_if(changes.begin(), changes.end(), [](const auto& each) { return each.kind == effect_change::what::job; });
  REQUIRE(job != changes.end());
  CHECK(job->again == (link == restore_link::continued));
}

TEST_CASE("a run in which a person answered a question about a job can be forked") {
  // The answer's event names the run that asked; the fork reads it under its own id, and refused it. Found by seed 948 of
  // "commands".
  run_fixture run{of_one()};
  run.tell(run.waiting(1, {job_step(0, "submit", {.ambiguous = ambiguous_submit::ask})}));
  run.tell(refused(run, job_fact::ambiguous));
  run.tell(said(json::value("retry")));
  const auto id = *run_id::parse("01956000-0000-7000-8000-000000000002");
  const auto forked = state_for_fork(run.history, id, run.history.size(), run.plan.get(), run.now);
  REQUIRE(forked.has_value());
  CHECK_FALSE(asks(forked->jobs.at(1).now));
}
