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
          {"node_type", "task"},
          {"title", of.name},
          {"index", of.index},
          {"predecessor_node_id", of.predecessor.empty() ? json::value(nullptr) : json::value(of.predecessor)},
          {"inputs", as_object(of.input)},
          {"created_at", unix_seconds(of.started_at)},
          {"iteration_id", nullptr},
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
  put(to, "node_finished", end_members(which, status, output, error, at));
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
  put(to, "node_started", members(nodes_.back()));
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
  if (run_.ended()) {
    run_over(out, event);
    return out;
  }
  const bool paused = service_status(run_) == "paused";
  if (paused && !std::exchange(paused_, true)) {
    json::array nodes;
    for (const auto& each : run_.requests()) nodes.push_back(json::value(each.executor));
    put(out, "workflow_paused",
        {{"workflow_run_id", run_.id()},
         {"paused_nodes", std::move(nodes)},
         {"outputs", json::object{}},
         {"reasons", json::array{}},
         {"status", "paused"},
         {"created_at", unix_seconds(run_.created_at())},
         {"elapsed_time", seconds_between(run_.created_at(), to_string(event.time))},
         {"total_steps", nodes_.size()}});
    out.last = until_pause_;
  }
  if (!paused) paused_ = false;
  return out;
}

}  // namespace perdure::tools::gateway
