#include "core/decide_jobs.hpp"

#include <algorithm>

#include "core/backoff.hpp"
#include "core/counter_random.hpp"

namespace perdure::core {

namespace {

/// Between tries to submit while the backend does not take it.
constexpr auto submit_pause = exponential(std::chrono::seconds{1}, std::chrono::seconds{60});
/// A run that waits for a person's answer makes sure once a day that it does.
constexpr std::chrono::hours question_pause{24};

std::string in_words(const job_record& job) {
  return "job " + (job.name.empty() || job.name == job.backend ? std::string{} : "\"" + job.name + "\" ") + "on backend \"" +
         job.backend + "\"" + (job.now.id.empty() ? std::string{} : " (" + job.now.id + ")");
}

std::string_view code_of(job_status status) {
  switch (status) {
    case job_status::cancelled: return failure_code::job_cancelled;
    case job_status::timed_out: return failure_code::job_timed_out;
    case job_status::lost: return failure_code::job_lost;
    default: return failure_code::job_failed;
  }
}

failure why_of(const job_record& job, job_status status, const std::string& raw, const std::optional<std::int32_t>& exit_code,
               const std::string& message) {
  failure out{.code = std::string{code_of(status)}, .message = in_words(job)};
  switch (status) {
    case job_status::cancelled: out.message += " was cancelled"; break;
    case job_status::timed_out: out.message += " took longer than its time limit"; break;
    case job_status::lost: out.message += " is not known there any more"; break;
    default: out.message += " failed"; break;
  }
  if (exit_code) out.message += " with exit code " + std::to_string(*exit_code);
  if (!raw.empty() && raw != boost::describe::enum_to_string(status, "")) out.message += " (" + raw + ")";
  if (!message.empty()) out.message += ": " + message;
  return bounded(std::move(out));
}

std::uint64_t done_of(const payload& progress) {
  const auto value = progress.value();
  const auto* object = value.if_object();
  const auto* done = object == nullptr ? nullptr : object->if_contains("done");
  boost::system::error_code bad;
  return done != nullptr && done->is_number() ? done->to_number<std::uint64_t>(bad) : 0;
}

class job_decider {
 public:
  job_decider(const run_state& state, job_number number, const job_record& job, timestamp now)
      : state_(state), number_(number), job_(job), now_(now), next_{.number = number, .now = job.now} {}

  std::vector<event> decide(const job_noticed& what) {
    switch (what.what) {
      case job_fact::look: return its_turn();
      case job_fact::waits: return waits();
      case job_fact::submitted: return submitted(what.id);
      case job_fact::refused: return not_submitted(what.error, false);
      case job_fact::later: return not_submitted(what.error, true);
      case job_fact::ambiguous: return ambiguous(what.error);
      case job_fact::seen: return seen(what.seen);
      case job_fact::cancel_told: return cancel_told();
    }
    return {};
  }

 private:
  [[nodiscard]] bool resolving() const {
    return !job_.live() && job_.now.cancel_wanted && !job_.now.cancel_told && job_.now.id.empty();
  }

  std::vector<event> submitted(const std::string& id) {
    if (resolving()) {
      next_.now.id = id;
      ++next_.now.generation;
      return {next_};
    }
    if (job_.now.stage != job_stage::submitting) return {};
    next_.now.stage = job_stage::running;
    next_.now.id = id;
    next_.now.tries = 0;
    ++next_.now.generation;
    next_.now.raw.clear();
    next_.now.error.reset();
    next_.now.look_at = next_look(job_, now_);
    return {next_};
  }

  /// Others are before it: the run need not stay in memory for that.
  std::vector<event> waits() {
    if (job_.now.stage != job_stage::submitting || job_.now.cancel_wanted || job_.now.look_at) return {};
    next_.now.raw = waits_for_its_turn;
    next_.now.look_at = later(now_, limits::job_look_pause);
    ++next_.now.generation;
    return {next_};
  }
  std::vector<event> its_turn() {
    if (job_.now.stage != job_stage::submitting || !job_.now.look_at || job_.now.raw != waits_for_its_turn) return {};
    next_.now.look_at.reset();
    ++next_.now.generation;
    return {next_};
  }

  std::vector<event> not_submitted(const failure& why, bool later_again) {
    if (resolving()) return cancel_told();
    if (job_.now.stage != job_stage::submitting) return {};
    if (job_.now.cancel_wanted) {
      return ended({.status = job_status::cancelled,
                    .error = failure{.code = std::string{failure_code::job_cancelled},
                                     .message = in_words(job_) + " was cancelled before it began"}});
    }
    auto error = bounded(why);
    if (!later_again || is_terminal(state_.status)) return ended({.status = job_status::failed, .error = std::move(error)});
    ++next_.now.tries;
    ++next_.now.generation;
    auto wait = delay_before(submit_pause, next_.now.tries + 1, duration{0}, 0);
    if (error.retry_after) wait = std::max(wait, *error.retry_after);
    next_.now.look_at = later(now_, wait);
    next_.now.error = std::move(error);
    return {next_};
  }

  std::vector<event> ambiguous(const failure& why) {
    if (job_ambiguity(job_) == ambiguous_submit::retry || resolving() || job_.now.cancel_wanted) return not_submitted(why, true);
    if (job_ambiguity(job_) == ambiguous_submit::ask && !is_terminal(state_.status)) return ask(why);
    failure error{.code = std::string{failure_code::job_ambiguous},
                  .message = in_words(job_) + ": nobody can tell whether it was accepted, and it is not to be submitted twice"};
    error.causes.push_back(why);
    return not_submitted(error, false);
  }

  std::vector<event> ask(const failure& why) {
    if (job_.now.stage != job_stage::submitting) return {};
    failure question{.code = std::string{failure_code::job_question},
                     .message = in_words(job_) +
                                ": was it accepted? Nobody can tell. Answer \"retry\" to submit it (again), or " +
                                "\"fail\" to leave it"};
    question.causes.push_back(why);
    ++next_.now.tries;
    ++next_.now.generation;
    next_.now.look_at = later(now_, question_pause);
    next_.now.error = bounded(std::move(question));
    return {next_};
  }

  std::vector<event> seen(const job_sighting& what) {
    if (job_.now.stage != job_stage::running) return {};
    if (what.status && is_terminal(*what.status)) return over(what);
    auto& now = next_.now;
    if (what.status) now.status = *what.status;
    now.raw = what.raw;
    move_on(what);
    if (now.status == job_.now.status && now.raw == job_.now.raw && now.progress == job_.now.progress) return {};
    now.look_at = next_look(job_, now_);
    return {next_};
  }

  /// Progress does not go back.
  void move_on(const job_sighting& what) {
    auto& at = next_.now.progress;
    if (!what.progress.is_null() && done_of(what.progress) >= done_of(at)) at = what.progress;
  }

  std::vector<event> over(const job_sighting& what) {
    job_outcome end{.status = *what.status, .raw = what.raw, .exit_code = what.exit_code, .result = what.result};
    if (end.status == job_status::succeeded) return ended(std::move(end), what);
    end.error = why_of(job_, end.status, what.raw, what.exit_code, what.message);
    const auto policy = job_retry_policy(job_);
    const bool unwanted = job_.now.cancel_wanted || state_.ending_as || is_terminal(state_.status);
    if (unwanted || !may_retry(policy, job_.now.submission, end.error->code, now_ - job_.created_at))
      return ended(std::move(end), what);
    const auto bits = counter_random(state_.id, job_.activation, std::uint64_t{3} << 62 | state_.seq << 16 | (number_ & 0xffff));
    const auto begins = later(now_, delay_before(policy.backoff, job_.now.submission + 1, duration{0}, bits));
    if (job_.due && begins >= *job_.due) return ended(std::move(end), what);
    next_.now = {.submission = job_.now.submission + 1, .generation = job_.now.generation + 1};
    if (begins > now_) next_.now.look_at = begins;
    next_.now.error = std::move(end.error);
    return {next_};
  }

  std::vector<event> cancel_told() {
    if (!job_.now.cancel_wanted || job_.now.cancel_told) return {};
    next_.now.cancel_told = true;
    ++next_.now.generation;
    return {next_};
  }

  /// How far it came is told with its end.
  std::vector<event> ended(job_outcome how, const job_sighting& last) {
    move_on(last);
    std::vector<event> out;
    if (next_.now.progress != job_.now.progress) out.emplace_back(next_);
    out.emplace_back(job_ended{.number = number_, .end = std::move(how)});
    return out;
  }
  std::vector<event> ended(job_outcome how) { return {job_ended{.number = number_, .end = std::move(how)}}; }

  const run_state& state_;
  job_number number_;
  const job_record& job_;
  timestamp now_;
  job_noted next_;
};

/// A job of which a person was asked fails after all.
event unresolved(job_number number, const job_record& job, std::string_view why) {
  failure error{.code = std::string{failure_code::job_ambiguous},
                .message = in_words(job) + ": nobody can tell whether it was accepted, and " + std::string{why}};
  if (job.now.error) error.causes = job.now.error->causes;
  return job_ended{.number = number, .end = {.status = job_status::failed, .error = bounded(std::move(error))}};
}

}  // namespace

std::vector<event> decide_job(const run_state& state, const job_noticed& what, timestamp now) {
  const auto found = state.jobs.find(what.number);
  if (found == state.jobs.end() || found->second.key() != what.key) return {};
  return job_decider{state, what.number, found->second, now}.decide(what);
}

result<std::vector<event>> answer_job(const run_state& state, job_number number, const respond_command& what) {
  const auto found = state.jobs.find(number);
  if (found == state.jobs.end() || !asks(found->second.now))
    return error{errc::not_found, "run " + state.id.str() + " has no open request \"" + what.request_id + "\""};
  const auto answer = what.answer.value();
  const bool again = answer == json::value("retry");
  if (!again && answer != json::value("fail"))
    return error{errc::invalid_argument, "the answer to \"" + what.request_id + "\" is \"retry\" or \"fail\""};
  std::vector<event> out;
  out.emplace_back(request_answered{state.id, what.request_id, what.answer, what.command_id});
  const auto& job = found->second;
  if (again) {
    job_noted next{.number = number, .now = job.now};
    next.now.look_at.reset();
    next.now.error.reset();
    ++next.now.generation;
    out.emplace_back(std::move(next));
  } else {
    out.push_back(unresolved(number, job, "it was said to leave it"));
  }
  return out;
}

std::vector<event> leave_questions(const run_state& state) {
  std::vector<event> out;
  for (const auto& [number, job] : state.jobs) {
    if (asks(job.now) && job.at_end == background_end::detach)
      out.push_back(unresolved(number, job, "its run ends before anybody said how it goes on"));
  }
  return out;
}

event job_cancel(const run_state& state, job_number number) {
  auto wanted = state.jobs.at(number);
  want_cancel(wanted);
  return job_noted{.number = number, .now = std::move(wanted.now)};
}

event job_overdue(const run_state& state, job_number number) {
  const auto& job = state.jobs.at(number);
  return job_ended{.number = number,
                   .end = {.status = job_status::timed_out,
                           .error = failure{.code = std::string{failure_code::job_timed_out},
                                            .message = in_words(job) + ": its time limit passed"}},
                   .cancel = true};
}

event job_look(const run_state& state, job_number number, timestamp now) {
  const auto& job = state.jobs.at(number);
  job_noted out{.number = number, .now = job.now};
  ++out.now.generation;
  if (asks(job.now)) {
    out.now.look_at = later(now, question_pause);
  } else if (job.now.stage == job_stage::submitting) {
    out.now.look_at.reset();
  } else {
    out.now.look_at = next_look(job, now);
  }
  return out;
}

}  // namespace perdure::core
