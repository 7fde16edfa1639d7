// The checkers: what must be true of the journal, of bodies when they begin, of answers, and at the end.
#include <algorithm>

#include "simulation_actors/cast.hpp"
#include "simulation_actors/world.hpp"

namespace perdure::sim {

namespace {
/// A timer may be late by its shortest pause, and by the room it leaves for admission.
constexpr std::chrono::milliseconds punctual_within{5};
}  // namespace

/// Called after every commit, so that what is known to be durable is never behind.
void world::read_new_records() {
  try {
    durable_.read(*journal_, journal_->blobs());
  } catch (const broken& found) {
    fail(found.what());
  }
}

/// A body is about to do something: whatever led to it is durable, and its own outcome is not there yet.
void world::check_body(const std::string& key) {
  if (fatal_) return;
  const auto first = key.find('/'), second = key.find('/', first + 1), third = key.find('/', second + 1);
  const auto run = run_id::parse(key.substr(0, first));
  const auto executor = key.substr(first + 1, second - first - 1);
  const auto id = static_cast<activation_id>(std::stoul(key.substr(second + 1, third - second - 1)));
  const auto ordinal = static_cast<step_ordinal>(std::stoul(key.substr(third + 1)));
  const auto at = durable_.runs.find(*run);
  if (at == durable_.runs.end()) return fail("a body of a run that is not durable: " + key);
  const auto& state = at->second.state;
  if (state.next_activation <= id) return fail("a body of an activation that is not durable: " + key);
  const auto in = state.activations.find(id);
  if (in == state.activations.end()) return;  // it ended a moment ago, and the body was on its way
  std::set<step_ordinal> recorded;
  for (const auto& item : in->second.history) {
    if (item.what != core::history_kind::outcome) continue;
    recorded.insert(item.ordinal);
    if (item.ordinal == ordinal && !item.result.error) return fail("a step is done again that is recorded: " + key);
  }
  if (executor != "work" && executor != "waits") return;
  // These do one thing after the other.
  const auto prefix = key.substr(0, third + 1);
  for (auto before = outside_.executed.lower_bound(prefix); before != outside_.executed.end(); ++before) {
    if (before->first.compare(0, prefix.size(), prefix) != 0) break;
    const auto earlier = static_cast<step_ordinal>(std::stoul(before->first.substr(prefix.size())));
    if (earlier < ordinal && before->second.done > 0 && !recorded.contains(earlier)) {
      return fail("a step begins before the one that led to it is durable: " + key + " after " + before->first);
    }
  }
}

void world::check_answer(const client_command& of, const result<void>& answer) {
  if (fatal_) return;
  const auto at = durable_.runs.find(of.run);
  if (at == durable_.runs.end()) return fail("an answer about a run that is not there");
  const auto& run = at->second;
  const bool over = is_terminal(run.state.status);
  if (of.last_word) {
    if (answer || answer.error().code != errc::conflict) fail("a run that has ended answers like one that has not");
    return;
  }
  if (answer && !of.id.empty()) {
    const bool matters =
        std::holds_alternative<core::signal_command>(of.what) || std::holds_alternative<core::respond_command>(of.what);
    if (matters && !run.command_ids.contains(of.id)) fail("command " + of.id + " was acknowledged, and it is not in the journal");
    if (std::holds_alternative<core::cancel_command>(of.what) && !over && !run.state.ending_as) {
      fail("a cancel was acknowledged, and it is not in the journal");
    }
  }
  const bool about_the_run = !std::holds_alternative<core::respond_command>(of.what);  // else of its request
  if (!answer && about_the_run && answer.error().code == errc::not_found && run.state.seq > 0)
    fail("a run that is there was not found");
  if (!answer && answer.error().code == errc::conflict && !over && !run.state.ending_as) {
    fail("command " + of.id + " was refused since the run had ended, and it has not");
  }
}

/// Nothing can happen at this time. So whatever is due has been done.
void world::check_punctual() {
  if (closing_ != closing::no) return;
  for (const auto& [id, run] : durable_.runs) {
    const auto due = core::next_wakeup(run.state);
    if (!due || unregistered_.contains(run.state.workflow)) continue;
    const auto since = std::max(*due, run.state.updated_at);  // a run that is resumed may have had one for long
    if (since + punctual_within >= wall_) continue;
    fail("a deadline of run " + std::to_string(id.bytes[15]) + " is overlooked: " + std::to_string((wall_ - *due).count()) +
         " us late");
  }
}

void world::check_wakers() {
  for (const auto& [id, run] : durable_.runs) {
    const auto& state = run.state;
    if (state.seq == 0 || is_terminal(state.status)) continue;
    if (!state.paused && !core::has_work(state) && state.deadlines.empty() && !waits_outside(state))
      fail("a run without a waker");
    if (state.paused || core::has_work(state)) continue;
    try {
      check_that_it_waits(*workflows_.at(state.workflow), state);
    } catch (const broken& found) {
      fail(found.what());
    }
  }
}

void world::check_end() {
  for (const auto& [id, run] : durable_.runs) {
    check_times(id);
    check_result(id, run.state);
  }
  const auto report = journal_->verify([&](const run_id& id) { return waits_outside(durable_.runs[id].state); });
  if (!report.problems.empty()) throw broken("the journal's verify: " + report.problems[0].what);
}

/// Every timer fires once (durable.hpp counts outcomes), and not before its time, whatever woke the run.
void world::check_times(const run_id& id) {
  core::run_state state;
  state.id = id;
  const auto records = journal_->read_run(id, 0, 1'000'000);
  for (const auto& each : *records) {
    const auto before = state.activations;
    if (!core::apply(state, *core::decode(each.kind, each.schema, each.bytes, &journal_->blobs()), each.time)) {
      throw broken("a replay fails");
    }
    for (const auto& [activation, was] : before) {
      const auto now = state.activations.find(activation);
      if (now == state.activations.end() || now->second.attempt != was.attempt) continue;
      for (const auto& item : now->second.history) {
        const auto waited = was.pending.find(item.ordinal);
        if (item.what != core::history_kind::outcome || waited == was.pending.end()) continue;
        if (waited->second.kind == core::step_kind::sleep && !item.result.error && waited->second.due &&
            each.time < *waited->second.due) {
          throw broken("a sleep of run " + std::to_string(id.bytes[15]) + " ended before its time");
        }
      }
    }
  }
  if (core::encode_state(state, nullptr).value() != core::encode_state(durable_.runs[id].state, nullptr).value()) {
    throw broken("a replay differs");
  }
}

void world::check_result(const run_id& id, const core::run_state& state) {
  if (state.status != run_status::succeeded) return;
  std::int64_t expected = 0;
  if (state.workflow == "steady") {
    const auto prefix = id.str() + "/work/";
    for (const auto& [key, entry] : outside_.executed) {
      if (key.compare(0, prefix.size(), prefix) == 0) expected += outside_.value_of(key);
    }
  } else if (state.workflow == "parker") {
    const auto rounds = rounds_of(state.input);
    std::vector<std::int64_t> signals;
    const auto records = journal_->read_run(id, 0, 1'000'000);
    for (const auto& each : *records) {
      const auto event = core::decode(each.kind, each.schema, each.bytes, &journal_->blobs());
      const auto* signal = std::get_if<core::signal_received>(&*event);
      if (signal != nullptr && signal->name == "go") signals.push_back(signal->value.value().to_number<std::int64_t>());
    }
    if (signals.size() < static_cast<std::size_t>(rounds)) throw broken("a run ended before its signals came");
    for (int i = 0; i < rounds; ++i) expected = taken(expected, signals[static_cast<std::size_t>(i)]);
  } else {
    return;
  }
  if (state.outputs.size() != 1 || state.outputs[0].text() != std::to_string(expected)) {
    throw broken("run " + std::to_string(id.bytes[15]) + " has another result than its steps and signals give");
  }
}

}  // namespace perdure::sim
