// What is durable, as the checkers know it: every run folded from the journal's records, in order, each checked on the way.
#pragma once

#include <map>
#include <set>

#include "cluster/testing/broken.hpp"
#include "cluster/testing/chance.hpp"
#include "core/machine.hpp"
#include "flow/attempt_turns.hpp"
#include "persistence/journal.hpp"

namespace perdure::sim {

struct durable_run {
  core::run_state state;
  core::digest head{};
  std::map<std::string, std::uint32_t> completions;  ///< "activation/attempt/step": outcomes
  std::map<std::string, std::uint32_t> command_ids;  ///< events that carry one
};

class durable_runs {
 public:
  std::map<run_id, durable_run> runs;
  std::uint64_t events = 0, fingerprint = 0;
  std::map<std::string, std::uint64_t> kinds, ends;
  std::map<std::string, std::uint32_t> submits_wanted;  ///< by submit key: how often a person said to submit the job again
  /// No run may end with one of these codes.
  std::set<std::string> forbidden{std::string{failure_code::nondeterminism}};

  void read(const persistence::journal& journal, core::blob_port& blobs) {
    while (true) {
      const auto records = journal.scan(last_ + 1, page);
      if (!records) throw broken("the journal cannot be read: " + records.error().message);
      for (const auto& each : *records) {
        if (each.lsn != last_ + 1) throw broken("a gap in the journal's LSNs");
        fold(each, blobs);
        last_ = each.lsn;
      }
      if (records->size() < page) return;
    }
  }

 private:
  static constexpr std::size_t page = 1'000;

  void fold(const core::record& record, core::blob_port& blobs) {
    auto& run = runs[record.run];
    run.state.id = record.run;
    if (record.seq != run.state.seq + 1) throw broken("a gap in a run's seqs");
    if (is_terminal(run.state.status) && !core::may_follow_end(record.kind)) throw broken("a record after the end of its run");
    const auto event = core::decode(record.kind, record.schema, record.bytes, &blobs);
    if (!event) throw broken("a stored event cannot be read: " + event.error().message);
    if (record.time < run.state.updated_at) throw broken("a run's time goes backwards");
    count_outcomes(run, *event);
    if (const auto fits = core::apply(run.state, *event, record.time); !fits) {
      throw broken("a stored event does not fit: " + fits.error().message);
    }
    if (core::chain_hash(run.head, record) != record.hash) throw broken("a record is not in its chain");
    run.head = record.hash;
    if (record.status != run.state.status || record.active != core::has_work(run.state) ||
        record.wakeup != core::next_wakeup(run.state)) {
      throw broken("a record's header does not say what the state is");
    }
    check_histories(run.state);
    ++events;
    ++kinds[boost::describe::enum_to_string(record.kind, "?")];
    fingerprint = mixed(fingerprint ^ hashed(record.bytes, record.seq));
  }

  /// One outcome per step and attempt, one event per command id. Before the event is applied: then the activation is there.
  void count_outcomes(durable_run& run, const core::event& event) {
    const auto completed = [&](activation_id activation, std::uint32_t attempt, step_ordinal ordinal) {
      const auto key = std::to_string(activation) + "/" + std::to_string(attempt) + "/" + std::to_string(ordinal);
      if (++run.completions[key] > 1) throw broken("step " + key + " has two outcomes");
    };
    const auto said = [&](const std::string& id) {
      if (!id.empty() && ++run.command_ids[id] > 1) throw broken("command " + id + " was carried out twice");
    };
    if (const auto* turned = std::get_if<core::turn>(&event)) {
      for (const auto& each : turned->done) completed(turned->activation, turned->attempt, each.ordinal);
    } else if (const auto* done = std::get_if<core::step_completed>(&event)) {
      completed(done->activation, run.state.activations.at(done->activation).attempt, done->ordinal);
      said(done->command_id);
    } else if (const auto* signal = std::get_if<core::signal_received>(&event)) {
      said(signal->command_id);
    } else if (const auto* answered = std::get_if<core::request_answered>(&event)) {
      said(answered->command_id);
      const auto job = core::job_of_question(answered->id);
      if (job && answered->asked_by == run.state.id && answered->answer == payload{json::value("retry")})
        ++submits_wanted[run.state.jobs.at(*job).key()];
    } else if (const auto* cancel = std::get_if<core::cancel_requested>(&event)) {
      said(cancel->command_id);
    } else if (const auto* pause = std::get_if<core::run_paused>(&event)) {
      said(pause->command_id);
    } else if (const auto* resume = std::get_if<core::run_resumed>(&event)) {
      said(resume->command_id);
    } else if (const auto* ended = std::get_if<core::run_ended>(&event)) {
      ++ends[std::string{to_string(ended->status)} + (ended->error ? " " + ended->error->code : "")];
      const auto code = ended->error ? ended->error->code : "";
      if (forbidden.contains(code)) throw broken(code + ": " + ended->error->message);
    }
  }

  static void check_histories(const core::run_state& state) {
    for (const auto& [id, in] : state.activations) {
      std::set<step_ordinal> seen;
      for (const auto& item : in.history) {
        if (item.what != core::history_kind::outcome) continue;
        if (!seen.insert(item.ordinal).second) throw broken("a step is twice in its history");
        if (in.pending.contains(item.ordinal)) throw broken("a step waits that has its outcome");
      }
    }
  }

  lsn_t last_ = 0;
};

/// A run whose state says that it only waits is not brought in after a crash, so that must be true: handed to a driver, its
/// attempts do nothing that the state does not know.
inline void check_that_it_waits(const perdure::detail::definition& of, const core::run_state& state) {
  for (const auto& [id, in] : state.activations) {
    if (in.status != core::activation_status::running) continue;
    if (!in.waiting) throw broken("a run counts as waiting, and an attempt of it does not");
    flow::driver again{of.factories[of.plan.by_name.at(in.executor)], flow::input_of(in, state.id, state.workflow)};
    std::vector<core::pending_step> pending;
    for (const auto& [ordinal, step] : in.pending) pending.push_back(step);
    const auto report = again.start(in.history, pending);
    bool goes_on = report.finished || report.failed || !report.outputs.empty() || !report.cancelled.empty();
    for (const auto& each : report.issued) {
      const auto waits = in.pending.find(each.ordinal);
      goes_on = goes_on || waits == in.pending.end() || !waits->second.retry_at;
    }
    if (!goes_on) continue;
    std::string steps;
    for (const auto& [ordinal, step] : in.pending) {
      steps += " " + std::to_string(ordinal) + " of kind " + std::to_string(static_cast<int>(step.kind)) + " after " +
               std::to_string(step.tries) + " tries";
    }
    throw broken("run " + state.id.str() + " counts as waiting, and activation " + std::to_string(id) +
                 " would go on; steps:" + steps);
  }
}

/// Somebody outside can make it go on.
[[nodiscard]] inline bool waits_outside(const core::run_state& state) {
  for (const auto& [id, in] : state.activations) {
    for (const auto& [ordinal, step] : in.pending) {
      if (core::waits_outside(step.kind)) return true;
    }
  }
  return state.awaited_children > 0;
}

/// Law 4: something will move it. A run that was paused waits for its resume.
inline void check_waker(const core::run_state& state) {
  if (is_terminal(state.status) || state.paused || core::has_work(state) || !state.deadlines.empty() || waits_outside(state))
    return;
  throw broken("run " + state.id.str() + " has no waker: nothing will ever make it go on");
}
/// The row that look-ups see is what the records say.
inline void check_row(const persistence::journal& of, const core::run_state& state) {
  const auto row = of.row(state.id);
  if (!row || row->seq != state.seq || row->status != state.status || row->active != core::has_work(state) ||
      row->wakeup != core::next_wakeup(state)) {
    throw broken("the row of run " + state.id.str() + " is not what its records say");
  }
}

}  // namespace perdure::sim
