#include "tools/view/run_view.hpp"

#include <algorithm>

#include "tools/view/hand_over.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools {

namespace {

json::value text_or_null(const std::string& text) { return text.empty() ? json::value(nullptr) : json::value(text); }

activation_id activation_in(const json::object& data) { return static_cast<activation_id>(number_of(data, "activation")); }

/// How a failure shows as a status of an executor.
std::string status_of_failure(const json::value& error) {
  if (!error.is_object()) return "failed";
  const auto code = text_of(error.get_object(), "code");
  if (code == failure_code::timeout) return "timed_out";
  return code == failure_code::cancelled ? "cancelled" : "failed";
}

}  // namespace

void run_view::add(const run_event& event) {
  seq_ = event.seq;
  relations_.add(event);
  jobs_.add(event);
  if (id_.empty()) {
    id_ = event.run.str();
    created_at_ = to_string(event.time);
  }
  const auto& kind = event.kind;
  if (kind == "run_started") {
    run_started(event);
  } else if (kind == "run_restored") {
    run_restored(event);
  } else if (kind == "turn") {
    turn(event);
  } else if (kind == "step_completed" || kind == "step_retrying" || kind == "step_resumed") {
    step_event(event);
  } else if (kind == "attempt_started" || kind == "attempt_failed") {
    attempt_event(event);
  } else if (kind == "cancel_requested") {
    cancelling_ = true;
    paused_ = false;
    run_deadline_.clear();
    if (const auto& why = value_of(event.data, "error"); !why.is_null()) error_ = why;
    for (auto& [id, each] : live_) each.pending.clear();
  } else if (kind == "run_paused") {
    paused_ = true;
  } else if (kind == "run_resumed") {
    paused_ = false;
  } else if (kind == "progress_noted") {
    const auto found = live_.find(activation_in(event.data));
    if (found != live_.end()) activations_[found->second.entry].progress = value_of(event.data, "progress");
  } else if (kind == "compensation_started") {
    json::object undo = event.data;
    undo["executor"] = text_of(event.data, "compensates_with");
    compensating_ = activation_in(undo);
    schedule(event, undo);
  } else if (kind == "grace_passed") {
    while (!live_.empty()) end_activation(live_.begin()->first, "cancelled", event);
  } else if (kind == "run_ended") {
    run_ended(event);
  }
}

void run_view::cut_off(const run_summary& known) {
  id_ = known.id.str();
  workflow_ = known.workflow;
  version_ = known.version;
  key_ = known.key;
  seq_ = known.seq;
  created_at_ = to_string(known.created_at);
  if (known.ended_at) ended_at_ = to_string(*known.ended_at);
  end_status_ = to_string(known.status);
}

void run_view::run_started(const run_event& event) {
  const auto& data = event.data;
  workflow_ = text_of(data, "workflow");
  version_ = text_of(data, "version");
  hash_ = text_of(data, "definition_hash");
  key_ = text_of(data, "key");
  input_ = value_of(data, "input");
  run_deadline_ = text_of(data, "deadline");
  json::object first = data;
  first["activation"] = 1;
  first["executor"] = text_of(data, "start");
  schedule(event, first);
}

void run_view::run_restored(const run_event& event) {
  const auto& data = event.data;
  workflow_ = text_of(data, "workflow");
  version_ = text_of(data, "version");
  hash_ = text_of(data, "definition_hash");
  input_ = value_of(data, "input");
  for (const auto& each : list_of(data, "activations")) {
    if (each.is_object()) schedule(event, each.get_object());
  }
}

void run_view::schedule(const run_event& event, const json::object& next) {
  const auto id = activation_in(next);
  auto& state = live_[id];
  state = {.entry = activations_.size(), .close_by = text_of(next, "close_by")};
  entries_[id] = activations_.size();
  auto& entry = activations_.emplace_back();
  entry.name = text_of(next, "executor");
  entry.activation = id;
  entry.input = value_of(next, "input");
  if (flag_of(next, "explicit_start")) {
    entry.status = "pending";
    state.start_close_by = text_of(next, "start_by");
    return;
  }
  entry.status = "running";
  entry.attempts = 1;
  entry.started_seq = event.seq;
  entry.started_at = to_string(event.time);
  if (started_at_.empty()) started_at_ = entry.started_at;
}

void run_view::turn(const run_event& event) {
  const auto& data = event.data;
  const auto id = activation_in(data);
  const auto found = live_.find(id);
  if (found == live_.end()) return;
  auto& state = found->second;
  for (const auto& step : list_of(data, "done"))
    state.pending.erase(static_cast<step_ordinal>(number_of(step.get_object(), "step")));
  for (const auto& step : list_of(data, "issued")) {
    const auto& issued = step.get_object();
    const auto& args = value_of(issued, "args");
    const bool limits = args.is_object() && flag_of(args.get_object(), "limit");
    state.pending[static_cast<step_ordinal>(number_of(issued, "step"))] = {limits ? "limit" : text_of(issued, "kind"),
                                                                           text_of(issued, "name"),
                                                                           args,
                                                                           to_string(event.time),
                                                                           text_of(issued, "due"),
                                                                           {}};
  }
  for (const auto& step : list_of(data, "cancelled")) state.pending.erase(step.to_number<step_ordinal>());
  state.waits = flag_of(data, "waits");
  outputs_of(event, activations_[state.entry]);
  give_owners(data, id, state);
  if (const auto next = hands_over_to(data); next != 0) {
    // The tasks that are open go on in the next activation, under their numbers.
    interprets_[id] = interprets_[next] = true;
    for (auto at = scope_numbers_.lower_bound({id, 0}); at != scope_numbers_.end() && at->first.first == id; ++at) {
      auto& task = scopes_[at->second];
      if (task.ended() || task.activation != id) continue;
      task.activation = next;
      scope_numbers_[{next, at->first.second}] = at->second;
      scopes_of_[next].push_back(at->second);
      std::erase(scopes_of_[id], at->second);
    }
  }
  if (flag_of(data, "finished")) end_activation(id, "succeeded", event);
  for (const auto& next : list_of(data, "activations")) schedule(event, next.get_object());
}

void run_view::outputs_of(const run_event& event, executor_view& from) {
  bool yielded = false;
  for (const auto& each : list_of(event.data, "outputs")) {
    const auto& what = each.get_object();
    const auto kind = text_of(what, "kind");
    if (kind == "output") {
      from.output = output_ = value_of(what, "value");
      yielded = true;
    } else if (kind == "message") {
      if (!yielded) from.output = value_of(what, "value");
    } else if (kind == "progress") {
      from.progress = value_of(what, "value");
    } else if (kind == "scope_start" || kind == "scope_end") {
      scope(event, from.activation, what);
    }
  }
}

void run_view::scope(const run_event& event, activation_id activation, const json::object& what) {
  interprets_[activation] = true;
  const auto key = std::pair{activation, number_of(what, "number")};
  const auto known = scope_numbers_.find(key);
  const bool starts = text_of(what, "kind") == "scope_start";
  if (known == scope_numbers_.end()) {
    const auto earlier = earlier_attempt(activation, what);
    scope_numbers_[key] = earlier.value_or(scopes_.size());
  }
  if (scope_numbers_[key] == scopes_.size()) {
    scopes_of_[activation].push_back(scopes_.size());
    auto& entry = scopes_.emplace_back();
    entry.name = text_of(what, "name");
    entry.reference = text_of(what, "reference");
    entry.activation = activation;
    entry.started_seq = event.seq;
    entry.started_at = to_string(event.time);
    if (started_at_.empty()) started_at_ = entry.started_at;
  }
  auto& entry = scopes_[scope_numbers_[key]];
  entry.attempts = std::max({entry.attempts, static_cast<std::uint32_t>(number_of(what, "attempt")), 1U});
  if (starts) {
    entry.status = "running";
    entry.ended_at.clear();
    entry.error = entry.output = nullptr;
    entry.input = value_of(what, "value");
    return;
  }
  entry.error = value_of(what, "error");
  entry.output = value_of(what, "value");
  finish(entry, entry.error.is_null() ? "succeeded" : status_of_failure(entry.error), event);
}

/// The task that a `try` does again: the oldest one of its place that has failed in the attempt before this one.
std::optional<std::size_t> run_view::earlier_attempt(activation_id activation, const json::object& what) const {
  const auto attempt = number_of(what, "attempt");
  const auto reference = text_of(what, "reference");
  for (std::size_t i = 0; attempt > 1 && i < scopes_.size(); ++i) {
    const auto& each = scopes_[i];
    const bool there = each.activation == activation || interprets_.contains(each.activation);  // or one that handed over
    if (there && each.reference == reference && each.attempts + 1 == attempt && each.ended()) return i;
  }
  return std::nullopt;
}

void run_view::step_event(const run_event& event) {
  const auto& data = event.data;
  const auto found = live_.find(activation_in(data));
  if (found == live_.end()) return;
  auto& state = found->second;
  const auto step = static_cast<step_ordinal>(number_of(data, "step"));
  if (event.kind == "step_completed") {
    state.pending.erase(step);
    state.waits = false;
  } else if (event.kind == "step_resumed") {
    state.pending[step].retry_at.clear();
    state.waits = false;
  } else {
    auto& waiting = state.pending[step];
    if (waiting.kind.empty()) waiting.since = to_string(event.time);
    waiting.kind = text_of(data, "step_kind");
    waiting.name = text_of(data, "name");
    waiting.retry_at = text_of(data, "retry_at");
    state.waits = flag_of(data, "waits");
  }
}

void run_view::attempt_event(const run_event& event) {
  const auto& data = event.data;
  const auto id = activation_in(data);
  const auto found = live_.find(id);
  if (found == live_.end()) return;
  auto& state = found->second;
  auto& entry = activations_[state.entry];
  state.waits = false;
  if (event.kind == "attempt_started") {
    entry.status = "running";
    entry.attempts = static_cast<std::uint32_t>(number_of(data, "attempt"));
    entry.error = nullptr;
    if (entry.started_seq == 0) {
      entry.started_seq = event.seq;
      entry.started_at = to_string(event.time);
      if (started_at_.empty()) started_at_ = entry.started_at;
    }
    state.start_close_by = text_of(data, "close_by");
    state.retry_at.clear();
    return;
  }
  entry.error = value_of(data, "error");
  state.pending.clear();
  state.start_close_by.clear();
  state.retry_at = text_of(data, "retry_at");
  if (state.retry_at.empty()) {
    end_activation(id, status_of_failure(entry.error), event);
  } else {
    entry.status = "retrying";
  }
}

void run_view::run_ended(const run_event& event) {
  end_status_ = text_of(event.data, "status");
  ended_at_ = to_string(event.time);
  output_ = value_of(event.data, "output");
  error_ = value_of(event.data, "error");
  const std::string left = end_status_ == "timed_out" ? "timed_out" : "cancelled";
  while (!live_.empty()) end_activation(live_.begin()->first, left, event);
}

void run_view::finish(executor_view& which, std::string status, const run_event& event) {
  which.status = std::move(status);
  which.ended_at = to_string(event.time);
}

void run_view::end_activation(activation_id id, std::string status, const run_event& event) {
  const auto found = live_.find(id);
  if (found == live_.end()) return;
  for (auto& each : scopes_) {
    if (each.activation == id && !each.ended()) finish(each, status, event);
  }
  finish(activations_[found->second.entry], std::move(status), event);
  live_.erase(found);
}

std::string run_view::status() const {
  if (!end_status_.empty()) return end_status_;
  if (cancelling_) return live_.contains(compensating_) ? "compensating" : "cancelling";
  if (paused_) return "paused";
  // Its handlers may be done, and children or jobs that its end waits for not.
  const auto& children = relations_.children();
  const bool others =
      std::any_of(
          children.begin(), children.end(),
          [](const auto& each) { return each.close == "wait" && (each.status == "starting" || each.status == "running"); }) ||
      std::any_of(jobs_.all().begin(), jobs_.all().end(), [](const auto& each) { return each.second.ended_at.empty(); });
  bool waits = !live_.empty() || others;
  for (const auto& [id, each] : live_) {
    const auto& entry = activations_[each.entry];
    if (entry.status == "pending" || (entry.status == "running" && !each.waits)) waits = false;
  }
  return waits ? "waiting" : "running";
}

std::string run_view::executor_status(const executor_view& entry) const {
  if (entry.status != "running") return entry.status;
  const auto found = live_.find(entry.activation);
  if (found == live_.end() || !found->second.waits) return entry.status;
  const auto& pending = found->second.pending;
  const bool backs_off = !pending.empty() && std::all_of(pending.begin(), pending.end(), [](const auto& each) {
    return !each.second.retry_at.empty() && each.second.kind != "poll";
  });
  return backs_off ? "retrying" : "waiting";
}

/// A task that has failed and whose `try` waits before it does it again.
bool run_view::in_backoff(std::size_t scope) const {
  const auto found = live_.find(scopes_[scope].activation);
  if (found == live_.end() || scopes_[scope].error.is_null()) return false;
  const auto& pending = found->second.pending;
  return std::any_of(pending.begin(), pending.end(),
                     [&](const auto& each) { return each.second.kind == "sleep" && each.second.scope == scope; });
}

/// The tasks that the waits of a turn belong to. They say so, but for those of older journals: these belong to the last
/// innermost tasks that the turn began, in order, or to the one that failed in it (then it is the pause before a retry).
void run_view::give_owners(const json::object& turn, activation_id activation, live& state) const {
  std::vector<std::size_t> begun;
  std::optional<std::size_t> failed;
  for (const auto& each : list_of(turn, "outputs")) {
    const auto& what = each.get_object();
    const auto kind = text_of(what, "kind");
    if (kind != "scope_start" && kind != "scope_end") continue;
    const auto scope = scope_numbers_.at({activation, number_of(what, "number")});
    std::erase(begun, scope);
    if (kind == "scope_start") {
      const auto around = [&](std::size_t outer) { return scopes_[scope].reference.starts_with(scopes_[outer].reference + "/"); };
      std::erase_if(begun, around);
      begun.push_back(scope);
    } else if (!value_of(what, "error").is_null() && !failed) {
      failed = scope;
    }
  }
  const auto& issued = list_of(turn, "issued");
  for (std::size_t i = 0; i < issued.size(); ++i) {
    auto& step = state.pending.at(static_cast<step_ordinal>(number_of(issued[i].get_object(), "step")));
    const auto task = step.args.is_object() ? number_of(step.args.get_object(), "task") : 0;
    if (const auto said = scope_numbers_.find({activation, task}); task != 0 && said != scope_numbers_.end()) {
      step.scope = said->second;
      continue;
    }
    if (step.kind == "limit") continue;  // the whole document's
    const auto from_end = issued.size() - i;
    if (from_end <= begun.size()) {
      step.scope = begun[begun.size() - from_end];
    } else if (failed) {
      step.scope = failed;
    }
  }
}

const executor_view* run_view::owner_of(const wait& step, activation_id activation) const {
  if (step.scope) return &scopes_[*step.scope];
  // A question is called as the task that asks it.
  for (auto each = scopes_.rbegin(); step.kind == "request" && each != scopes_.rend(); ++each) {
    if (each->activation == activation && !each->ended() && each->name == step.name) return &*each;
  }
  for (auto each = scopes_.rbegin(); each != scopes_.rend(); ++each) {
    if (each->activation == activation && !each->ended()) return &*each;
  }
  const auto found = live_.find(activation);
  return found == live_.end() ? nullptr : &activations_[found->second.entry];
}

std::string run_view::owner_name(const wait& step, activation_id activation) const {
  const auto* owner = owner_of(step, activation);
  return owner == nullptr ? std::string{} : owner->name;
}

std::vector<executor_view> run_view::executors() const {
  std::vector<executor_view> out;
  for (const auto& each : activations_) {
    if (!interprets_.contains(each.activation)) out.push_back(each);
  }
  for (auto& each : out) each.status = executor_status(each);
  for (std::size_t i = 0; i < scopes_.size(); ++i) {
    auto& entry = out.emplace_back(scopes_[i]);
    entry.status = in_backoff(i) ? "retrying" : executor_status(entry);
  }
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    constexpr auto never = ~run_seq{0};
    return (a.started_seq == 0 ? never : a.started_seq) < (b.started_seq == 0 ? never : b.started_seq);
  });
  return out;
}

void run_view::look_at(activation_id activation, const std::function<void(const glance&)>& take) const {
  if (const auto entry = entries_.find(activation); entry != entries_.end()) {
    const auto& what = activations_[entry->second];
    take({entry->second, false, &what, executor_status(what)});
  }
  const auto tasks = scopes_of_.find(activation);
  if (tasks == scopes_of_.end()) return;
  const auto state = live_.find(activation);
  const auto waits = [&](std::size_t scope) {
    return state != live_.end() && std::any_of(state->second.pending.begin(), state->second.pending.end(), [&](const auto& each) {
             return each.second.scope == scope && each.second.kind != "limit";
           });
  };
  for (const auto scope : tasks->second) {
    const auto& what = scopes_[scope];
    auto status = in_backoff(scope) ? "retrying" : executor_status(what);
    if (status == "running" && waits(scope)) status = "waiting";
    take({scope, true, &what, std::move(status)});
  }
}

std::vector<timer_view> run_view::timers() const {
  std::vector<timer_view> out;
  if (!run_deadline_.empty() && !ended()) out.push_back({"run_timeout", {}, 0, std::nullopt, run_deadline_});
  for (const auto& [id, each] : live_) {
    const auto& name = activations_[each.entry].name;
    const auto of_attempt = activations_[each.entry].status == "pending" ? "start_timeout" : "attempt_timeout";
    if (!each.start_close_by.empty()) out.push_back({of_attempt, name, id, std::nullopt, each.start_close_by});
    if (!each.close_by.empty()) out.push_back({"executor_timeout", name, id, std::nullopt, each.close_by});
    if (!each.retry_at.empty()) out.push_back({"attempt_retry", name, id, std::nullopt, each.retry_at});
    for (const auto& [step, wait] : each.pending) {
      if (!wait.due.empty() && wait.kind == "limit" && !wait.scope) {
        out.push_back({"run_timeout", {}, 0, std::nullopt, wait.due});
      } else if (!wait.due.empty()) {
        const auto kind = wait.kind == "sleep" ? "sleep" : wait.kind == "limit" ? "task_timeout" : "step_timeout";
        out.push_back({kind, owner_name(wait, id), id, step, wait.due});
      }
      if (!wait.retry_at.empty())
        out.push_back({wait.kind == "poll" ? "poll" : "step_retry", owner_name(wait, id), id, step, wait.retry_at});
    }
  }
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.due < b.due; });
  return out;
}

std::vector<request_view> run_view::requests() const {
  std::vector<request_view> out;
  for (const auto& [id, each] : live_) {
    for (const auto& [step, wait] : each.pending) {
      if (wait.kind != "request") continue;
      const auto* owner = owner_of(wait, id);
      out.push_back({.id = std::to_string(id) + "." + std::to_string(step),
                     .executor = owner == nullptr ? std::string{} : owner->name,
                     .reference = owner == nullptr ? std::string{} : owner->reference,
                     .question = wait.args,
                     .asked_at = wait.since,
                     .due = wait.due});
    }
  }
  for (const auto& [number, job] : jobs_.all()) {
    if (job.asked_at.empty()) continue;
    const auto text = job.error.is_object() ? text_of(job.error.get_object(), "detail") : std::string{};
    out.push_back({"job." + std::to_string(number),
                   job.executor,
                   {},
                   json::object{{"job", number},
                                {"backend", job.backend},
                                {"question", text},
                                {"answers", json::array{json::value("retry"), json::value("fail")}}},
                   job.asked_at,
                   {}});
  }
  return out;
}

json::object run_view::outcome() const {
  return {{"run_id", id_},      {"workflow", workflow_}, {"version", version_},
          {"status", status()}, {"output", output_},     {"error", error_}};
}

json::object run_view::show() const {
  auto out = outcome();
  out.emplace("input", input_);
  out.emplace("key", text_or_null(key_));
  relations_.put(out);
  out.emplace("created_at", text_or_null(created_at_));
  out.emplace("started_at", text_or_null(started_at_));
  out.emplace("ended_at", text_or_null(ended_at_));
  json::array list;
  for (const auto& each : executors()) {
    list.push_back(json::object{{"name", each.name},
                                {"reference", text_or_null(each.reference)},
                                {"activation", each.activation},
                                {"status", each.status},
                                {"attempts", each.attempts},
                                {"started_seq", each.started_seq == 0 ? json::value(nullptr) : json::value(each.started_seq)},
                                {"started_at", text_or_null(each.started_at)},
                                {"ended_at", text_or_null(each.ended_at)},
                                {"input", each.input},
                                {"output", each.output},
                                {"error", each.error},
                                {"progress", each.progress}});
  }
  out.emplace("executors", std::move(list));
  json::array due;
  for (const auto& each : timers()) {
    due.push_back(json::object{{"kind", each.kind},
                               {"executor", text_or_null(each.executor)},
                               {"activation", each.activation == 0 ? json::value(nullptr) : json::value(each.activation)},
                               {"step", each.step ? json::value(*each.step) : json::value(nullptr)},
                               {"due", each.due}});
  }
  out.emplace("timers", std::move(due));
  json::array open;
  for (const auto& each : requests()) {
    open.push_back(json::object{{"id", each.id},
                                {"executor", each.executor},
                                {"question", each.question},
                                {"asked_at", each.asked_at},
                                {"due", text_or_null(each.due)}});
  }
  out.emplace("requests", std::move(open));
  out.emplace("jobs", jobs_.list());
  return out;
}

}  // namespace perdure::tools
