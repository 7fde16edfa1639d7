#include "tools/gateway/service_frames.hpp"

#include "tools/gateway/answers.hpp"
#include "tools/gateway/service_run.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::gateway {

namespace {

std::string frame_text(std::string_view event, const std::string& run, json::object data) {
  return "data: " +
         json_text(json::object{{"event", event}, {"task_id", run}, {"workflow_run_id", run}, {"data", std::move(data)}}) + "\n";
}

json::object finished_members(const run_view& run) {
  auto data = service_data(run);
  data.emplace("exceptions_count", handled_errors(run));
  data.emplace("files", json::array{});
  return data;
}

double seconds_between(const std::string& from, const std::string& to) {
  const auto begin = parse_timestamp(from), end = parse_timestamp(to);
  return begin && end ? std::chrono::duration<double>(*end - *begin).count() : 0.0;
}

json::value text_or_null(const std::string& text) { return text.empty() ? json::value(nullptr) : json::value(text); }

json::object as_object(const json::value& what) {
  if (what.is_object()) return what.get_object();
  if (what.is_null()) return {};
  return {{"value", what}};
}

}  // namespace

std::string finished_frame(const run_view& run) { return frame_text("workflow_finished", run.id(), finished_members(run)); }

void service_frames::put(frames& to, std::string_view event, json::object data) const {
  to.texts.push_back(frame_text(event, run_.id(), std::move(data)));
}

void service_frames::put_rounds(frames& to, const service_node& of, std::string_view what, json::object data) const {
  if (of.does == rounds::none) return;
  put(to, (of.does == rounds::loop ? "loop_" : "iteration_") + std::string{what}, std::move(data));
}

std::string_view service_frames::type_of(const service_node& of) {
  return of.does == rounds::loop ? "loop" : of.does == rounds::iteration ? "iteration" : "task";
}

json::object service_frames::members(const service_node& of) const {
  return {{"id", of.id},
          {"node_id", of.reference},
          {"node_type", type_of(of)},
          {"title", of.name},
          {"index", of.index},
          {"predecessor_node_id", text_or_null(of.predecessor)},
          {"inputs", as_object(of.input)},
          {"created_at", unix_seconds(of.started_at)},
          {"iteration_id", text_or_null(of.iteration)},
          {"loop_id", text_or_null(of.loop)}};
}

json::object service_frames::end_members(const service_node& of, std::string_view status, const json::value& output,
                                         const json::value& error, const std::string& at) const {
  auto data = members(of);
  data.emplace("outputs", as_object(output));
  data.emplace("process_data", json::object{});
  data.emplace("status", status);
  data.emplace("error", error.is_null() ? json::value(nullptr) : json::value(error_text(error)));
  data.emplace("elapsed_time", seconds_between(of.started_at, at));
  data.emplace("execution_metadata", json::object{{"total_tokens", 0}, {"total_price", "0"}, {"currency", "USD"}});
  data.emplace("finished_at", unix_seconds(at));
  data.emplace("files", json::array{});
  return data;
}

void service_frames::end_node(frames& to, service_node& which, std::string_view status, const json::value& output,
                              const json::value& error, const std::string& at) {
  which.ended = true;
  which.failed.reset();
  last_ended_ = which.reference;
  auto data = end_members(which, status, output, error, at);
  auto rounds = data;
  rounds.emplace("steps", which.round);
  put_rounds(to, which, "completed", std::move(rounds));
  put(to, "node_finished", std::move(data));
}

/// Failed tries that another task follows were handled.
void service_frames::settle(frames& to, const service_node* but_for) {
  for (auto& each : nodes_) {
    if (!each.failed || &each == but_for) continue;
    const auto failed = *each.failed;
    end_node(to, each, "exception", nullptr, failed.error, failed.at);
  }
}

void service_frames::scope_started(frames& to, const run_event& event, const json::object& what) {
  const auto number = number_of(what, "number"), attempt = number_of(what, "attempt");
  const auto reference = text_of(what, "reference");
  for (std::size_t i = nodes_.size(); attempt > 1 && i-- > 0;) {
    auto& again = nodes_[i];
    if (again.reference != reference || !again.failed || again.failed->attempt + 1 != attempt) continue;
    auto data = end_members(again, "failed", nullptr, again.failed->error, again.failed->at);
    data.emplace("retry_index", attempt - 2);
    again.failed.reset();
    put(to, "node_retry", std::move(data));
    by_number_[number] = i;
    return;
  }
  settle(to, nullptr);
  by_number_[number] = nodes_.size();
  nodes_.push_back({.id = run_.id() + "-" + std::to_string(number),
                    .name = text_of(what, "name"),
                    .reference = reference,
                    .started_at = to_string(event.time),
                    .predecessor = last_ended_,
                    .input = value_of(what, "value"),
                    .index = nodes_.size() + 1});
  auto& node = nodes_.back();
  find_rounds(node);
  tell_round(to, node, node.started_at);
  put(to, "node_started", members(node));
  put_rounds(to, node, "started", members(node));
}

void service_frames::find_rounds(service_node& of) const {
  boost::system::error_code bad;
  const auto* found = how_.document ? how_.document->find_pointer(of.reference, bad) : nullptr;
  const auto* task = found == nullptr ? nullptr : found->if_object();
  if (task == nullptr) return;
  if (task->contains("for")) {
    of.does = task->contains("while") ? rounds::loop : rounds::iteration;
    of.body = of.reference + "/do";
    return;
  }
  // That of a subscription stands deeper.
  for (const auto* where : {"/foreach", "/with/subscription/foreach"}) {
    const auto* each = found->find_pointer(where, bad);
    if (each == nullptr) continue;
    of.does = rounds::iteration;
    of.body = of.reference + where + "/do";
  }
}

/// The rounds that a task belongs to, and that one begins, if the task is its first.
void service_frames::tell_round(frames& to, service_node& next, const std::string& at) {
  bool innermost = true;
  for (auto around = nodes_.rbegin(); around != nodes_.rend(); ++around) {
    if (around->does == rounds::none || around->ended || !next.reference.starts_with(around->body + "/")) continue;
    auto& id = around->does == rounds::loop ? next.loop : next.iteration;
    if (id.empty()) id = around->id;
    if (!std::exchange(innermost, false)) continue;
    const auto first = around->body + "/0/";
    if (!next.reference.starts_with(first) || next.reference.find('/', first.size()) != std::string::npos) continue;
    put_rounds(to, *around, "next",
               {{"id", around->id},
                {"node_id", around->reference},
                {"node_type", type_of(*around)},
                {"title", around->name},
                {"index", around->round++},
                {"created_at", unix_seconds(at)}});
  }
}

void service_frames::put_log(frames& to, const service_node& of, std::string id, std::string label, std::string_view status,
                             json::object data, const json::value& error) const {
  put(to, "agent_log",
      {{"node_execution_id", of.id},
       {"id", std::move(id)},
       {"label", std::move(label)},
       {"parent_id", nullptr},
       {"error", error.is_null() ? json::value(nullptr) : json::value(error_text(error))},
       {"status", status},
       {"data", std::move(data)},
       {"metadata", json::object{}},
       {"node_id", of.reference}});
}

void service_frames::tell_told(frames& to, const run_event& event) {
  const auto& progress = value_of(event.data, "progress");
  if (!progress.is_object()) return;
  const auto found = by_number_.find(number_of(progress.get_object(), "task"));
  if (found == by_number_.end()) return;
  const auto& node = nodes_[found->second];
  for (const auto& each : list_of(progress.get_object(), "told")) {
    if (!each.is_object()) continue;
    const auto text = text_of(each.get_object(), "text"), note = text_of(each.get_object(), "note");
    if (!text.empty()) put(to, "text_chunk", {{"text", text}, {"from_variable_selector", json::array{node.reference, "text"}}});
    if (!note.empty()) put_log(to, node, node.id + "-" + std::to_string(++notes_), note, "success", {}, nullptr);
  }
}

/// One entry of the log for each job, which is told again as it changes.
void service_frames::tell_job(frames& to, const run_event& event) {
  for (const auto& each : list_of(event.data, "issued")) {
    if (!each.is_object() || text_of(each.get_object(), "kind") != "job") continue;
    const auto& args = value_of(each.get_object(), "args");
    const auto& asked = args.is_object() ? value_of(args.get_object(), "ask") : args;
    if (!asked.is_object()) continue;
    for (std::size_t i = nodes_.size(); i-- > 0;) {
      if (nodes_[i].ended || nodes_[i].name != text_of(each.get_object(), "name")) continue;
      jobs_[number_of(args.get_object(), "number")] = {i, text_of(asked.get_object(), "backend"), {}};
      break;
    }
  }
  const bool over = event.kind == "job_ended";
  if (!over && event.kind != "job_noted") return;
  const auto number = number_of(event.data, "job");
  const auto found = jobs_.find(number);
  if (found == jobs_.end()) return;
  auto& job = found->second;
  json::object data{{"status", value_of(event.data, "status")}};
  for (const auto* name : {"raw", "exit_code", "progress"}) {
    if (const auto& value = value_of(event.data, name); !value.is_null()) data.emplace(name, value);
  }
  if (!over && data == job.data) return;  // only when it is looked at next has changed
  job.data = data;
  const auto& error = value_of(event.data, "error");
  const bool good = error.is_null() && text_of(event.data, "status") == "succeeded";
  const auto& node = nodes_[job.node];
  put_log(to, node, node.id + "-job-" + std::to_string(number), "job " + std::to_string(number) + " (" + job.backend + ")",
          !over  ? "start"
          : good ? "success"
                 : "error",
          std::move(data), error);
}

void service_frames::scope_ended(frames& to, const run_event& event, const json::object& what) {
  const auto found = by_number_.find(number_of(what, "number"));
  if (found == by_number_.end()) return;
  auto& node = nodes_[found->second];
  if (const auto& error = value_of(what, "error"); !error.is_null()) {
    node.failed = service_node::failure{error, to_string(event.time), number_of(what, "attempt")};
    return;
  }
  settle(to, &node);
  end_node(to, node, "succeeded", value_of(what, "value"), nullptr, to_string(event.time));
}

void service_frames::run_over(frames& to, const run_event& event) {
  const bool stopped = run_.status() == "cancelled";
  if (run_.status() == "succeeded") settle(to, nullptr);
  for (auto& each : nodes_) {
    if (each.ended) continue;
    const auto failed = each.failed;
    end_node(to, each, stopped && !failed ? "stopped" : "failed", nullptr, failed ? failed->error : run_.error(),
             failed ? failed->at : to_string(event.time));
  }
  put(to, "workflow_finished", finished_members(run_));
  to.last = true;
}

frames service_frames::take(const run_event& event) {
  frames out;
  run_.add(event);
  if (!std::exchange(begun_, true)) {
    put(out, "workflow_started",
        {{"id", run_.id()},
         {"workflow_id", service_workflow_id(run_)},
         {"inputs", service_inputs(run_.input())},
         {"created_at", unix_seconds(run_.created_at())},
         {"reason", "initial"}});
  }
  for (const auto& each : list_of(event.data, "outputs")) {
    if (!each.is_object()) continue;
    const auto& what = each.get_object();
    const auto kind = text_of(what, "kind");
    if (kind == "scope_start") scope_started(out, event, what);
    if (kind == "scope_end") scope_ended(out, event, what);
  }
  tell_job(out, event);
  if (event.kind == "progress_noted") tell_told(out, event);
  tell_forms(out, event);
  if (run_.ended()) {
    run_over(out, event);
    return out;
  }
  tell_pause(out, event);
  return out;
}

void service_frames::tell_forms(frames& to, const run_event& event) {
  for (const auto& [what, now, answer] : forms_.take(event, run_)) {
    json::object data{{"node_id", what.node_id}, {"node_title", what.node_title}};
    if (now == form_state::waiting) {
      auto shown = what.shown();
      data.emplace("form_id", what.id());
      data.emplace("form_token", what.token(*how_.signer));
      data.emplace("actions", shown["user_actions"]);
      for (const auto* name : {"form_content", "inputs", "resolved_default_values", "expiration_time"})
        data.emplace(name, shown[name]);
      put(to, "human_input_required", std::move(data));
    } else if (now == form_state::submitted) {
      const auto given = answer.is_object() ? answer.get_object() : json::object{};
      const auto id = text_of(given, "action");
      const auto* action = what.action(id);
      data.emplace("action_id", id);
      data.emplace("action_text", action == nullptr ? id : action->title);
      data.emplace("submitted_data", given.contains("inputs") ? value_of(given, "inputs") : answer);
      put(to, "human_input_form_filled", std::move(data));
    } else if (now == form_state::timeout) {
      data.emplace("expiration_time", unix_seconds(what.expires_at));
      put(to, "human_input_form_timeout", std::move(data));
    }
  }
}

void service_frames::tell_pause(frames& to, const run_event& event) {
  const bool paused = service_status(run_) == "paused";
  if (paused == std::exchange(paused_, paused)) return;
  const bool over = event.lsn < how_.live_from;
  if (paused && over && how_.until_pause) return;
  if (!paused) {
    put(to, "workflow_started",
        {{"id", run_.id()},
         {"workflow_id", service_workflow_id(run_)},
         {"inputs", service_inputs(run_.input())},
         {"created_at", unix_seconds(run_.created_at())},
         {"reason", "resumption"}});
    return;
  }
  json::array nodes, reasons;
  for (const auto& each : forms_.waiting()) {
    nodes.push_back(json::value(each.node_id));
    reasons.push_back(json::object{{"TYPE", "human_input_required"},
                                   {"form_id", each.id()},
                                   {"node_id", each.node_id},
                                   {"expiration_time", unix_seconds(each.expires_at)},
                                   {"form_token", each.token(*how_.signer)}});
  }
  put(to, "workflow_paused",
      {{"workflow_run_id", run_.id()},
       {"paused_nodes", std::move(nodes)},
       {"outputs", json::object{}},
       {"reasons", std::move(reasons)},
       {"status", "paused"},
       {"created_at", unix_seconds(run_.created_at())},
       {"elapsed_time", seconds_between(run_.created_at(), to_string(event.time))},
       {"total_steps", nodes_.size()}});
  to.rests = how_.until_pause;
}

}  // namespace perdure::tools::gateway
