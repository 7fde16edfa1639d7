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

json::object service_frames::members(const service_node& of) const {
  return {{"id", of.id},
          {"node_id", of.reference},
          {"node_type", of.loops ? "iteration" : "task"},
          {"title", of.name},
          {"index", of.index},
          {"predecessor_node_id", of.predecessor.empty() ? json::value(nullptr) : json::value(of.predecessor)},
          {"inputs", as_object(of.input)},
          {"created_at", unix_seconds(of.started_at)},
          {"iteration_id", of.iteration.empty() ? json::value(nullptr) : json::value(of.iteration)},
          {"loop_id", nullptr}};
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
  if (which.loops) {
    auto rounds = data;
    rounds.emplace("steps", which.round);
    put(to, "iteration_completed", std::move(rounds));
  }
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
                    .index = nodes_.size() + 1,
                    .loops = is_loop(reference)});
  auto& node = nodes_.back();
  tell_round(to, node, node.started_at);
  put(to, "node_started", members(node));
  if (node.loops) put(to, "iteration_started", members(node));
}

bool service_frames::is_loop(const std::string& reference) const {
  boost::system::error_code bad;
  const auto* task = how_.document ? how_.document->find_pointer(reference, bad) : nullptr;
  return task != nullptr && task->is_object() && task->get_object().contains("for");
}

/// The `for` around a task, if there is one, and that a round of it begins, if the task is its first.
void service_frames::tell_round(frames& to, service_node& next, const std::string& at) {
  for (auto around = nodes_.rbegin(); around != nodes_.rend(); ++around) {
    if (!around->loops || around->ended || !next.reference.starts_with(around->reference + "/")) continue;
    next.iteration = around->id;
    const auto first = around->reference + "/do/0/";
    if (!next.reference.starts_with(first) || next.reference.find('/', first.size()) != std::string::npos) return;
    put(to, "iteration_next",
        {{"id", around->id},
         {"node_id", around->reference},
         {"node_type", "iteration"},
         {"title", around->name},
         {"index", around->round++},
         {"created_at", unix_seconds(at)}});
    return;
  }
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
