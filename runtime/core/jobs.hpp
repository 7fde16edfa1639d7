// The jobs of a run: what a step asks for, what the state keeps of each, what has to be going on for it.
//
//   stage        | by event              | what goes on
//   submitting   | a step, job_noted     | submit; nothing while it waits for `look_at`, its turn, or an answer
//   running      | job_noted             | watch, or cancel once that is wanted
//   ended        | job_ended             | cancel, when it ended by its time limit and was not told yet
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "core/describe_public.hpp"
#include "perdure/job.hpp"

namespace perdure {
BOOST_DESCRIBE_ENUM(background_end, cancel, wait, detach)
}

namespace perdure::core {

struct run_state;
struct activation;
struct pending_step;
struct step_issued;
struct job_noted;
struct job_ended;

using job_number = std::uint32_t;

/// Stored; never reuse a number.
enum class job_stage : std::uint8_t { submitting = 1, running = 2, ended = 3 };
BOOST_DESCRIBE_ENUM(job_stage, submitting, running, ended)

/// What an event changes.
struct job_progress {
  job_stage stage = job_stage::submitting;
  std::string id;
  job_status status = job_status::queued;
  std::string raw;
  payload progress;
  std::uint32_t submission = 1;  ///< how often it was submitted as a new job
  std::uint32_t generation = 0;  ///< grows whenever the same has to be done again
  std::uint32_t tries = 0;       ///< submits of this submission that failed
  bool cancel_wanted = false;
  bool cancel_told = false;          ///< the backend knows
  std::optional<timestamp> look_at;  ///< submitting: when the next try comes; running: when the run looks by itself
  detail::rare<failure> error;       ///< of the last try to submit
};
BOOST_DESCRIBE_STRUCT(job_progress, (),
                      (stage, id, status, raw, progress, submission, generation, tries, cancel_wanted, cancel_told, look_at,
                       error))

/// How it ended.
struct job_outcome {
  job_status status = job_status::lost;
  std::string raw;
  std::optional<std::int32_t> exit_code;
  payload result;
  detail::rare<failure> error;
};
BOOST_DESCRIBE_STRUCT(job_outcome, (), (status, raw, exit_code, result, error))

struct job_record {
  std::string known_as;          ///< its first submit key, by which handles name it
  std::string base_key;          ///< the same, or another after the run was retried or forked
  std::uint32_t activation = 0;  ///< the step that asked for it
  std::uint32_t ordinal = 0;
  std::string executor, backend, name;
  payload args;  ///< as the step said them
  payload poll;  ///< how often its status is looked at
  background_end at_end = background_end::cancel;
  timestamp created_at{};
  timestamp submitted_at{};      ///< when this submission began
  std::optional<timestamp> due;  ///< its time limit
  job_progress now;
  std::optional<timestamp> ended_at;
  job_outcome end;

  // Derived: what the state's sets have of it.
  std::optional<timestamp> armed_look, armed_due;
  bool awaited = false;

  [[nodiscard]] bool live() const { return now.stage != job_stage::ended; }
  /// The submit key now.
  [[nodiscard]] std::string key() const {
    return now.submission == 1 ? base_key : base_key + "/again" + std::to_string(now.submission - 1);
  }
};
BOOST_DESCRIBE_STRUCT(job_record, (),
                      (known_as, base_key, activation, ordinal, executor, backend, name, args, poll, at_end, created_at,
                       submitted_at, due, now, ended_at, end))

/// Its raw status until it is its turn.
inline constexpr std::string_view waits_for_its_turn = "waits for its turn";
/// Nobody knows whether a submit was accepted, and a person is to say how it goes on; until then nothing does.
[[nodiscard]] bool asks(const job_progress& now);
/// The question's id among the run's requests, and the job that an id is about.
[[nodiscard]] std::string question_id(job_number number);
[[nodiscard]] std::optional<job_number> job_of_question(std::string_view id);
/// The question itself.
[[nodiscard]] payload question_of(const run_state& state, job_number number);

/// What has to be going on for a job.
enum class job_action : std::uint8_t { submit, watch, cancel };
struct job_effect {
  job_number number = 0;
  job_action action = job_action::submit;
  std::string key;
  std::uint32_t generation = 0;
  auto operator<=>(const job_effect&) const = default;
};
[[nodiscard]] std::optional<job_effect> effect_of(const run_state& state, job_number number);

/// What a look at the backend gave. Without `status` it said something that nobody knows.
struct job_sighting {
  std::optional<job_status> status;
  std::string raw;
  payload progress;  ///< {"done","total","text"}, or null
  std::optional<std::int32_t> exit_code;
  payload result;
  std::string message;  ///< why it did not succeed
};

/// What came of an effect.
enum class job_fact : std::uint8_t {
  look,  ///< something has happened to it: whoever watches looks
  submitted,
  refused,    ///< never will be accepted
  later,      ///< not accepted, or to be found by its key; tried again after a while
  ambiguous,  ///< nobody can tell whether it was accepted
  seen,
  cancel_told,  ///< the backend knows that it is to end
  waits,        ///< not submitted yet: others are before it. `look` says that it is its turn
};

/// The effect with all that whoever carries it out needs.
struct job_order {
  run_id run;
  job_effect what;
  std::string id, name, executor, tenant, backend;
  payload spec;
  std::int32_t priority = 0;
  perdure::backoff poll;
  duration poll_timeout{0};
  bool cancel = false;                     ///< it is to end: a submit only finds out whether it was accepted
  bool again = false;                      ///< somebody may have submitted it before
  bool unsure = false;                     ///< … and nobody told what came of it: the node stopped meanwhile
  job_status status = job_status::queued;  ///< as it is known
  std::string raw;
  payload progress;
};
[[nodiscard]] job_order order_of(const run_state& state, const job_effect& what);

/// What a job step asks for, as its args say; nothing when they are malformed.
enum class job_wish : std::uint8_t { submit, run, wait, cancel };
[[nodiscard]] std::optional<job_wish> wish_of(const payload& args);

/// The args of a new job step with the job that it is about. `placed`: new jobs of the same report so far.
[[nodiscard]] boost::system::result<payload, failure> place_job(const run_state& state, const activation& in,
                                                                std::uint32_t ordinal, const payload& args, job_number& placed);

// For apply:
/// A problem in words.
[[nodiscard]] std::optional<std::string> begin_job(run_state& state, const activation& in, const step_issued& step, timestamp at);
[[nodiscard]] bool note_job(run_state& state, const job_noted& what, timestamp at);
[[nodiscard]] bool end_job(run_state& state, const job_ended& what, timestamp at);
/// The job is to end: whoever looks after it is told, and what nobody knows of it is found out.
void want_cancel(job_record& job);
/// The run is asked to cancel, or has ended (`over`): its jobs too, but for those that are to outlive it.
void cancel_jobs(run_state& state, bool over);
/// They belong to a new run, which submits those that were going on as its own.
void adopt_jobs(run_state& state, timestamp now);
/// Derived parts of one job, or of all of them.
void refresh_job(run_state& state, job_number number);
void derive_jobs(run_state& state);

/// What the step said about failures of the whole job, and about submits of which nobody knows.
[[nodiscard]] retry_policy job_retry_policy(const job_record& job);
[[nodiscard]] ambiguous_submit job_ambiguity(const job_record& job);
/// When a run looks at a running job by itself: its backend is asked in between, and what it says comes sooner.
[[nodiscard]] timestamp next_look(const job_record& job, timestamp now);

// For steps:
[[nodiscard]] std::optional<job_number> job_of(const payload& args);
[[nodiscard]] std::optional<detail::outcome> job_answer(const run_state& state, const pending_step& step);

}  // namespace perdure::core
