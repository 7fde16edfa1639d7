#include "core/links.hpp"

#include <algorithm>

#include "core/record.hpp"
#include "perdure/limits.hpp"

namespace perdure::core {

namespace {

std::string text_of(const json::object& from, std::string_view name) {
  const auto* found = from.if_contains(name);
  return found != nullptr && found->is_string() ? std::string{found->get_string()} : std::string{};
}
bool flag_of(const json::object& from, std::string_view name) {
  const auto* found = from.if_contains(name);
  return found != nullptr && found->is_bool() && found->get_bool();
}
std::int64_t number_of(const json::object& from, std::string_view name) {
  const auto* found = from.if_contains(name);
  if (found == nullptr) return 0;
  if (found->is_uint64()) return static_cast<std::int64_t>(found->get_uint64());
  return found->is_int64() ? found->get_int64() : 0;
}

/// Stored text may be damaged: it is read with care.
json::value value_of(const payload& stored) {
  const auto read = payload::parse_text(stored.text());
  return read ? read->value() : json::value{};
}

/// A UUIDv7 (RFC 9562) of the time whose other bits follow from the step, so that a step starts one run.
run_id derived_id(const run_id& parent, std::string_view place, timestamp now) {
  const std::string_view parent_bytes{reinterpret_cast<const char*>(parent.bytes.data()), parent.bytes.size()};
  const auto hash = sha256({parent_bytes, place});
  const auto millisecond =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count());
  run_id out;
  for (std::size_t i = 0; i < 6; ++i) out.bytes[i] = static_cast<std::uint8_t>(millisecond >> (40U - 8 * i));
  for (std::size_t i = 6; i < out.bytes.size(); ++i) out.bytes[i] = hash[i];
  out.bytes[6] = static_cast<std::uint8_t>(0x70U | (out.bytes[6] & 0x0FU));
  out.bytes[8] = static_cast<std::uint8_t>(0x80U | (out.bytes[8] & 0x3FU));
  return out;
}

bool asks_for(const child_record& have, const child_request& wanted) {
  return have.workflow == wanted.workflow && have.start == wanted.start && have.message == wanted.message &&
         have.input == wanted.input;
}

std::string place_text(activation_id activation, step_ordinal ordinal) {
  return std::to_string(activation) + "/" + std::to_string(ordinal);
}

void send(run_state& state, outgoing what) {
  const auto number = state.next_outgoing++;
  state.outbox_to[what.to].insert(number);
  state.outbox.emplace(number, std::move(what));
}

void send_start(run_state& state, const run_id& known_as, const child_record& child) {
  send(state, {.kind = outgoing_kind::start_child, .to = child.run, .id = child.run.str(), .child = known_as});
}

/// Whoever waits for the child looks again.
void note_child(run_state& state, const run_id& id) {
  const auto waiters = state.child_waiters.find(id);
  if (waiters == state.child_waiters.end()) return;
  for (const auto& [activation, ordinal] : waiters->second) {
    const auto& step = state.activations.at(activation).pending.at(ordinal);
    if (answer_of(state, activation, step)) state.ready_waiters.insert({activation, ordinal});
  }
}

void over(run_state& state, child_record& child) {
  if (child.live() && child.close == parent_close::wait) --state.awaited_children;
}

std::optional<run_id> child_of(const pending_step& step) {
  if (step.kind != step_kind::child && step.kind != step_kind::child_result) return std::nullopt;
  const auto args = value_of(step.args);
  return args.is_object() ? run_id::parse(text_of(args.get_object(), "run")) : std::nullopt;
}

failure why_of(const child_record& child) {
  failure out{.code = std::string{failure_code::child_failed},
              .message = "child " + child.run.str() + " of workflow \"" + child.workflow + "\" ended as " +
                         std::string{to_string(child.status)}};
  if (child.error) {
    out.message += ": " + child.error->message;
    out.causes.push_back(*child.error);
  }
  return out;
}

std::vector<carried_request>::iterator carried_at(run_state& state, activation_id activation, step_ordinal ordinal) {
  return std::find_if(state.carried.begin(), state.carried.end(),
                      [&](const auto& each) { return each.activation == activation && each.ordinal == ordinal; });
}

std::string hash_text(const digest& hash) { return {reinterpret_cast<const char*>(hash.data()), hash.size()}; }

/// The first state of the run that goes on from a continued one: what nobody has consumed moves along.
run_state successor_state(run_state& from, const run_ended& how) {
  run_state next;
  next.id = *how.successor;
  next.workflow = from.workflow;
  next.version = from.version;
  next.definition_hash = from.definition_hash;
  next.tenant = from.tenant;
  // The key goes along: whoever comes with it and the same input is led to the run that goes on.
  next.key = from.key;
  if (!from.key.empty())
    next.key_input = from.key_input.empty() ? hash_text(input_hash(from.message, from.input.text())) : from.key_input;
  next.status = run_status::running;
  next.message = how.message;
  next.input = how.input;
  next.start = from.start;
  next.parent = from.parent;
  next.trace = from.trace;
  next.deadline_at = from.deadline_at;
  next.source = from.id;
  next.link = restore_link::continued;
  next.signals = std::move(from.signals);
  next.next_signal = from.next_signal;
  next.command_ids = from.command_ids;
  next.children = from.children;
  next.next_outgoing = from.next_outgoing;
  for (auto at = from.jobs.begin(); at != from.jobs.end();) {
    const bool goes_on = at->second.live();
    if (goes_on) next.jobs.insert(*at);
    at = goes_on ? from.jobs.erase(at) : std::next(at);
  }
  next.next_job = from.next_job;
  for (auto& [number, message] : from.outbox) {
    message.activation = 0;
    next.outbox.emplace(number, std::move(message));
  }
  for (auto& each : from.carried) {
    each.activation = 0;
    next.carried.push_back(std::move(each));
  }
  for (const auto& [id, in] : from.activations) {
    for (const auto& [ordinal, step] : in.pending) {
      if (step.kind != step_kind::request) continue;
      const auto known =
          std::any_of(next.carried.begin(), next.carried.end(), [&](const auto& each) { return each.question == step.args; });
      if (known) continue;
      next.carried.push_back({.asked_by = from.id,
                              .id = std::to_string(id) + "." + std::to_string(ordinal),
                              .executor = in.executor,
                              .question = step.args,
                              .asked_at = step.since});
    }
  }
  activation first{
      .id = 1, .executor = from.start, .message = how.message, .value = how.input, .status = activation_status::pending};
  first.attempt = 0;
  first.start_by = how.start_by;
  first.close_by = how.close_by;
  next.activations.emplace(1, std::move(first));
  next.next_activation = 2;
  return next;
}

}  // namespace

std::optional<child_request> read_child_request(const payload& args) {
  const auto value = value_of(args);
  if (!value.is_object()) return std::nullopt;
  const auto& from = value.get_object();
  child_request out;
  if (const auto id = run_id::parse(text_of(from, "run"))) out.run = *id;
  out.workflow = text_of(from, "workflow");
  out.version = text_of(from, "version");
  out.definition_hash = text_of(from, "definition_hash");
  out.start = text_of(from, "start");
  out.message = text_of(from, "message");
  if (const auto* input = from.if_contains("input")) out.input = payload{*input};
  out.awaits = flag_of(from, "await");
  out.background = flag_of(from, "background");
  out.fails_run = flag_of(from, "fails_run");
  out.timeout = duration{number_of(from, "timeout_us")};
  const auto close = number_of(from, "close");
  if (out.workflow.empty() || close < 1 || close > 3) return std::nullopt;
  out.close = static_cast<parent_close>(close);
  return out;
}

boost::system::result<payload, failure> place_child(const run_state& state, activation_id activation, step_ordinal ordinal,
                                                    const payload& args, timestamp now) {
  auto wanted = read_child_request(args);
  if (!wanted) return failure{.code = std::string{failure_code::bad_message}, .message = "a malformed request for a child"};
  auto value = args.value();
  auto& object = value.get_object();
  if (wanted->background) {
    object["workflow"] = wanted->workflow = state.workflow;
    object["version"] = state.version;
    object["definition_hash"] = state.definition_hash;
  }
  // An earlier attempt may have been here: the same request is the same child, another one is another.
  for (const auto& [id, have] : state.children) {
    if (have.activation != activation || have.ordinal != ordinal || have.stage == child_stage::refused) continue;
    if (!asks_for(have, *wanted)) continue;
    object["run"] = id.str();
    return payload{value};
  }
  if (state.children.size() >= limits::run_children) {
    return failure{.code = std::string{failure_code::limit},
                   .message = "the run has started " + std::to_string(limits::run_children) +
                              " children (limit run_children): continue_as_new, or let children have children"};
  }
  std::uint32_t salt = 0;
  auto place = place_text(activation, ordinal);
  auto id = derived_id(state.id, place, now);
  while (state.children.contains(id)) id = derived_id(state.id, place + "/" + std::to_string(++salt), now);
  object["run"] = id.str();
  return payload{value};
}

void watch_step(run_state& state, activation_id activation, const pending_step& step) {
  const step_place place{activation, step.ordinal};
  switch (step.kind) {
    case step_kind::signal:
    case step_kind::signals: state.signal_waiters[step.name].insert({step.since, place}); break;
    case step_kind::state: state.state_readers.insert(place); break;
    case step_kind::child:
    case step_kind::child_result:
      if (const auto id = child_of(step)) state.child_waiters[*id].insert(place);
      if (answer_of(state, activation, step)) state.ready_waiters.insert(place);
      break;
    case step_kind::request:
      if (answer_of(state, activation, step)) state.ready_waiters.insert(place);
      break;
    case step_kind::job:
      if (const auto number = job_of(step.args)) state.job_waiters[*number].insert(place);
      if (answer_of(state, activation, step)) state.ready_waiters.insert(place);
      break;
    default: break;
  }
}

void unwatch_step(run_state& state, activation_id activation, const pending_step& step) {
  const step_place place{activation, step.ordinal};
  state.ready_waiters.erase(place);
  switch (step.kind) {
    case step_kind::signal:
    case step_kind::signals: {
      const auto waiters = state.signal_waiters.find(step.name);
      waiters->second.erase({step.since, place});
      if (waiters->second.empty()) state.signal_waiters.erase(waiters);
      break;
    }
    case step_kind::state: state.state_readers.erase(place); break;
    case step_kind::child:
    case step_kind::child_result:
      if (const auto id = child_of(step)) {
        const auto waiters = state.child_waiters.find(*id);
        waiters->second.erase(place);
        if (waiters->second.empty()) state.child_waiters.erase(waiters);
      }
      break;
    case step_kind::job:
      if (const auto number = job_of(step.args)) {
        const auto waiters = state.job_waiters.find(*number);
        waiters->second.erase(place);
        if (waiters->second.empty()) state.job_waiters.erase(waiters);
      }
      break;
    case step_kind::request:
      // The question stays open for whoever asks it next.
      if (const auto at = carried_at(state, activation, step.ordinal); at != state.carried.end()) at->activation = 0;
      break;
    default: break;
  }
}

std::optional<outcome> answer_of(const run_state& state, activation_id activation, const pending_step& step) {
  if (step.kind == step_kind::request) {
    for (const auto& each : state.carried) {
      if (each.activation == activation && each.ordinal == step.ordinal && each.answer)
        return outcome{*each.answer, std::nullopt};
    }
    return std::nullopt;
  }
  if (step.kind == step_kind::job) return job_answer(state, step);
  const auto id = child_of(step);
  if (!id) return std::nullopt;
  const auto found = state.children.find(*id);
  if (found == state.children.end()) {
    return outcome{
        {}, failure{.code = std::string{failure_code::child_failed}, .message = "run " + id->str() + " is no child of this run"}};
  }
  const auto& child = found->second;
  if (child.stage == child_stage::refused) {
    auto why = child.error.value_or(failure{});
    return outcome{{}, std::move(why)};
  }
  const auto request = step.kind == step_kind::child ? read_child_request(step.args) : std::nullopt;
  if (request && !request->awaits) {
    if (child.stage == child_stage::starting) return std::nullopt;
    return outcome{payload{json::value{{"run_id", id->str()}}}, std::nullopt};
  }
  if (child.stage != child_stage::ended) return std::nullopt;
  if (child.status == run_status::succeeded) return outcome{child.output, std::nullopt};
  return outcome{{}, why_of(child)};
}

std::optional<std::string> begin_link(run_state& state, activation_id activation, const step_issued& step) {
  if (step.kind == step_kind::request) {
    for (auto& each : state.carried) {
      if (each.activation != 0 || each.question != step.args) continue;
      each.activation = activation;
      each.ordinal = step.ordinal;
      break;
    }
    return std::nullopt;
  }
  if (step.kind == step_kind::child) {
    auto request = read_child_request(step.args);
    if (!request || request->run.is_nil()) return "a child step without a child";
    if (state.children.contains(request->run)) return std::nullopt;
    const auto id = request->run;
    auto& made = state.children[id] = {.run = id,
                                       .activation = activation,
                                       .ordinal = step.ordinal,
                                       .workflow = std::move(request->workflow),
                                       .version = std::move(request->version),
                                       .definition_hash = std::move(request->definition_hash),
                                       .start = std::move(request->start),
                                       .message = std::move(request->message),
                                       .input = std::move(request->input),
                                       .close = request->close,
                                       .background = request->background,
                                       .fails_run = request->fails_run,
                                       .timeout = request->timeout};
    if (made.close == parent_close::wait) ++state.awaited_children;
    send_start(state, id, made);
    return std::nullopt;
  }
  if (step.kind != step_kind::tell) return std::nullopt;
  const auto args = value_of(step.args);
  const auto* what = args.if_object();
  const auto to = what == nullptr ? std::nullopt : run_id::parse(text_of(*what, "to"));
  if (!to) return "a message to no run";
  const bool cancels = text_of(*what, "what") == "cancel";
  const auto* value = what->if_contains("value");
  // A child may run under another id than the one its parent knows.
  const auto child = state.children.find(*to);
  send(state, {.kind = cancels ? outgoing_kind::cancel : outgoing_kind::signal,
               .to = child == state.children.end() ? *to : child->second.run,
               .id = state.id.str() + "/" + place_text(activation, step.ordinal),
               .activation = activation,
               .ordinal = step.ordinal,
               .name = text_of(*what, "name"),
               .value = value == nullptr ? payload{} : payload{*value}});
  return std::nullopt;
}

void take_delivered(run_state& state, const message_delivered& what) {
  const auto at = state.outbox.find(what.number);
  if (at == state.outbox.end()) return;
  const auto gone = std::move(at->second);
  state.outbox.erase(at);
  auto& same = state.outbox_to[gone.to];
  same.erase(what.number);
  if (same.empty()) state.outbox_to.erase(gone.to);
  if (gone.kind != outgoing_kind::start_child) return;
  const auto child = state.children.find(gone.child);
  if (child == state.children.end() || child->second.stage != child_stage::starting) return;
  if (what.error) {
    over(state, child->second);
    child->second.stage = child_stage::refused;
    child->second.status = run_status::failed;
    child->second.error = what.error;
    child->second.input = {};
  } else {
    child->second.stage = child_stage::running;
  }
  note_child(state, gone.child);
}

bool end_child(run_state& state, const child_ended& what) {
  const auto at = state.children.find(what.child);
  if (at == state.children.end() || !at->second.live()) return false;
  auto& child = at->second;
  over(state, child);
  child.stage = child_stage::ended;
  child.status = what.status;
  child.output = what.output;
  child.error = what.error;
  // One whose failure fails the run is started again when the run is retried.
  if (!child.fails_run || what.status == run_status::succeeded) child.input = {};
  if (child.fails_run && what.status != run_status::succeeded && !state.error && !state.ending_as) state.error = why_of(child);
  note_child(state, what.child);
  return true;
}

void cancel_children(run_state& state, std::string_view reason, bool waited_too) {
  for (auto& [id, child] : state.children) {
    if (!child.live() || child.cancel_sent || child.close == parent_close::abandon) continue;
    if (child.close == parent_close::wait && !waited_too) continue;
    child.cancel_sent = true;
    send(state, {.kind = outgoing_kind::cancel,
                 .to = child.run,
                 .id = state.id.str() + "/cancel/" + id.str(),
                 .name = std::string{reason}});
  }
}

void settle_links(run_state& state, const run_ended& how, timestamp at) {
  if (how.status == run_status::continued_as_new && how.successor) {
    auto next = successor_state(state, how);
    next.created_at = at;
    next.updated_at = at;
    next.activations.at(1).scheduled_at = at;
    next.activations.at(1).began_at = at;
    state.outbox.clear();
    state.outbox_to.clear();
    state.successor = how.successor;
    auto bytes = encode_state(next, nullptr);
    send(state, {.kind = outgoing_kind::continue_run,
                 .to = *how.successor,
                 .id = how.successor->str(),
                 .state = bytes ? std::move(*bytes) : std::string{},
                 .newest = how.newest});
    return;
  }
  cancel_children(state, "the parent run has ended", true);
  if (state.parent) {
    send(state, {.kind = outgoing_kind::child_end,
                 .to = state.parent->run,
                 .id = state.parent->child.str(),
                 .child = state.parent->child,
                 .value = how.output,
                 .status = how.status,
                 .error = how.error});
  }
}

run_id successor_id(const run_state& state, timestamp now) { return derived_id(state.id, "successor", now); }

void adopt_children(run_state& state, timestamp now) {
  state.outbox.clear();
  state.outbox_to.clear();
  for (auto& [id, child] : state.children) {
    const bool failed_us = child.fails_run && child.stage == child_stage::ended && child.status != run_status::succeeded;
    if (!child.live() && !failed_us) continue;
    child.status = run_status::scheduled;
    child.error.reset();
    child.run = derived_id(state.id, "adopted/" + id.str(), now);
    child.stage = child_stage::starting;
    child.cancel_sent = false;
    send_start(state, id, child);
  }
}

}  // namespace perdure::core
