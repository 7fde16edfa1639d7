// What clients want of the runs of a schedule, and when they say it again.
#include <algorithm>

#include "simulation/world_node.hpp"

namespace perdure::sim {

bool world::help_along() {
  bool open = false;
  for (const auto& [id, run] : durable_.runs) {
    const auto& state = run.state;
    if (is_terminal(state.status)) continue;
    open = true;
    if (state.paused) {
      command(id, core::resume_command{}, "");
      return true;
    }
    for (const auto& [activation, in] : state.activations) {
      for (const auto& [ordinal, step] : in.pending) {
        if (step.kind == core::step_kind::request) {
          const auto number = "c" + std::to_string(next_command_++);
          command(
              id,
              core::respond_command{std::to_string(activation) + "." + std::to_string(ordinal), payload{json::value(4)}, number},
              number);
          return true;
        }
      }
    }
    const auto answer_id = "c" + std::to_string(next_command_);
    if (answer_question(state, random_.one_in(2) ? "retry" : "fail", answer_id)) {
      ++next_command_;
      return true;
    }
    for (const auto& [name, waiters] : state.signal_waiters) {
      const auto number = "c" + std::to_string(next_command_++);
      command(id, core::signal_command{name, payload{json::value(5)}, number}, number);
      return true;
    }
  }
  if (!open || !node_->earliest()) return false;
  to_next_wakeup();
  return true;
}

void world::make_command() {
  const auto& run = planned_[random_.below(planned_.size())].how.id;
  if (!durable_.runs.contains(run)) return;
  const auto id = random_.one_in(8) ? std::string{} : "c" + std::to_string(next_command_++);
  switch (random_.below(12)) {
    case 0:
      if (random_.one_in(4)) command(run, core::cancel_command{"a client wants it", id}, id);
      return;
    case 1:
    case 2: return command(run, core::pause_command{id}, id);
    case 3:
    case 4: return command(run, core::resume_command{id}, id);
    case 5:
    case 6:
    case 7: {
      static constexpr const char* answers[] = {"retry", "retry", "fail", "perhaps"};
      if (answer_question(durable_.runs[run].state, answers[random_.below(4)], id)) return;
      for (const auto& [activation, in] : durable_.runs[run].state.activations) {
        for (const auto& [ordinal, step] : in.pending) {
          if (step.kind != core::step_kind::request || random_.one_in(3)) continue;
          return command(
              run, core::respond_command{std::to_string(activation) + "." + std::to_string(ordinal), payload{json::value(3)}, id},
              id);
        }
      }
      return;
    }
    default:
      return command(
          run, core::signal_command{"s" + std::to_string(random_.below(3)), payload{json::value(random_.below(9))}, id}, id);
  }
}

void world::command(run_id run, core::command what, std::string id) {
  commands_.push_back({run, std::move(what), std::move(id)});
}

/// A linked run takes over one that ended badly.
void world::retry_one() {
  const auto& from = planned_[random_.below(planned_.size())];
  const auto at = durable_.runs.find(from.how.id);
  if (from.first || at == durable_.runs.end() || !is_terminal(at->second.state.status) || planned_.size() > 8) return;
  std::vector<std::pair<core::event, timestamp>> history;
  for (const auto& each : *journal_->read_run(from.how.id, 0, 1'000'000)) {
    history.emplace_back(*core::decode(each.kind, each.schema, each.bytes, &journal_->blobs()), each.time);
  }
  const auto id = next_run_id();
  auto state = core::state_for_retry(history, id, &workflows_.at(from.workflow)->plan, node_->now());
  if (!state) {
    if (at->second.state.status != run_status::succeeded && at->second.state.status != run_status::continued_as_new)
      throw broken("a run that ended badly cannot be retried: " + state.error().message);
    return;
  }
  trace([&] { return "run " + std::to_string(id.bytes[15]) + " takes over run " + std::to_string(from.how.id.bytes[15]); });
  core::run_restored first{.source = from.how.id, .source_seq = state->seq, .state = core::encode_state(*state, nullptr).value()};
  planned_.push_back({.how = {.id = id}, .workflow = from.workflow, .first = std::move(first)});
}

/// Another run shares the beginning of one.
void world::fork_one() {
  const auto& from = planned_[random_.below(planned_.size())];
  const auto at = durable_.runs.find(from.how.id);
  if (from.first || at == durable_.runs.end() || at->second.state.seq == 0 || planned_.size() > 8) return;
  std::vector<std::pair<core::event, timestamp>> history;
  for (const auto& each : *journal_->read_run(from.how.id, 0, 1'000'000)) {
    history.emplace_back(*core::decode(each.kind, each.schema, each.bytes, &journal_->blobs()), each.time);
  }
  const auto id = next_run_id();
  const auto seq = 1 + random_.below(history.size());
  auto state = core::state_for_fork(history, id, seq, &workflows_.at(from.workflow)->plan, node_->now());
  if (!state) {
    if (state.error().code != errc::conflict) throw broken("a run cannot be forked: " + state.error().message);
    return;
  }
  trace([&] { return "run " + std::to_string(id.bytes[15]) + " forks run " + std::to_string(from.how.id.bytes[15]); });
  core::run_restored first{.source = from.how.id,
                           .source_seq = state->seq,
                           .state = core::encode_state(*state, nullptr).value(),
                           .link = core::restore_link::forked};
  planned_.push_back({.how = {.id = id}, .workflow = from.workflow, .first = std::move(first)});
}

/// Clients with a command id try again until they have an answer; the others do not.
void world::deliver(std::size_t index) {
  auto& sent = commands_[index];
  ++sent.unanswered;
  trace([&] {
    return "command " + std::to_string(sent.what.index()) + " " + sent.id + " for run " + std::to_string(sent.run.bytes[15]);
  });
  const auto answer = [this, index](const result<void>& done) {
    auto& answered = commands_[index];
    answered.unanswered = std::max(0, answered.unanswered - 1);
    trace([&] { return "  answer to " + answered.id + ": " + (done ? std::string{"done"} : done.error().message); });
    const bool again =
        done.has_error() && !answered.id.empty() &&
        (done.error().code == errc::shutting_down || done.error().code == errc::io_error || done.error().code == errc::fenced);
    if (!again) answered.answered = true;
    check_answer(answered, done);
  };
  if (sent.id.empty()) sent.answered = true;
  if (node_->route(run_host::from_client, sent.run, sent.what, answer)) return;
  const auto row = journal_->row(sent.run);
  answer(error{row ? errc::conflict : errc::not_found, "no such run is open"});
}

}  // namespace perdure::sim
