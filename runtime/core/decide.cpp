#include "core/decide.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "core/assert.hpp"
#include "core/backoff.hpp"
#include "core/counter_random.hpp"
#include "core/decide_jobs.hpp"
#include "core/decide_parts.hpp"
#include "core/later.hpp"
#include "core/links.hpp"
#include "core/signals.hpp"
#include "perdure/limits.hpp"

namespace perdure::core {

namespace {

error ended(const run_state& state) {
  return {errc::conflict, "run " + state.id.str() + " has ended: " + std::string{to_string(state.status)}};
}

error gone(const run_state& state, activation_id activation, std::uint32_t attempt) {
  return {errc::fenced, "attempt " + std::to_string(attempt) + " of activation " + std::to_string(activation) + " of run " +
                            state.id.str() + " is not in flight any more"};
}

bool known(const run_state& state, const std::string& command_id) {
  return !command_id.empty() &&
         std::find(state.command_ids.begin(), state.command_ids.end(), command_id) != state.command_ids.end();
}

/// The request of a predecessor that an answer is for.
const carried_request* carried_of(const run_state& state, const respond_command& what) {
  auto asked_by = what.asked_by;
  std::string_view id = what.request_id;
  if (const auto slash = id.find('/'); slash != std::string_view::npos) {
    asked_by = run_id::parse(id.substr(0, slash));
    id = id.substr(slash + 1);
  }
  if (!asked_by) return nullptr;
  for (const auto& each : state.carried) {
    if (each.asked_by == *asked_by && each.id == id) return &each;
  }
  return nullptr;
}

/// The same (run, activation, counter) gives the same bits; the high counter range is apart from the handlers' own.
std::uint64_t jitter_bits(const run_state& state, const activation& in, std::uint32_t tries) {
  return counter_random(state.id, in.id, (std::uint64_t{1} << 63) | state.seq << 16 | (tries & 0xffff));
}

void cut(std::string& text, std::size_t limit) {
  if (text.size() <= limit) return;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0U) == 0x80) --limit;  // not within a character
  text.resize(limit);
}

void bound(failure& what, std::size_t& causes_left) {
  cut(what.message, limits::failure_message_bytes);
  for (auto* text : {&what.code, &what.type, &what.title, &what.instance, &what.executor}) cut(*text, limits::failure_text_bytes);
  if (what.causes.size() > causes_left) what.causes.resize(causes_left);
  causes_left -= what.causes.size();
  for (auto& each : what.causes) bound(each, causes_left);
}

/// Deadlines whose outcome depends on the executor's policy.
bool needs_policy(deadline_kind kind) {
  return kind == deadline_kind::attempt_close_by || kind == deadline_kind::heartbeat || kind == deadline_kind::attempt_retry;
}

}  // namespace

failure bounded(failure what) {
  auto causes_left = limits::failure_causes;
  bound(what, causes_left);
  return what;
}

attempt_failed decide_failure(const plan* of, const run_state& state, const activation& in, failure why, timestamp now,
                              bool final) {
  why.executor = why.executor.empty() ? in.executor : why.executor;
  why.attempt = std::max(in.attempt, 1U);
  attempt_failed out{.activation = in.id, .attempt = in.attempt, .error = bounded(std::move(why))};
  const auto* policy = of == nullptr ? nullptr : of->find(in.executor);
  if (final || policy == nullptr || (state.ending_as && state.compensating != in.id)) return out;
  if (!may_retry(policy->retry, in.attempt, out.error.code, now - in.scheduled_at)) return out;
  const auto wait = std::max(delay_before(policy->retry.backoff, in.attempt + 1, duration{0}, jitter_bits(state, in, in.attempt)),
                             out.error.retry_after.value_or(duration{0}));
  const auto begins = later(now, wait);
  if (in.close_by && begins >= *in.close_by) return out;
  out.retry_at = begins;
  return out;
}

result<event> decide_start(const plan& of, const start_command& how, timestamp now) {
  const auto* chosen = how.start.empty() ? &of.executors[of.start] : of.find(how.start);
  if (chosen == nullptr) {
    return error{errc::invalid_argument, "workflow \"" + of.name + "\" has no executor \"" + how.start + "\""};
  }
  const auto& first = *chosen;
  if (!first.takes.empty() && std::find(first.takes.begin(), first.takes.end(), how.message) == first.takes.end()) {
    std::string wanted;
    for (const auto& each : first.takes) wanted += (wanted.empty() ? "" : ", ") + each;
    return error{errc::invalid_argument,
                 "workflow \"" + of.name + "\" starts with " + wanted + ", not with \"" + how.message + "\""};
  }
  auto limit = how.timeout > duration{0} ? how.timeout : of.timeout;
  if (of.timeout > duration{0}) limit = std::min(limit, of.timeout);
  return event{run_started{.workflow = of.name,
                           .version = of.version,
                           .definition_hash = of.hash,
                           .message = how.message,
                           .input = how.input,
                           .start = first.name,
                           .key = how.key,
                           .tenant = how.tenant,
                           .deadline = after(now, limit),
                           .start_by = after(now, first.timeouts.schedule_to_start),
                           .close_by = after(now, first.timeouts.schedule_to_close),
                           .explicit_start = first.timeouts.any(),
                           .parent = how.parent,
                           .trace = how.trace}};
}

namespace {

using decided = result<std::vector<event>>;

class decider {
 public:
  decider(const plan* of, const run_state& state, timestamp now) : plan_(of), state_(state), now_(now) {}

  decided operator()(const attempt_report& what) { return decide_report(plan_, state_, what, now_); }

  decided operator()(const attempt_began& what) {
    const auto at = state_.activations.find(what.activation);
    if (at == state_.activations.end() || at->second.status != activation_status::pending)
      return gone(state_, what.activation, 1);
    if (state_.paused) return none();  // its thread is asked for again at the resume
    return one(begin_attempt(plan_, at->second, 1, now_));
  }

  decided operator()(const attempt_died& what) {
    const auto at = state_.activations.find(what.activation);
    if (at == state_.activations.end() || at->second.attempt != what.attempt ||
        at->second.status == activation_status::retrying) {
      return gone(state_, what.activation, what.attempt);
    }
    return one(decide_failure(plan_, state_, at->second, what.why, now_, false));
  }

  decided operator()(const progress_made& what) {
    const auto at = state_.activations.find(what.activation);
    if (at == state_.activations.end() || at->second.attempt != what.attempt) return gone(state_, what.activation, what.attempt);
    return one(progress_noted{what.activation, what.attempt, what.value});
  }

  decided operator()(const wake&) { return none(); }

  decided operator()(const reopened& what) {
    if (!what.unclean || !has_work(state_)) return none();
    suspect_marked mark{.marks = state_.suspect_marks + 1};
    for (const auto& [id, in] : state_.activations) {
      if (in.status == activation_status::running && !in.waiting) mark.activations.push_back(id);
    }
    if (mark.activations.empty()) return none();
    std::vector<event> out;
    const auto marks = mark.marks;
    out.emplace_back(std::move(mark));
    if (marks >= limits::suspect_marks) {
      auto left = leave_questions(state_);
      std::move(left.begin(), left.end(), std::back_inserter(out));
      out.emplace_back(run_ended{
          .status = run_status::failed,
          .output = state_.outputs.empty() ? payload{} : state_.outputs.back(),
          .error = failure{.code = std::string{failure_code::quarantined},
                           .message = "the node stopped uncleanly " + std::to_string(marks) +
                                      " times in a row while this run was in flight; retry it once the cause is known"}});
    }
    return out;
  }

  decided operator()(const signal_command& what) {
    if (known(state_, what.command_id)) return none();
    if (is_terminal(state_.status)) return ended(state_);
    if (state_.signals.size() >= limits::buffered_signals) {
      return error{errc::limit_exceeded, "run " + state_.id.str() + " keeps " + std::to_string(limits::buffered_signals) +
                                             " signals that nobody waits for (limit buffered_signals)"};
    }
    return one(signal_received{what.name, what.value, what.command_id});
  }

  decided operator()(const respond_command& what) {
    if (known(state_, what.command_id)) return none();
    if (is_terminal(state_.status)) return ended(state_);
    const auto* carried = carried_of(state_, what);
    if (carried != nullptr && !carried->answer && carried->activation == 0)
      return one(request_answered{carried->asked_by, carried->id, what.answer, what.command_id});
    if (carried == nullptr) {
      // A job goes along with a run that continues as new.
      if (const auto job = job_of_question(what.request_id)) return answer_job(state_, *job, what);
    }
    const auto place = step_answered(state_, what);
    if (!place) return error{errc::not_found, "run " + state_.id.str() + " has no open request \"" + what.request_id + "\""};
    return one(step_completed{.activation = place->first,
                              .ordinal = place->second,
                              .result = {what.answer, std::nullopt},
                              .command_id = what.command_id});
  }

  decided operator()(const cancel_command& what) {
    if (known(state_, what.command_id) || state_.ending_as) return none();
    if (is_terminal(state_.status)) return ended(state_);
    const bool reaped = what.command_id == reaper_command;
    return one(cancel_requested{.reason = what.reason,
                                .command_id = what.command_id,
                                .grace_until = now_ + limits::cancel_grace,
                                .as = reaped ? run_status::failed : run_status::cancelled,
                                .error = failure{.code = std::string{reaped ? "reaped" : failure_code::cancelled},
                                                 .message = what.reason.empty() ? "cancelled on request" : what.reason}});
  }

  decided operator()(const pause_command& what) {
    if (known(state_, what.command_id) || state_.paused) return none();
    if (is_terminal(state_.status)) return ended(state_);
    if (state_.ending_as) return error{errc::conflict, "run " + state_.id.str() + " is being cancelled"};
    return one(run_paused{what.command_id});
  }

  decided operator()(const resume_command& what) {
    if (known(state_, what.command_id)) return none();
    if (is_terminal(state_.status)) return ended(state_);
    return state_.paused ? one(run_resumed{what.command_id}) : none();
  }

  decided operator()(const delivered_command& what) {
    const auto at = state_.outbox.find(what.number);
    if (at == state_.outbox.end()) return none();
    const auto& message = at->second;
    auto error = what.error;
    if (error) error = bounded(std::move(*error));
    auto out = *one(message_delivered{what.number, message.to, error});
    if (message.activation == 0 || is_terminal(state_.status)) return out;
    const auto in = state_.activations.find(message.activation);
    if (in == state_.activations.end()) return out;
    const auto step = in->second.pending.find(message.ordinal);
    if (step == in->second.pending.end() || step->second.kind != step_kind::tell) return out;
    out.emplace_back(step_completed{.activation = message.activation, .ordinal = message.ordinal, .result = {{}, error}});
    return out;
  }

  decided operator()(const child_ended_command& what) {
    if (is_terminal(state_.status)) return ended(state_);
    const auto at = state_.children.find(what.child);
    if (at == state_.children.end()) {
      return error{errc::not_found, "run " + state_.id.str() + " has no child " + what.child.str()};
    }
    const auto& child = at->second;
    if (!child.live()) return none();
    std::vector<event> out;
    // Before the end of the work: with that the run itself may end, and nothing comes after.
    if (child.background && !child.fails_run && what.status != run_status::succeeded && what.status != run_status::cancelled) {
      out.emplace_back(warning{"background_failed",
                               "background work " + child.run.str() + " at executor \"" + child.start + "\" ended as " +
                                   std::string{to_string(what.status)} +
                                   (what.error ? ": " + what.error->message : std::string{}),
                               child.start});
    }
    out.emplace_back(child_ended{what.child, what.status, what.output, what.error});
    return out;
  }

  decided operator()(const cancel_job_command& what) {
    if (is_terminal(state_.status)) return ended(state_);
    const auto job = state_.jobs.find(what.number);
    if (job == state_.jobs.end()) {
      return error{errc::not_found, "run " + state_.id.str() + " has no job " + std::to_string(what.number)};
    }
    if (!job->second.live() || job->second.now.cancel_wanted) return none();
    return one(job_cancel(state_, what.number));
  }

  decided operator()(const job_noticed& what) { return decide_job(state_, what, now_); }

 private:
  static decided none() { return std::vector<event>{}; }
  static decided one(event what) {
    std::vector<event> out;
    out.push_back(std::move(what));
    return out;
  }

  const plan* plan_;
  const run_state& state_;
  timestamp now_;
};

}  // namespace

attempt_started begin_attempt(const plan* of, const activation& in, std::uint32_t number, timestamp now) {
  attempt_started out{.activation = in.id, .attempt = number};
  while (out.keep < in.history.size() && in.history[out.keep].what == history_kind::outcome && !in.history[out.keep].result.error)
    ++out.keep;
  if (const auto* policy = of == nullptr ? nullptr : of->find(in.executor)) {
    out.close_by = after(now, policy->timeouts.start_to_close);
    if (policy->timeouts.heartbeat > duration{0}) out.heartbeat = policy->timeouts.heartbeat;
  }
  return out;
}

std::optional<std::pair<activation_id, step_ordinal>> step_answered(const run_state& state, const respond_command& what) {
  if (known(state, what.command_id) || is_terminal(state.status)) return std::nullopt;
  if (const auto* carried = carried_of(state, what)) {
    if (carried->answer || carried->activation == 0) return std::nullopt;
    return std::pair{carried->activation, carried->ordinal};
  }
  if (what.asked_by) return std::nullopt;
  activation_id activation = 0;
  step_ordinal ordinal = 0;
  const auto* end = what.request_id.data() + what.request_id.size();
  auto read = std::from_chars(what.request_id.data(), end, activation);
  if (read.ec != std::errc{} || read.ptr == end || *read.ptr != '.') return std::nullopt;
  read = std::from_chars(read.ptr + 1, end, ordinal);
  if (read.ec != std::errc{} || read.ptr != end) return std::nullopt;
  const auto at = state.activations.find(activation);
  if (at == state.activations.end()) return std::nullopt;
  const auto step = at->second.pending.find(ordinal);
  if (step == at->second.pending.end() || step->second.kind != step_kind::request) return std::nullopt;
  return std::pair{activation, ordinal};
}

decided decide(const plan* of, const run_state& state, const command& what, timestamp now) {
  return std::visit(decider{of, state, now}, what);
}

std::optional<event> settle(const plan* of, const run_state& state, timestamp now) {
  if (is_terminal(state.status)) return std::nullopt;
  if (!state.ready_waiters.empty()) {
    const auto [activation, ordinal] = *state.ready_waiters.begin();
    auto answer = answer_of(state, activation, state.activations.at(activation).pending.at(ordinal));
    PERDURE_ASSERT(answer.has_value());
    if (answer->error && answer->error->executor.empty()) answer->error->executor = state.activations.at(activation).executor;
    if (answer->error) answer->error = bounded(std::move(*answer->error));
    return event{step_completed{.activation = activation, .ordinal = ordinal, .result = std::move(*answer)}};
  }
  if (!state.state_readers.empty()) {
    const auto [activation, ordinal] = *state.state_readers.begin();
    const auto& key = state.activations.at(activation).pending.at(ordinal).name;
    const auto value = state.values.find(key);
    return event{step_completed{.activation = activation,
                                .ordinal = ordinal,
                                .result = {value == state.values.end() ? payload{} : value->second, std::nullopt}}};
  }
  if (auto taken = next_taken(state)) return event{std::move(*taken)};
  return settle_end(of, state, now);
}

std::optional<event> expire(const plan* of, const run_state& state, timestamp now) {
  if (is_terminal(state.status) || state.paused) return std::nullopt;
  // Without the workflow's definition no attempt is judged; what needs no policy goes on.
  const auto at = std::find_if(state.deadlines.begin(), state.deadlines.end(),
                               [&](const deadline& each) { return each.at > now || of != nullptr || !needs_policy(each.kind); });
  if (at == state.deadlines.end() || at->at > now) return std::nullopt;
  const auto& next = *at;
  const auto timed_out = [](std::string what) {
    return failure{.code = std::string{failure_code::timeout}, .message = std::move(what)};
  };
  if (next.kind == deadline_kind::run) {
    return event{cancel_requested{.reason = "the run's time limit passed",
                                  .grace_until = now + limits::cancel_grace,
                                  .as = run_status::timed_out,
                                  .error = timed_out("the run's time limit passed")}};
  }
  if (next.kind == deadline_kind::grace) {
    if (!state.compensations.empty() || state.awaited_children + state.awaited_jobs > 0)
      return event{grace_passed{static_cast<std::uint32_t>(state.activations.size())}};
    if (auto left = leave_questions(state); !left.empty()) return std::move(left.front());
    return event{run_ended{*state.ending_as, state.outputs.empty() ? payload{} : state.outputs.back(), state.error}};
  }
  if (next.kind == deadline_kind::job_due) return job_overdue(state, next.ordinal);
  if (next.kind == deadline_kind::job_look) return job_look(state, next.ordinal, now);
  const auto& in = state.activations.at(next.activation);
  const auto fail = [&](std::string_view limit, bool final) {
    return event{decide_failure(of, state, in, timed_out("executor \"" + in.executor + "\": " + std::string{limit}), now, final)};
  };
  switch (next.kind) {
    case deadline_kind::start_by: return fail("not started within schedule_to_start", true);
    case deadline_kind::close_by: return fail("not done within schedule_to_close", true);
    case deadline_kind::attempt_close_by: return fail("the attempt took longer than start_to_close", false);
    case deadline_kind::heartbeat: return fail("no sign of life within the heartbeat time", false);
    case deadline_kind::attempt_retry: return event{begin_attempt(of, in, in.attempt, now)};
    case deadline_kind::step_retry: return event{step_resumed{in.id, next.ordinal}};
    default: break;
  }
  const auto& step = in.pending.at(next.ordinal);
  step_completed out{.activation = in.id, .ordinal = next.ordinal};
  if (step.kind != step_kind::sleep) {
    out.result.error = timed_out("step \"" + step.name + "\" of executor \"" + in.executor + "\": its time limit passed");
    if (step.last_error) out.result.error->causes.push_back(*step.last_error);
  }
  return event{std::move(out)};
}

}  // namespace perdure::core
