#include "cluster/replay.hpp"

#include <limits>
#include <map>

#include "flow/driver.hpp"

namespace perdure::cluster {

namespace {

using core::history_item;
using core::output;

std::string step_text(step_ordinal ordinal, detail::step_kind kind, const std::string& name) {
  return "step " + std::to_string(ordinal) + " " + boost::describe::enum_to_string(kind, "?") + " \"" + name + "\"";
}

std::string output_text(const output& what) {
  std::string out = boost::describe::enum_to_string(what.kind, "?");
  if (!what.name.empty()) out += " \"" + what.name + "\"";
  return out + " " + std::string{what.value.text().substr(0, 200)};
}

/// One activation as the events tell it.
struct recorded_activation {
  std::string executor, message;
  payload value;
  std::uint32_t attempt = 1;
  timestamp began{};
  std::vector<std::pair<history_item, run_seq>> history;
  std::vector<std::pair<output, run_seq>> outputs;
  std::map<step_ordinal, std::pair<core::pending_step, run_seq>> waiting;
  std::map<std::string, std::uint32_t> versions;  ///< of changes
  bool between = false;                           ///< an attempt has failed, the next one has not begun
  bool took_over = false;                         ///< outcomes of an earlier attempt
  bool restored = false;  ///< those of another run: attempts count anew there, and a handler may look at that
};

/// How the record says that an attempt ended.
struct recorded_end {
  run_seq seq = 0;
  bool finished = false;
  std::optional<failure> failed;
};

class replayer {
 public:
  replayer(replay_report& report, const find_definition& find) : report_(report), find_(find) {}

  /// Before the event is folded into the state.
  void see(const core::event& what, run_seq seq, timestamp at) {
    if (const auto* each = std::get_if<core::run_started>(&what)) {
      open(1, {.executor = each->start, .message = each->message, .value = each->input, .began = at});
    } else if (const auto* each = std::get_if<core::turn>(&what)) {
      turn(*each, seq, at);
    } else if (const auto* each = std::get_if<core::step_completed>(&what)) {
      completed(*each, seq, at);
    } else if (const auto* each = std::get_if<core::attempt_started>(&what)) {
      started(*each, at);
    } else if (const auto* each = std::get_if<core::attempt_failed>(&what)) {
      end(each->activation, {.seq = seq, .failed = each->error});
      if (auto* in = find(each->activation)) {
        in->between = true;
        in->waiting.clear();
      }
      if (!each->retry_at) activations_.erase(each->activation);
    } else if (std::holds_alternative<core::cancel_requested>(what)) {
      for (auto& [id, in] : activations_) {
        in.waiting.clear();
        in.history.push_back({{.what = core::history_kind::cancel, .time = at}, seq});
      }
    } else if (const auto* each = std::get_if<core::compensation_started>(&what)) {
      open(each->what.id,
           {.executor = each->what.executor, .message = each->what.message, .value = each->what.value, .began = at});
    } else if (std::holds_alternative<core::run_ended>(what) || std::holds_alternative<core::grace_passed>(what)) {
      finish();
    }
  }

  /// Attempts that have not ended: what they wait for is compared.
  void finish() {
    for (const auto& [id, in] : std::exchange(activations_, {})) {
      if (!in.between) run(id, in, std::nullopt);
    }
  }

  /// A linked run begins in the middle.
  void adopt(const core::run_state& state, run_seq seq) {
    for (const auto& [id, in] : state.activations) {
      auto& mine = activations_[id];
      mine = {.executor = in.executor,
              .message = in.message,
              .value = in.value,
              .attempt = in.attempt,
              .began = in.began_at,
              .versions = in.versions,
              .took_over = true,
              .restored = true};
      for (const auto& item : in.history) mine.history.push_back({item, seq});
    }
  }

 private:
  void open(activation_id id, recorded_activation what) { activations_[id] = std::move(what); }

  recorded_activation* find(activation_id id) {
    const auto at = activations_.find(id);
    return at == activations_.end() ? nullptr : &at->second;
  }

  static void remember(recorded_activation& in, history_item item, run_seq seq) {
    item.outputs_before = static_cast<std::uint32_t>(in.outputs.size());
    in.waiting.erase(item.ordinal);
    in.history.push_back({std::move(item), seq});
  }

  void turn(const core::turn& what, run_seq seq, timestamp at) {
    auto* in = find(what.activation);
    if (in == nullptr) return;
    for (const auto& each : what.outputs) {
      in->outputs.push_back({each, seq});
      if (each.kind == core::output_kind::version) in->versions[each.name] = each.number;
    }
    for (const auto& step : what.done) {
      remember(*in, {.ordinal = step.ordinal, .kind = step.kind, .name = step.name, .result = step.result, .time = at}, seq);
    }
    for (const auto& step : what.issued) {
      in->waiting[step.ordinal] = {{.ordinal = step.ordinal, .kind = step.kind, .name = step.name}, seq};
    }
    for (const auto ordinal : what.cancelled) in->waiting.erase(ordinal);
    if (what.finished) {
      end(what.activation, {.seq = seq, .finished = true});
      activations_.erase(what.activation);
    }
    for (const auto& next : what.activations) {
      const auto& value = next.output && *next.output < what.outputs.size() ? what.outputs[*next.output].value : next.value;
      open(next.id, {.executor = next.executor, .message = next.message, .value = value, .began = at});
    }
  }

  void completed(const core::step_completed& what, run_seq seq, timestamp at) {
    auto* in = find(what.activation);
    if (in == nullptr) return;
    const auto waits = in->waiting.find(what.ordinal);
    history_item item{.ordinal = what.ordinal, .result = what.result, .time = at};
    if (waits != in->waiting.end()) {
      item.kind = waits->second.first.kind;
      item.name = waits->second.first.name;
    } else if (const auto stays = report_.state.activations.find(what.activation); stays != report_.state.activations.end()) {
      if (const auto step = stays->second.pending.find(what.ordinal); step != stays->second.pending.end()) {
        item.kind = step->second.kind;
        item.name = step->second.name;
      }
    }
    remember(*in, std::move(item), seq);
  }

  void started(const core::attempt_started& what, timestamp at) {
    auto* in = find(what.activation);
    if (in == nullptr) return;
    if (what.keep < in->history.size()) {
      in->outputs.resize(std::min<std::size_t>(in->outputs.size(), in->history[what.keep].first.outputs_before));
      in->history.resize(what.keep);
    }
    in->took_over = in->took_over || what.attempt > 1;
    in->attempt = what.attempt;
    in->began = at;
    in->between = false;
    in->waiting.clear();
  }

  void end(activation_id id, const recorded_end& how) {
    if (const auto* in = find(id)) run(id, *in, how);
  }

  void part(activation_id id, const recorded_activation& in, run_seq seq, std::optional<step_ordinal> step, std::string recorded,
            std::string replayed) {
    report_.partings.push_back({seq, id, in.attempt, step, std::move(recorded), std::move(replayed)});
  }

  /// Runs the coroutine over the recorded outcomes of one attempt.
  void run(activation_id id, const recorded_activation& in, const std::optional<recorded_end>& how) {
    const auto* definition = find_(report_.state);
    const auto* plan = definition == nullptr ? nullptr : definition->plan.find(in.executor);
    if (plan == nullptr || in.attempt == 0) {
      report_.unchecked += in.attempt == 0 ? 0 : 1;
      return;
    }
    ++report_.attempts;
    const auto index = definition->plan.by_name.at(in.executor);
    flow::driver driver{definition->factories[index],
                        {.run = report_.state.id,
                         .workflow = report_.state.workflow,
                         .executor = in.executor,
                         .activation = id,
                         .attempt = in.attempt,
                         .message = in.message,
                         .value = in.value,
                         .began = in.began,
                         .versions = in.versions,
                         .recorded_steps = recorded_steps(in, how),
                         .log = [](std::string_view, std::string_view) {}}};
    std::map<step_ordinal, std::pair<detail::step_kind, std::string>> issued;
    std::vector<output> said;
    flow::progress_report last;
    const auto take = [&](flow::progress_report turn) {
      for (const auto& step : turn.issued) issued[step.ordinal] = {step.request.kind, step.request.name};
      said.insert(said.end(), turn.outputs.begin(), turn.outputs.end());
      last = std::move(turn);
    };
    take(driver.start({}, {}));
    for (const auto& [item, seq] : in.history) {
      const bool over = last.finished || last.failed;
      if (in.restored && last.failed && last.failed->code != failure_code::nondeterminism) return;
      if (item.what == core::history_kind::outcome) {
        const auto asked = issued.find(item.ordinal);
        if (asked == issued.end()) {
          if (over && in.took_over) break;  // it may have failed before what an earlier attempt had come to
          return part(id, in, seq, item.ordinal, step_text(item.ordinal, item.kind, item.name),
                      over ? end_text(last) : "no such step was issued");
        }
        if (asked->second != std::pair{item.kind, item.name}) {
          return part(id, in, seq, item.ordinal, step_text(item.ordinal, item.kind, item.name),
                      step_text(item.ordinal, asked->second.first, asked->second.second));
        }
      }
      // What ended while the handler's own end was on its way is in the journal, and was fed to nobody.
      if (!over) take(driver.feed(item));
    }
    compare_end(id, in, how, last, issued);
    if (!in.took_over) compare_outputs(id, in, said);
  }

  /// How far the record goes: what the code asks of it up to there was asked before.
  static step_ordinal recorded_steps(const recorded_activation& in, const std::optional<recorded_end>& how) {
    if (how && how->finished) return std::numeric_limits<step_ordinal>::max();
    step_ordinal out = 0;
    for (const auto& [item, seq] : in.history) {
      if (item.what == core::history_kind::outcome) out = std::max(out, item.ordinal + 1);
    }
    return in.waiting.empty() ? out : std::max(out, in.waiting.rbegin()->first + 1);
  }

  static bool comes_from_outside(std::string_view code) {
    return code == failure_code::timeout || code == failure_code::cancelled || code == "executor_died";
  }

  static std::string end_text(const flow::progress_report& last) {
    if (last.finished) return "the handler returned";
    return last.failed ? "the handler failed: " + last.failed->code + ": " + last.failed->message : "the handler waits";
  }

  void compare_end(activation_id id, const recorded_activation& in, const std::optional<recorded_end>& how,
                   const flow::progress_report& last,
                   const std::map<step_ordinal, std::pair<detail::step_kind, std::string>>& issued) {
    const auto seq = how ? how->seq : report_.state.seq;
    if (last.failed && last.failed->code == failure_code::nondeterminism) {
      return part(id, in, seq, std::nullopt, how && how->finished ? "the handler returned" : "the handler went on",
                  end_text(last));
    }
    if (how && how->finished && !last.finished) return part(id, in, seq, std::nullopt, "the handler returned", end_text(last));
    if (how && how->failed) {
      // Time limits, cancels and deaths come from outside; the handler itself may have been anywhere.
      const bool own = last.failed.has_value();
      if (own && last.failed->code != how->failed->code && !comes_from_outside(how->failed->code)) {
        part(id, in, seq, std::nullopt, "the handler failed: " + how->failed->code + ": " + how->failed->message, end_text(last));
      }
      return;
    }
    for (const auto& [ordinal, step] : in.waiting) {
      const auto asked = issued.find(ordinal);
      const auto& [waits, since] = step;
      if (asked == issued.end()) {
        return part(id, in, since, ordinal, step_text(ordinal, waits.kind, waits.name), "no such step was issued");
      }
      if (asked->second != std::pair{waits.kind, waits.name}) {
        return part(id, in, since, ordinal, step_text(ordinal, waits.kind, waits.name),
                    step_text(ordinal, asked->second.first, asked->second.second));
      }
    }
  }

  void compare_outputs(activation_id id, const recorded_activation& in, const std::vector<output>& said) {
    for (std::size_t i = 0; i < in.outputs.size(); ++i) {
      const auto& [recorded, seq] = in.outputs[i];
      if (i < said.size() && said[i] == recorded) continue;
      return part(id, in, seq, std::nullopt, output_text(recorded), i < said.size() ? output_text(said[i]) : "nothing was said");
    }
  }

  replay_report& report_;
  const find_definition& find_;
  std::map<activation_id, recorded_activation> activations_;
};

/// Gives each record's event of the run in order.
result<void> each_event(persistence::journal& from, const run_id& run, run_seq until,
                        const std::function<result<void>(const core::record&, const core::event&)>& take) {
  if (!from.row(run)) return error{errc::not_found, "no run " + run.str()};
  for (run_seq at = 0;;) {
    const auto records = from.read_run(run, at, limits::reader_records);
    if (!records) return records.error();
    for (const auto& record : *records) {
      if (until != 0 && record.seq > until) return {};
      auto event = core::decode(record.kind, record.schema, record.bytes, &from.blobs());
      if (!event) return error{event.error().code, "record at LSN " + std::to_string(record.lsn) + ": " + event.error().message};
      if (auto taken = take(record, *event); !taken) return taken;
      at = record.seq;
    }
    if (records->size() < limits::reader_records) return {};
  }
}

/// Both sides are written anew without blobs, so that only their content counts.
result<void> compare_snapshot(persistence::journal& from, const std::string& stored, replay_report& report) {
  const auto read = core::decode_state(stored, &from.blobs());
  if (!read) return read.error();
  const auto recorded = core::encode_state(*read, nullptr);
  const auto replayed = core::encode_state(report.state, nullptr);
  if (!recorded || !replayed) return recorded ? replayed.error() : recorded.error();
  report.snapshot_compared = true;
  if (*recorded != *replayed) {
    report.partings.push_back(
        {.seq = report.state.seq, .recorded = "the stored snapshot", .replayed = "another state of the same events"});
  }
  return {};
}

void compare_row(persistence::journal& from, replay_report& report) {
  const auto row = from.row(report.state.id);
  if (!row || row->seq != report.state.seq) return;
  report.row_compared = true;
  const auto text = [](run_status status, bool active, std::optional<timestamp> wakeup) {
    return std::string{to_string(status)} + (active ? ", active" : "") + (wakeup ? ", wakes at " + to_string(*wakeup) : "");
  };
  const auto recorded = text(row->status, row->active, row->wakeup);
  const auto replayed = text(report.state.status, core::has_work(report.state), core::next_wakeup(report.state));
  if (recorded != replayed) report.partings.push_back({.seq = row->seq, .recorded = recorded, .replayed = replayed});
}

}  // namespace

result<replay_report> replay_run(persistence::journal& from, const run_id& run, run_seq until, const find_definition& find) {
  replay_report report;
  report.state.id = run;
  replayer handlers{report, find};
  const auto stored = from.snapshot(run, until);
  const auto read = each_event(from, run, until, [&](const core::record& record, const core::event& what) -> result<void> {
    handlers.see(what, record.seq, record.time);
    if (auto applied = core::apply(report.state, what, record.time); !applied) {
      report.partings.push_back(
          {.seq = record.seq, .recorded = applied.error().message, .replayed = "does not fit the state before it"});
      return applied;
    }
    if (std::holds_alternative<core::run_restored>(what)) handlers.adopt(report.state, record.seq);
    if (stored && stored->first == record.seq) return compare_snapshot(from, stored->second, report);
    return {};
  });
  if (!read && report.partings.empty()) return read.error();
  handlers.finish();
  if (until == 0) compare_row(from, report);
  return report;
}

result<core::run_state> state_of(persistence::journal& from, const run_id& run) {
  core::run_state state;
  state.id = run;
  const auto read = each_event(
      from, run, 0, [&](const core::record& record, const core::event& what) { return core::apply(state, what, record.time); });
  if (!read) return read.error();
  return state;
}

}  // namespace perdure::cluster
