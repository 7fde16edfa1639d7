#include "core/event_json.hpp"

#include "perdure/json.hpp"

namespace perdure::core {

namespace {

json::value text_or_null(const std::string& text) { return text.empty() ? json::value(nullptr) : json::value(text); }

template <class T>
std::string_view enum_name(T value) {
  return boost::describe::enum_to_string(value, "unknown");
}

void put(json::object& out, std::string_view name, const std::optional<timestamp>& at) {
  if (at) out.emplace(name, to_string(*at));
}
void put(json::object& out, std::string_view name, const std::string& text) {
  if (!text.empty()) out.emplace(name, text);
}
void put(json::object& out, std::string_view name, const payload& value) {
  if (!value.is_null()) out.emplace(name, value.value());
}
template <detail::optional_like T>
requires std::same_as<typename T::value_type, failure>
void put(json::object& out, std::string_view name, const T& why) {
  if (why) out.emplace(name, failure_to_json(*why));
}
template <class T, class F>
void put_list(json::object& out, std::string_view name, const std::vector<T>& items, F each) {
  if (items.empty()) return;
  json::array list;
  list.reserve(items.size());
  for (const auto& item : items) list.push_back(each(item));
  out.emplace(name, std::move(list));
}

/// "output" on success, else "error".
void put_outcome(json::object& out, const outcome& result) {
  if (result.error) {
    put(out, "error", result.error);
  } else {
    out.emplace("output", result.value.value());
  }
}

json::object of_output(const output& what) {
  json::object out{{"kind", enum_name(what.kind)}};
  put(out, "name", what.name);
  put(out, "reference", what.reference);
  const bool is_scope = what.kind == output_kind::scope_start || what.kind == output_kind::scope_end;
  if (is_scope) out.emplace("number", what.number);
  if (what.attempt != 0) out.emplace("attempt", what.attempt);
  put(out, "target", what.target);
  if (what.error) {
    put(out, "error", what.error);
  } else {
    out.emplace("value", what.value.value());
  }
  return out;
}

json::object of_done(const step_done& step) {
  json::object out{{"step", step.ordinal}, {"kind", enum_name(step.kind)}, {"name", step.name}};
  put_outcome(out, step.result);
  return out;
}

json::object of_issued(const step_issued& step) {
  json::object out{{"step", step.ordinal}, {"kind", enum_name(step.kind)}, {"name", step.name}};
  put(out, "args", step.args);
  put(out, "due", step.due);
  return out;
}

json::object of_scheduled(const scheduled& next, const turn& in) {
  json::object out{{"activation", next.id}, {"executor", next.executor}, {"message", next.message}};
  if (next.output && *next.output < in.outputs.size()) {
    put(out, "input", in.outputs[*next.output].value);
  } else {
    put(out, "input", next.value);
  }
  if (next.explicit_start) out.emplace("explicit_start", true);
  put(out, "start_by", next.start_by);
  put(out, "close_by", next.close_by);
  return out;
}

json::object members(const run_started& e) {
  json::object out{{"workflow", e.workflow}, {"version", e.version}, {"definition_hash", e.definition_hash},
                   {"message", e.message},   {"start", e.start},     {"input", e.input.value()}};
  put(out, "key", e.key);
  put(out, "tenant", e.tenant);
  put(out, "trace", e.trace);
  put(out, "deadline", e.deadline);
  put(out, "start_by", e.start_by);
  put(out, "close_by", e.close_by);
  if (e.explicit_start) out.emplace("explicit_start", true);
  if (e.parent) out.emplace("parent", e.parent->run.str());
  return out;
}

json::object members(const turn& e) {
  json::object out{{"activation", e.activation}, {"attempt", e.attempt}};
  put_list(out, "done", e.done, of_done);
  put_list(out, "issued", e.issued, of_issued);
  put_list(out, "cancelled", e.cancelled, [](step_ordinal step) { return json::value(step); });
  put_list(out, "outputs", e.outputs, of_output);
  put_list(out, "joins", e.joins, [](const buffered& join) {
    return json::object{{"group", join.group}, {"output", join.output}};
  });
  put_list(out, "activations", e.activations, [&](const scheduled& next) { return of_scheduled(next, e); });
  if (e.waits) out.emplace("waits", true);
  out.emplace("finished", e.finished);
  return out;
}

json::object members(const step_completed& e) {
  json::object out{{"activation", e.activation}, {"step", e.ordinal}};
  put_outcome(out, e.result);
  put(out, "command_id", e.command_id);
  if (e.signal) out.emplace("signal", *e.signal);
  return out;
}

json::object members(const step_retrying& e) {
  json::object out{{"activation", e.activation},     {"attempt", e.attempt}, {"step", e.ordinal},
                   {"step_kind", enum_name(e.step)}, {"name", e.name},       {"tries", e.tries}};
  put(out, "error", e.error);
  out.emplace("retry_at", to_string(e.retry_at));
  if (e.waits) out.emplace("waits", true);
  return out;
}

json::object members(const step_resumed& e) { return {{"activation", e.activation}, {"step", e.ordinal}}; }

json::object members(const attempt_started& e) {
  json::object out{{"activation", e.activation}, {"attempt", e.attempt}, {"kept_outcomes", e.keep}};
  put(out, "close_by", e.close_by);
  if (e.heartbeat) out.emplace("heartbeat_us", e.heartbeat->count());
  return out;
}

json::object members(const attempt_failed& e) {
  json::object out{{"activation", e.activation}, {"attempt", e.attempt}, {"error", failure_to_json(e.error)}};
  put(out, "retry_at", e.retry_at);
  return out;
}

json::object members(const signal_received& e) {
  json::object out{{"name", e.name}, {"value", e.value.value()}};
  put(out, "command_id", e.command_id);
  return out;
}

json::object members(const cancel_requested& e) {
  json::object out;
  put(out, "reason", e.reason);
  put(out, "command_id", e.command_id);
  out.emplace("as", enum_name(e.as));
  out.emplace("grace_until", to_string(e.grace_until));
  put(out, "error", e.error);
  return out;
}

json::object with_command(const std::string& command_id) {
  json::object out;
  put(out, "command_id", command_id);
  return out;
}
json::object members(const run_paused& e) { return with_command(e.command_id); }
json::object members(const run_resumed& e) { return with_command(e.command_id); }

json::object members(const run_ended& e) {
  json::object out{{"status", enum_name(e.status)}, {"output", e.output.value()}};
  put(out, "error", e.error);
  if (e.successor) {
    out.emplace("successor", e.successor->str());
    out.emplace("message", e.message);
    out.emplace("input", e.input.value());
  }
  return out;
}

json::object members(const suspect_marked& e) {
  json::object out{{"marks", e.marks}};
  put_list(out, "activations", e.activations, [](activation_id id) { return json::value(id); });
  return out;
}

json::object members(const warning& e) { return {{"code", e.code}, {"text", e.text}}; }

json::object members(const progress_noted& e) {
  return {{"activation", e.activation}, {"attempt", e.attempt}, {"progress", e.value.value()}};
}

/// The taken-over state is told in short; what it holds is seen in the source run's own events.
json::object members(const run_restored& e) {
  json::object out{{"source", e.source.str()}, {"source_seq", e.source_seq}, {"link", enum_name(e.link)}};
  const auto state = decode_state(e.state, nullptr);
  if (!state) return out;
  out.emplace("workflow", state->workflow);
  out.emplace("version", state->version);
  out.emplace("definition_hash", state->definition_hash);
  out.emplace("input", state->input.value());
  json::array live;
  for (const auto& [id, each] : state->activations) {
    live.push_back(
        json::object{{"activation", id}, {"executor", each.executor}, {"message", each.message}, {"input", each.value.value()}});
  }
  out.emplace("activations", std::move(live));
  json::array children;
  for (const auto& [id, each] : state->children) {
    json::object child{{"child", id.str()},
                       {"run", each.run.str()},
                       {"workflow", each.workflow},
                       {"start", each.start},
                       {"background", each.background},
                       {"close", static_cast<std::uint64_t>(each.close)},
                       {"stage", enum_name(each.stage)},
                       {"status", enum_name(each.status)}};
    put(child, "error", each.error);
    children.push_back(std::move(child));
  }
  if (!children.empty()) out.emplace("children", std::move(children));
  return out;
}

json::object members(const message_delivered& e) {
  json::object out{{"number", e.number}, {"to", e.to.str()}};
  put(out, "error", e.error);
  return out;
}

json::object members(const child_ended& e) {
  json::object out{{"child", e.child.str()}, {"status", enum_name(e.status)}, {"output", e.output.value()}};
  put(out, "error", e.error);
  return out;
}

json::object members(const compensation_started& e) {
  return {{"activation", e.what.id},
          {"compensates_with", e.what.executor},
          {"message", e.what.message},
          {"input", e.what.value.value()}};
}

json::object members(const grace_passed& e) { return {{"fenced", e.fenced}}; }

json::object members(const request_answered& e) {
  json::object out{{"asked_by", e.asked_by.str()}, {"request", e.id}, {"answer", e.answer.value()}};
  put(out, "command_id", e.command_id);
  return out;
}

json::object members(const job_noted& e) {
  json::object out{{"job", e.number}, {"stage", enum_name(e.now.stage)}};
  put(out, "id", e.now.id);
  out.emplace("status", enum_name(e.now.status));
  put(out, "raw", e.now.raw);
  put(out, "progress", e.now.progress);
  if (e.now.submission > 1) out.emplace("submission", e.now.submission);
  if (e.now.tries > 0) out.emplace("tries", e.now.tries);
  if (e.now.cancel_wanted) out.emplace("cancel_wanted", true);
  if (asks(e.now)) out.emplace("asks", true);
  put(out, "look_at", e.now.look_at);
  put(out, "error", e.now.error);
  return out;
}

json::object members(const job_ended& e) {
  json::object out{{"job", e.number}, {"status", enum_name(e.end.status)}};
  put(out, "raw", e.end.raw);
  if (e.end.exit_code) out.emplace("exit_code", *e.end.exit_code);
  put(out, "result", e.end.result);
  put(out, "error", e.end.error);
  return out;
}

}  // namespace

json::object failure_to_json(const failure& why) {
  json::object out{
      {"type", text_or_null(why.type)},         {"status", why.status == 0 ? json::value(nullptr) : json::value(why.status)},
      {"title", text_or_null(why.title)},       {"detail", why.message},
      {"instance", text_or_null(why.instance)}, {"code", why.code},
      {"executor", text_or_null(why.executor)}, {"attempt", why.attempt == 0 ? json::value(nullptr) : json::value(why.attempt)}};
  if (!why.causes.empty()) {
    json::array causes;
    for (const auto& each : why.causes) causes.push_back(failure_to_json(each));
    out.emplace("causes", std::move(causes));
  }
  return out;
}

json::object event_to_json(const event& what) {
  return std::visit([](const auto& each) { return members(each); }, what);
}

std::string_view name_of(event_kind kind) noexcept { return enum_name(kind); }

activation_id activation_of(const event& what) noexcept {
  return std::visit(
      [](const auto& each) -> activation_id {
        if constexpr (requires { each.activation; }) {
          return each.activation;
        } else if constexpr (std::is_same_v<std::remove_cvref_t<decltype(each)>, compensation_started>) {
          return each.what.id;
        } else {
          return 0;
        }
      },
      what);
}

void executor_names::learn(const event& what) {
  if (const auto* first = std::get_if<run_started>(&what)) {
    names_[1] = first->start;
  } else if (const auto* step = std::get_if<turn>(&what)) {
    for (const auto& next : step->activations) names_[next.id] = next.executor;
  } else if (const auto* undoing = std::get_if<compensation_started>(&what)) {
    names_[undoing->what.id] = undoing->what.executor;
  } else if (const auto* restored = std::get_if<run_restored>(&what)) {
    if (const auto state = decode_state(restored->state, nullptr)) learn(*state);
  }
}

void executor_names::learn(const run_state& state) {
  for (const auto& [id, each] : state.activations) names_[id] = each.executor;
}

std::string executor_names::of(const event& what) const {
  if (const auto* note = std::get_if<warning>(&what)) return note->executor;
  const auto found = names_.find(activation_of(what));
  return found == names_.end() ? std::string{} : found->second;
}

run_event to_run_event(const record& stored, const event& what, executor_names& names) {
  names.learn(what);
  return {stored.lsn,     stored.run,         stored.seq, stored.time, std::string{name_of(stored.kind)},
          names.of(what), event_to_json(what)};
}

json::object line_of(const run_event& event) {
  json::object out;
  out.reserve(5 + event.data.size());
  out.emplace("lsn", event.lsn);
  out.emplace("seq", event.seq);
  out.emplace("time", to_string(event.time));
  out.emplace("kind", event.kind);
  out.emplace("executor", event.executor.empty() ? json::value(nullptr) : json::value(event.executor));
  for (const auto& [name, value] : event.data) out.emplace(name, value);
  return out;
}

}  // namespace perdure::core
