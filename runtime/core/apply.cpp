// apply: how each event changes the state. One handler per kind, in the order of event_kind.
#include <algorithm>

#include "core/codec.hpp"
#include "core/later.hpp"
#include "core/links.hpp"
#include "core/signals.hpp"
#include "core/state.hpp"
#include "perdure/limits.hpp"

namespace perdure::core {

namespace {

using problem = std::optional<std::string>;

class applier {
 public:
  applier(run_state& state, timestamp at) : state_(state), at_(at) {}

  problem operator()(const run_started& what) {
    if (state_.seq != 0) return "a second start";
    state_.workflow = what.workflow;
    state_.version = what.version;
    state_.definition_hash = what.definition_hash;
    state_.message = what.message;
    state_.input = what.input;
    state_.key = what.key;
    state_.tenant = what.tenant;
    state_.start = what.start;
    state_.parent = what.parent;
    state_.trace = what.trace;
    state_.created_at = at_;
    arm(state_.deadline_at, what.deadline, {.kind = deadline_kind::run});
    add_activation({.id = 1,
                    .executor = what.start,
                    .message = what.message,
                    .explicit_start = what.explicit_start,
                    .start_by = what.start_by,
                    .close_by = what.close_by},
                   what.input);
    return {};
  }

  problem operator()(const turn& what) {
    auto* from = find(what.activation);
    if (from == nullptr || !runs(*from, what.attempt)) return "a turn of an attempt that does not run";
    state_.suspect_marks = 0;
    record_outputs(*from, what);
    for (const auto& step : what.done) {
      forget(*from, step.ordinal);
      push_history(*from, {.ordinal = step.ordinal, .kind = step.kind, .name = step.name, .result = step.result});
    }
    for (const auto& step : what.issued) {
      if (from->pending.contains(step.ordinal)) return "a step that is issued twice";
      if (auto wrong = begin_link(state_, from->id, step)) return wrong;
      if (step.kind == step_kind::job) {
        if (auto wrong = begin_job(state_, *from, step, at_)) return wrong;
      }
      add_pending(
          *from,
          {.ordinal = step.ordinal, .kind = step.kind, .name = step.name, .args = step.args, .since = at_, .due = step.due});
    }
    for (const auto ordinal : what.cancelled) forget(*from, ordinal);
    from->waiting = what.waits && what.done.empty();
    beat(*from);
    const auto executor = from->executor;
    if (what.finished) end_activation(what.activation);
    for (const auto& join : what.joins) {
      if (join.output >= what.outputs.size()) return "a join of an output that is not there";
      if (join.any) {
        auto& round = state_.rounds[join.group];
        if (std::find(round.begin(), round.end(), executor) == round.end()) round.push_back(executor);
      } else {
        state_.fan_ins[join.group][executor].push_back({executor, what.outputs[join.output].value});
      }
      if (join.completes) {
        state_.fan_ins.erase(join.group);
        state_.rounds.erase(join.group);
      }
    }
    for (const auto& next : what.activations) {
      if (next.id != state_.next_activation) return "an activation out of order";
      if (next.output && *next.output >= what.outputs.size()) return "an activation by an output that is not there";
      add_activation(next, next.output ? what.outputs[*next.output].value : next.value);
    }
    return {};
  }

  problem operator()(const step_completed& what) {
    auto* in = find(what.activation);
    if (in == nullptr) return "an outcome for an activation that is not alive";
    const auto waits = in->pending.find(what.ordinal);
    if (waits == in->pending.end()) return "an outcome for a step that does not wait";
    remember(what.command_id);
    if (what.signal && !take_signals(state_, waits->second.kind, waits->second.name, *what.signal)) {
      return "an outcome by a signal that is not there";
    }
    if (waits->second.kind == step_kind::request) {
      std::erase_if(state_.carried,
                    [&](const auto& each) { return each.activation == what.activation && each.ordinal == what.ordinal; });
    }
    history_item item{.ordinal = what.ordinal, .kind = waits->second.kind, .name = waits->second.name, .result = what.result};
    forget(*in, what.ordinal);
    push_history(*in, std::move(item));
    return {};
  }

  problem operator()(const step_retrying& what) {
    auto* in = find(what.activation);
    if (in == nullptr || !runs(*in, what.attempt)) return "a retried step of an attempt that does not run";
    state_.suspect_marks = 0;
    if (what.error) ++state_.handled_errors;
    if (!in->pending.contains(what.ordinal)) {
      add_pending(*in, {.ordinal = what.ordinal, .kind = what.step, .name = what.name, .since = what.first_at});
    }
    auto& step = in->pending[what.ordinal];
    step.tries = what.tries;
    step.first_at = what.first_at;
    step.last_error = what.error;
    arm(step.retry_at, what.retry_at, {.activation = in->id, .ordinal = what.ordinal, .kind = deadline_kind::step_retry});
    in->waiting = what.waits;
    beat(*in);
    return {};
  }

  problem operator()(const step_resumed& what) {
    auto* in = find(what.activation);
    if (in == nullptr) return "a step resumed in an activation that is not alive";
    const auto waits = in->pending.find(what.ordinal);
    if (waits == in->pending.end() || !waits->second.retry_at) return "a step resumed that waits for no retry";
    arm(waits->second.retry_at, std::nullopt, {.activation = in->id, .ordinal = what.ordinal, .kind = deadline_kind::step_retry});
    in->waiting = false;
    beat(*in);
    return {};
  }

  problem operator()(const attempt_started& what) {
    auto* in = find(what.activation);
    if (in == nullptr || in->status == activation_status::running || what.attempt != std::max(in->attempt, 1U))
      return "an attempt out of order";
    if (what.keep > in->history.size()) return "an attempt that keeps more than there is";
    if (what.keep < in->history.size()) in->outputs_recorded = in->history[what.keep].outputs_before;
    give_back_signals(state_, *in, what.keep);
    in->history.resize(what.keep);
    in->attempt = what.attempt;
    in->status = activation_status::running;
    in->began_at = at_;
    in->waiting = false;
    in->heartbeat = what.heartbeat;
    arm(in->start_by, std::nullopt, {.activation = in->id, .kind = deadline_kind::start_by});
    arm(in->retry_at, std::nullopt, {.activation = in->id, .kind = deadline_kind::attempt_retry});
    arm(in->attempt_close_by, what.close_by, {.activation = in->id, .kind = deadline_kind::attempt_close_by});
    beat(*in);
    return {};
  }

  problem operator()(const attempt_failed& what) {
    auto* in = find(what.activation);
    if (in == nullptr || what.attempt != in->attempt) return "a failure of an attempt that does not run";
    if (!what.retry_at) {
      if (state_.compensating == what.activation) {
        state_.compensation_errors.push_back(what.error);
      } else if (!state_.error && !state_.ending_as) {
        state_.error = what.error;
      }
      end_activation(what.activation);
      return {};
    }
    ++state_.handled_errors;
    drop_pending(*in);
    in->attempt = what.attempt + 1;
    in->status = activation_status::retrying;
    in->waiting = false;
    arm(in->attempt_close_by, std::nullopt, {.activation = in->id, .kind = deadline_kind::attempt_close_by});
    arm(in->beat_by, std::nullopt, {.activation = in->id, .kind = deadline_kind::heartbeat});
    arm(in->retry_at, what.retry_at, {.activation = in->id, .kind = deadline_kind::attempt_retry});
    return {};
  }

  problem operator()(const signal_received& what) {
    remember(what.command_id);
    state_.signals.push_back({state_.next_signal++, what.name, what.value});
    return {};
  }

  problem operator()(const cancel_requested& what) {
    if (state_.ending_as) return "a second cancel";
    remember(what.command_id);
    state_.paused = false;
    state_.ending_as = what.as;
    state_.cancel_reason = what.reason;
    if (what.error) state_.error = what.error;
    arm(state_.deadline_at, std::nullopt, {.kind = deadline_kind::run});
    cancel_children(state_, what.reason, true);
    cancel_jobs(state_, false);
    for (auto each = state_.activations.begin(); each != state_.activations.end();) {
      auto& in = (each++)->second;
      if (in.status != activation_status::running || in.attempt == 0) {
        end_activation(in.id);
        continue;
      }
      // From here on the grace is the only limit.
      drop_pending(in);
      in.heartbeat.reset();
      drop_limits(in);
      push_history(in, {.what = history_kind::cancel});
    }
    if (!state_.activations.empty()) arm(state_.grace_until, what.grace_until, {.kind = deadline_kind::grace});
    return {};
  }

  problem operator()(const run_paused& what) {
    if (state_.paused || state_.ending_as) return "a pause of a run that does not go on";
    remember(what.command_id);
    state_.paused = true;
    return {};
  }
  problem operator()(const run_resumed& what) {
    if (!state_.paused) return "a resume of a run that is not paused";
    remember(what.command_id);
    state_.paused = false;
    for (auto& [id, in] : state_.activations) beat(in);  // what it was fed meanwhile did not reach it
    return {};
  }

  problem operator()(const run_ended& what) {
    if (!is_terminal(what.status)) return "an end that is none";
    if (what.status == run_status::continued_as_new && !what.successor) return "a run that continues in none";
    if (what.status != run_status::continued_as_new) cancel_jobs(state_, true);
    settle_links(state_, what, at_);
    state_.status = what.status;
    state_.error = what.error;
    state_.ended_at = at_;
    state_.paused = false;
    state_.activations.clear();
    state_.compensations.clear();
    state_.compensating.reset();
    state_.continuation.reset();
    state_.carried.clear();
    state_.versions.clear();
    state_.child_waiters.clear();
    state_.ready_waiters.clear();
    state_.awaited_children = 0;
    state_.fan_ins.clear();
    state_.rounds.clear();
    state_.signals.clear();
    state_.deadlines.clear();
    state_.signal_waiters.clear();
    state_.state_readers.clear();
    state_.job_waiters.clear();
    derive_jobs(state_);
    return {};
  }

  problem operator()(const suspect_marked& what) {
    state_.suspect_marks = what.marks;
    return {};
  }
  problem operator()(const warning& what) {
    if (what.code == "fan_in_unfilled") state_.fan_ins.clear();
    return {};
  }
  problem operator()(const progress_noted& what) {
    if (auto* in = find(what.activation)) beat(*in);
    return {};
  }

  problem operator()(const run_restored& what) {
    if (state_.seq != 0) return "a restored state in the middle of a run";
    auto restored = decode_state(what.state, nullptr);
    if (!restored) return restored.error().message;
    const auto id = state_.id;
    state_ = std::move(*restored);
    state_.id = id;
    state_.seq = 0;
    state_.source = what.source;
    state_.link = what.link;
    state_.created_at = at_;
    return {};
  }

  problem operator()(const message_delivered& what) {
    take_delivered(state_, what);
    return {};
  }
  problem operator()(const child_ended& what) {
    if (!is_terminal(what.status)) return "a child that has not ended";
    if (!end_child(state_, what)) return "the end of a child that does not run";
    return {};
  }
  problem operator()(const compensation_started& what) {
    if (state_.compensations.empty() || state_.compensating || !state_.activations.empty()) return "a compensation out of order";
    if (what.what.id != state_.next_activation) return "an activation out of order";
    state_.compensations.pop_back();
    state_.compensating = what.what.id;
    add_activation(what.what, what.what.value);
    return {};
  }
  problem operator()(const grace_passed&) {
    if (!state_.ending_as) return "a grace of a run that is not cancelled";
    arm(state_.grace_until, std::nullopt, {.kind = deadline_kind::grace});
    while (!state_.activations.empty()) end_activation(state_.activations.begin()->first);
    return {};
  }
  problem operator()(const request_answered& what) {
    remember(what.command_id);
    for (auto& each : state_.carried) {
      if (each.asked_by == what.asked_by && each.id == what.id) {
        each.answer = what.answer;
        return {};
      }
    }
    // What follows of it is an event of the job. A fork or a retry reads it under an id of its own.
    if (job_of_question(what.id)) return {};
    return "an answer to a request that is not open";
  }

  problem operator()(const job_noted& what) {
    if (!note_job(state_, what, at_)) return "a word of a job that is not there";
    return {};
  }
  problem operator()(const job_ended& what) {
    if (!is_terminal(what.end.status)) return "a job that has not ended";
    if (!end_job(state_, what, at_)) return "the end of a job that does not run";
    return {};
  }

 private:
  activation* find(activation_id id) {
    const auto at = state_.activations.find(id);
    return at == state_.activations.end() ? nullptr : &at->second;
  }

  /// Sets a deadline's field and keeps the derived set in step.
  void arm(std::optional<timestamp>& field, std::optional<timestamp> to, deadline of) {
    if (field) {
      of.at = *field;
      state_.deadlines.erase(of);
    }
    field = to;
    if (field) {
      of.at = *field;
      state_.deadlines.insert(of);
    }
  }

  void add_activation(const scheduled& what, const payload& value) {
    auto& in = state_.activations[what.id];
    in.id = what.id;
    in.executor = what.executor;
    in.message = what.message;
    in.value = value;
    in.scheduled_at = at_;
    in.began_at = at_;
    in.attempt = what.explicit_start ? 0 : 1;
    in.status = what.explicit_start ? activation_status::pending : activation_status::running;
    arm(in.start_by, what.start_by, {.activation = in.id, .kind = deadline_kind::start_by});
    arm(in.close_by, what.close_by, {.activation = in.id, .kind = deadline_kind::close_by});
    state_.next_activation = what.id + 1;
  }

  void end_activation(activation_id id) {
    auto& in = state_.activations.at(id);
    drop_pending(in);
    drop_limits(in);
    if (state_.compensating == id) state_.compensating.reset();
    if (state_.ending_as && state_.activations.size() == 1) arm(state_.grace_until, std::nullopt, {.kind = deadline_kind::grace});
    state_.versions.erase(id);
    state_.activations.erase(id);
  }

  void drop_limits(activation& in) {
    arm(in.start_by, std::nullopt, {.activation = in.id, .kind = deadline_kind::start_by});
    arm(in.close_by, std::nullopt, {.activation = in.id, .kind = deadline_kind::close_by});
    arm(in.attempt_close_by, std::nullopt, {.activation = in.id, .kind = deadline_kind::attempt_close_by});
    arm(in.retry_at, std::nullopt, {.activation = in.id, .kind = deadline_kind::attempt_retry});
    arm(in.beat_by, std::nullopt, {.activation = in.id, .kind = deadline_kind::heartbeat});
  }

  void add_pending(activation& in, pending_step step) {
    const auto ordinal = step.ordinal;
    const auto due = std::exchange(step.due, std::nullopt);
    auto& kept = in.pending[ordinal] = std::move(step);
    arm(kept.due, due, {.activation = in.id, .ordinal = ordinal, .kind = deadline_kind::step_due});
    watch_step(state_, in.id, kept);
  }

  void forget(activation& in, step_ordinal ordinal) {
    const auto at = in.pending.find(ordinal);
    if (at == in.pending.end()) return;
    auto& step = at->second;
    arm(step.due, std::nullopt, {.activation = in.id, .ordinal = ordinal, .kind = deadline_kind::step_due});
    arm(step.retry_at, std::nullopt, {.activation = in.id, .ordinal = ordinal, .kind = deadline_kind::step_retry});
    unwatch_step(state_, in.id, step);
    in.pending.erase(at);
  }

  void drop_pending(activation& in) {
    while (!in.pending.empty()) forget(in, in.pending.begin()->first);
  }

  void push_history(activation& in, history_item item) {
    item.time = at_;
    item.outputs_before = in.outputs_recorded;
    in.history.push_back(std::move(item));
    in.waiting = false;
    beat(in);
  }

  void record_outputs(activation& from, const turn& what) {
    for (const auto& each : what.outputs) {
      switch (each.kind) {
        case output_kind::message: ++from.messages_emitted; break;
        case output_kind::output:
          ++from.messages_emitted;
          state_.outputs.push_back(each.value);
          break;
        case output_kind::continuation:
          ++from.messages_emitted;
          state_.continuation = {from.id, each.name, each.value, each.number == 1};
          break;
        case output_kind::compensation:
          ++from.messages_emitted;
          state_.compensations.push_back({each.target, each.name, each.value});
          break;
        case output_kind::version:
          ++from.outputs_recorded;
          state_.versions[from.id][each.name] = from.versions[each.name] = each.number;
          break;
        case output_kind::state:
          state_.values[each.name] = each.value;
          ++from.outputs_recorded;
          break;
        case output_kind::progress:
        case output_kind::scope_start:
        case output_kind::scope_end: ++from.outputs_recorded; break;
      }
    }
  }

  /// A sign of life moves the heartbeat's deadline. An attempt that only waits for recorded steps need not beat.
  void beat(activation& in) {
    if (!in.heartbeat) return;
    const bool watched = in.status == activation_status::running && !in.waiting;
    arm(in.beat_by, watched ? std::optional{later(at_, *in.heartbeat)} : std::nullopt,
        {.activation = in.id, .kind = deadline_kind::heartbeat});
  }

  static bool runs(const activation& in, std::uint32_t attempt) {
    return in.status == activation_status::running && in.attempt == attempt;
  }

  void remember(const std::string& command_id) {
    if (command_id.empty()) return;
    state_.command_ids.push_back(command_id);
    if (state_.command_ids.size() > limits::remembered_commands) state_.command_ids.pop_front();
  }

  run_state& state_;
  timestamp at_;
};

}  // namespace

result<void> apply(run_state& state, const event& what, timestamp at) {
  if (is_terminal(state.status) && !may_follow_end(kind_of(what))) {
    return error{errc::corrupt, "an event after the end of the run"};
  }
  if (state.seq == 0 && !std::holds_alternative<run_started>(what) && !std::holds_alternative<run_restored>(what)) {
    return error{errc::corrupt, "event 1: an event before the start of the run"};
  }
  applier how{state, at};
  if (auto wrong = std::visit(how, what)) {
    return error{errc::corrupt, "event " + std::to_string(state.seq + 1) + ": " + *wrong};
  }
  ++state.seq;
  state.updated_at = at;
  state.status = status_of(state);
  return {};
}

}  // namespace perdure::core
