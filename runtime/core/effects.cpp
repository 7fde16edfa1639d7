#include "core/effects.hpp"

#include <algorithm>

namespace perdure::core {

namespace {
bool body_runs_again(const pending_step& step) { return step.tries > 0 && !step.retry_at; }

bool wants_attempt(const run_state& state, const activation& in) {
  return !is_terminal(state.status) && in.status != activation_status::retrying;
}
}  // namespace

effects outstanding(const run_state& state) {
  effects out;
  out.wakeup = next_wakeup(state);
  for (const auto& [to, numbers] : state.outbox_to) out.deliveries.insert(*numbers.begin());
  for (const auto& [number, job] : state.jobs) {
    if (auto effect = effect_of(state, number)) out.jobs.insert(std::move(*effect));
  }
  if (state.paused) return out;
  for (const auto& [id, in] : state.activations) {
    if (!wants_attempt(state, in)) continue;
    out.attempts.insert({id, in.attempt, in.history.size()});
    for (const auto& [ordinal, step] : in.pending) {
      if (body_runs_again(step)) out.bodies.insert({id, in.attempt, ordinal, step.tries});
    }
  }
  return out;
}

bool went_along(const run_state& state, job_number number) { return state.successor && !state.jobs.contains(number); }

void effect_ledger::begins_with(const event& first) {
  const auto* from = std::get_if<run_restored>(&first);
  read_ = from != nullptr && from->link == restore_link::continued;
}

void effect_ledger::update(const run_state& state, const event& what, std::vector<effect_change>& out) {
  std::visit(
      [&](const auto& each) {
        using type = std::remove_cvref_t<decltype(each)>;
        if constexpr (std::is_same_v<type, turn>) {
          update_one(state, each.activation, out);
          for (const auto& next : each.activations) update_one(state, next.id, out);
          const bool jobs =
              std::any_of(each.issued.begin(), each.issued.end(), [](const auto& step) { return step.kind == step_kind::job; });
          if (jobs) update_jobs(state, out);
        } else if constexpr (std::is_same_v<type, message_delivered>) {
          delivered(state, each, out);
        } else if constexpr (std::is_same_v<type, job_noted> || std::is_same_v<type, job_ended>) {
          update_job(state, each.number, out);
        } else if constexpr (std::is_same_v<type, compensation_started>) {
          update_one(state, each.what.id, out);
        } else if constexpr (requires { each.activation; }) {
          update_one(state, each.activation, out);
        } else if constexpr (!std::is_same_v<type, signal_received> && !std::is_same_v<type, warning>) {
          update_all(state, out);
        }
      },
      what);
  for (; seen_ + 1 < state.next_outgoing; ++seen_) {
    // What was delivered meanwhile, or was left to a successor, is not there any more.
    if (const auto sent = state.outbox.find(seen_ + 1); sent != state.outbox.end()) deliver_next(state, sent->second.to, out);
  }
}

void effect_ledger::deliver_next(const run_state& state, const run_id& to, std::vector<effect_change>& out) {
  const auto waiting = state.outbox_to.find(to);
  if (waiting == state.outbox_to.end()) return;
  const auto number = *waiting->second.begin();
  if (on_their_way_.insert(number).second) out.push_back({.kind = effect_change::what::deliver, .number = number});
}

void effect_ledger::delivered(const run_state& state, const message_delivered& what, std::vector<effect_change>& out) {
  on_their_way_.erase(what.number);
  deliver_next(state, what.to, out);
}

void effect_ledger::update_debts(const run_state& state, std::vector<effect_change>& out) {
  update_jobs(state, out);
  read_ = false;
  seen_ = state.next_outgoing - 1;
  for (const auto& [to, numbers] : state.outbox_to) deliver_next(state, to, out);
}

void effect_ledger::update_jobs(const run_state& state, std::vector<effect_change>& out) {
  std::vector<job_number> gone;
  for (const auto& [number, effect] : jobs_) {
    if (!state.jobs.contains(number)) gone.push_back(number);
  }
  for (const auto number : gone) update_job(state, number, out);
  for (const auto& [number, job] : state.jobs) update_job(state, number, out);
}

void effect_ledger::update_job(const run_state& state, job_number number, std::vector<effect_change>& out) {
  const auto wanted = effect_of(state, number);
  const auto known = jobs_.find(number);
  if (known != jobs_.end() && wanted == known->second) return;
  if (wanted) {
    out.push_back({.kind = effect_change::what::job, .job = *wanted, .again = read_});
    jobs_[number] = *wanted;
  } else if (known != jobs_.end()) {
    out.push_back({.kind = effect_change::what::leave_job, .job = known->second});
    jobs_.erase(known);
  }
}

void effect_ledger::update_all(const run_state& state, std::vector<effect_change>& out) {
  update_debts(state, out);
  std::vector<activation_id> ids;
  for (const auto& [id, known] : issued_) {
    if (!state.activations.contains(id)) ids.push_back(id);
  }
  for (const auto& [id, in] : state.activations) ids.push_back(id);
  for (const auto id : ids) update_one(state, id, out);
}

/// A start covers the activation's history and the bodies that are to run at that moment.
effect_ledger::issued effect_ledger::begun(const activation& in, std::vector<effect_change>& out) {
  issued fresh{.attempt = in.attempt, .fed = in.history.size()};
  for (const auto& [ordinal, step] : in.pending) {
    if (body_runs_again(step)) fresh.bodies[ordinal] = step.tries;
  }
  out.push_back({.kind = effect_change::what::start,
                 .activation = in.id,
                 .attempt = in.attempt,
                 .begin = std::make_shared<const activation>(in)});
  return fresh;
}

void effect_ledger::update_one(const run_state& state, activation_id id, std::vector<effect_change>& out) {
  using what = effect_change::what;
  const auto at = state.activations.find(id);
  const auto* in = at == state.activations.end() ? nullptr : &at->second;
  auto known = issued_.find(id);
  const bool wanted = in != nullptr && wants_attempt(state, *in);
  if (known != issued_.end() && (!wanted || known->second.attempt != in->attempt)) {
    // An explicit start turns attempt 0 into 1 without a stop: the host that asked for it goes on.
    if (wanted && known->second.attempt == 0 && in->attempt == 1) {
      known->second = begun(*in, out);
    } else {
      out.push_back({.kind = what::stop, .activation = id, .attempt = known->second.attempt});
      issued_.erase(known);
      known = issued_.end();
    }
  }
  if (state.paused && known != issued_.end() && known->second.attempt == 0) {
    // It has no thread yet: none is wanted until the resume.
    out.push_back({.kind = what::stop, .activation = id});
    issued_.erase(known);
    return;
  }
  if (!wanted || state.paused) return;
  if (known == issued_.end()) {
    known = issued_.emplace(id, begun(*in, out)).first;
  }
  for (; known->second.fed < in->history.size(); ++known->second.fed) {
    out.push_back({.kind = what::feed, .activation = id, .attempt = in->attempt, .item = in->history[known->second.fed]});
  }
  for (const auto& [ordinal, step] : in->pending) {
    if (!body_runs_again(step)) continue;
    auto& tries = known->second.bodies[ordinal];
    if (tries == step.tries) continue;
    tries = step.tries;
    out.push_back({.kind = what::run_body, .activation = id, .attempt = in->attempt, .ordinal = ordinal});
  }
}

}  // namespace perdure::core
