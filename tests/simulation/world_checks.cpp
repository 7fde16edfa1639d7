// The checkers: what must hold after each action, at each answer, and at the end of a schedule.
#include "cluster/replay.hpp"
#include "simulation/families.hpp"
#include "simulation/world_node.hpp"

namespace perdure::sim {

void world::read_new_records() { durable_.read(*journal_, journal_->blobs()); }

void world::check_run(const run_id& id) {
  const auto& state = durable_.runs[id].state;
  if (is_terminal(state.status)) return;
  check_waker(state);
  if (core::has_work(state) && !node_->knows(id))
    throw broken("a run with work in flight that its node has forgotten: " + open_runs());
  check_row(*journal_, state);
}

void world::check_waits() {
  for (const auto& [id, run] : durable_.runs) {
    if (is_terminal(run.state.status) || run.state.paused || core::has_work(run.state)) continue;
    check_that_it_waits(*workflows_.at(run.state.workflow), run.state);
  }
}

/// By the run or by one that goes on from it.
bool world::carried_out(const client_command& of) {
  for (auto id = of.run;; id = *durable_.runs[id].state.successor) {
    if (durable_.runs[id].command_ids.contains(of.id)) return true;
    if (!durable_.runs[id].state.successor || !durable_.runs.contains(*durable_.runs[id].state.successor)) return false;
  }
}

/// The run, or the one that goes on from it.
const durable_run& world::last_of(const run_id& id) {
  const auto* at = &durable_.runs[id];
  while (at->state.successor && durable_.runs.contains(*at->state.successor)) at = &durable_.runs[*at->state.successor];
  return *at;
}

void world::check_answer(const client_command& of, const result<void>& answer) {
  const auto& run = last_of(of.run);
  const bool over = is_terminal(run.state.status);
  const bool recorded = carried_out(of);
  if (answer.has_value() && !of.id.empty()) {
    const bool matters =
        std::holds_alternative<core::signal_command>(of.what) || std::holds_alternative<core::respond_command>(of.what);
    if (matters && !recorded) throw broken("command " + of.id + " was acknowledged, and it is not in the journal");
    if (std::holds_alternative<core::cancel_command>(of.what) && !over && !run.state.ending_as)
      throw broken("an acknowledged cancel is not in the journal");
  }
  if (answer.has_error() && answer.error().code == errc::conflict && !over && !run.state.ending_as) {
    throw broken("command " + of.id + " was refused since the run had ended, and it has not");
  }
}

/// A family that was left to itself ends with the number that its rounds make, and with both things undone, the last first.
void world::check_family(const core::run_state& state) const {
  if (state.workflow != "family" || state.source || !state.input.value().as_object().contains("round")) return;
  const auto* last = &state;
  auto number = state.input.value().at("number").to_number<std::int64_t>();
  int rounds = 0;
  for (; last->successor; ++rounds) {
    const auto at = durable_.runs.find(*last->successor);
    if (at == durable_.runs.end() || at->second.state.seq == 0) throw broken("a run continued as a run that is not there");
    last = &at->second.state;
    number = next_number(number);
  }
  if (state.parent || !last->error || last->error->code != family_end) return;
  if (rounds != last_round || last->outputs.size() != 3 || last->outputs[0].text() != std::to_string(number) ||
      last->outputs[1].text() != "-2" || last->outputs[2].text() != "-1") {
    throw broken("a family has another end than its rounds give");
  }
}

/// One whose background work failed has that in its events, before its end; it fails with it when it was to.
void world::check_sender(const core::run_state& state, const std::vector<core::record>& records) const {
  if (state.workflow != "sender" || state.parent || state.source || state.children.empty()) return;
  const auto& work = state.children.begin()->second;
  if (work.live() || !work.error || work.error->code != errand_end) return;
  const bool fails = state.input.value().at("number").to_number<std::int64_t>() % 2 != 0;
  std::size_t warnings = 0;
  for (const auto& each : records) {
    const auto event = core::decode(each.kind, each.schema, each.bytes, nullptr);
    const auto* said = event ? std::get_if<core::warning>(&*event) : nullptr;
    if (said != nullptr && said->code == "background_failed") ++warnings;
  }
  if (warnings != (fails ? 0 : 1)) throw broken("background work failed, and " + std::to_string(warnings) + " warnings tell");
  if (state.ending_as || state.status == run_status::cancelled || state.status == run_status::timed_out) return;
  if (fails ? state.status == run_status::succeeded : state.status == run_status::failed && state.error->code == errand_end)
    throw broken("a sender's end does not follow from that of its background work");
}

void world::check_end() {
  for (const auto& [id, run] : durable_.runs) {
    core::run_state again;
    again.id = id;
    const auto records = journal_->read_run(id, 0, 1'000'000);
    for (const auto& each : *records) {
      if (!core::apply(again, *core::decode(each.kind, each.schema, each.bytes, &journal_->blobs()), each.time))
        throw broken("a replay fails");
    }
    if (core::encode_state(again, nullptr).value() != core::encode_state(run.state, nullptr).value())
      throw broken("a replay differs");
    const auto handlers =
        cluster::replay_run(*journal_, id, 0, [&](const core::run_state& state) { return workflows_.at(state.workflow).get(); });
    if (!handlers) throw broken("handlers cannot be replayed: " + handlers.error().message);
    if (!handlers->partings.empty()) {
      const auto& first = handlers->partings[0];
      throw broken("a replay of handlers parts at event " + std::to_string(first.seq) + ", activation " +
                   std::to_string(first.activation) + "." + std::to_string(first.attempt) + ": recorded " + first.recorded +
                   "; replayed " + first.replayed);
    }
    check_family(run.state);
    check_sender(run.state, *records);
    if (!steady_.contains(id.str()) || run.state.status != run_status::succeeded) continue;
    std::int64_t sum = 0;
    const auto prefix = id.str() + "/work/";
    for (const auto& [key, entry] : outside_.executed) {
      if (key.compare(0, prefix.size(), prefix) == 0) sum += outside_.value_of(key);
    }
    if (run.state.outputs.size() != 1 || run.state.outputs[0].text() != std::to_string(sum))
      throw broken("a run has another result than its steps gave");
  }
  const auto report = journal_->verify([&](const run_id& id) { return waits_outside(durable_.runs[id].state); });
  if (!report.problems.empty()) throw broken("the journal's verify: " + report.problems[0].what);
}

}  // namespace perdure::sim
