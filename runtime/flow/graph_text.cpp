#include "flow/graph_text.hpp"

#include <algorithm>

#include "core/json_text.hpp"

namespace perdure::flow {

namespace {

json::array codes(const std::array<code_name, retry_policy::max_codes>& list) {
  json::array out;
  for (const auto& each : list) {
    if (!each.view().empty()) out.emplace_back(each.view());
  }
  return out;
}

json::value policy(const retry_policy& retry) {
  json::object out;
  out["max_attempts"] = retry.max_attempts;
  out["backoff"] = static_cast<int>(retry.backoff.kind);
  out["initial_us"] = retry.backoff.initial.count();
  out["cap_us"] = retry.backoff.cap.count();
  out["factor"] = retry.backoff.factor;
  out["jitter"] = static_cast<int>(retry.backoff.jitter);
  out["max_elapsed_us"] = retry.max_elapsed.count();
  out["only"] = codes(retry.only);
  out["never"] = codes(retry.never);
  return out;
}

json::value executor(const core::executor_plan& what) {
  json::object out;
  out["name"] = what.name;
  json::array takes;
  for (const auto& each : what.takes) takes.emplace_back(each);
  out["takes"] = std::move(takes);
  out["schedule_to_start_us"] = what.timeouts.schedule_to_start.count();
  out["start_to_close_us"] = what.timeouts.start_to_close.count();
  out["schedule_to_close_us"] = what.timeouts.schedule_to_close.count();
  out["heartbeat_us"] = what.timeouts.heartbeat.count();
  out["retry"] = policy(what.retry);
  return out;
}

json::array names(const core::plan& plan, const std::vector<std::size_t>& indices) {
  json::array out;
  for (const auto each : indices) out.emplace_back(plan.executors[each].name);
  return out;
}

json::value edges(const core::plan& plan, const core::edge_group& group) {
  json::object out;
  out["kind"] = static_cast<int>(group.kind);
  out["from"] = names(plan, group.from);
  out["to"] = names(plan, group.to);
  out["type"] = group.type;
  if (group.kind == core::edge_kind::fan_in) out["mode"] = static_cast<int>(group.mode);
  return out;
}

// Reading: what is not there or of another kind throws out of Boost.JSON, and read_graph catches it.

std::string text_at(const json::object& in, std::string_view name) { return std::string{in.at(name).as_string()}; }
duration time_at(const json::object& in, std::string_view name) { return duration{in.at(name).to_number<duration::rep>()}; }

void read_codes(const json::value& from, std::array<code_name, retry_policy::max_codes>& into) {
  const auto& list = from.as_array();
  for (std::size_t i = 0; i < std::min(list.size(), into.size()); ++i) into[i] = code_name{std::string_view{list[i].as_string()}};
}

retry_policy read_policy(const json::object& in) {
  retry_policy out;
  out.max_attempts = in.at("max_attempts").to_number<std::uint32_t>();
  out.backoff.kind = static_cast<decltype(out.backoff.kind)>(in.at("backoff").to_number<int>());
  out.backoff.initial = time_at(in, "initial_us");
  out.backoff.cap = time_at(in, "cap_us");
  out.backoff.factor = in.at("factor").to_number<double>();
  out.backoff.jitter = static_cast<decltype(out.backoff.jitter)>(in.at("jitter").to_number<int>());
  out.max_elapsed = time_at(in, "max_elapsed_us");
  read_codes(in.at("only"), out.only);
  read_codes(in.at("never"), out.never);
  return out;
}

core::executor_plan read_executor(const json::object& in) {
  core::executor_plan out;
  out.name = text_at(in, "name");
  for (const auto& each : in.at("takes").as_array()) out.takes.emplace_back(each.as_string());
  out.timeouts.schedule_to_start = time_at(in, "schedule_to_start_us");
  out.timeouts.start_to_close = time_at(in, "start_to_close_us");
  out.timeouts.schedule_to_close = time_at(in, "schedule_to_close_us");
  out.timeouts.heartbeat = time_at(in, "heartbeat_us");
  out.retry = read_policy(in.at("retry").as_object());
  return out;
}

std::vector<std::size_t> read_names(const core::plan& plan, const json::value& from) {
  std::vector<std::size_t> out;
  for (const auto& each : from.as_array()) out.push_back(plan.by_name.at(std::string{each.as_string()}));
  return out;
}

core::edge_group read_edges(const core::plan& plan, const json::object& in) {
  core::edge_group out;
  out.kind = static_cast<core::edge_kind>(in.at("kind").to_number<int>());
  out.from = read_names(plan, in.at("from"));
  out.to = read_names(plan, in.at("to"));
  out.type = text_at(in, "type");
  if (const auto* mode = in.if_contains("mode")) out.mode = static_cast<fan_in_mode>(mode->to_number<int>());
  return out;
}

}  // namespace

std::string graph_text(const core::plan& plan) {
  json::object out;
  out["name"] = plan.name;
  out["version"] = plan.version;
  out["start"] = plan.executors[plan.start].name;
  json::array executors;
  for (const auto& [name, index] : plan.by_name) executors.push_back(executor(plan.executors[index]));
  out["executors"] = std::move(executors);
  json::array groups;
  for (const auto& group : plan.groups) groups.push_back(edges(plan, group));
  out["edges"] = std::move(groups);
  out["timeout_us"] = plan.timeout.count();
  // The default is the engine's and may change; a graph that does not name a bound stays the same graph.
  if (plan.max_activations != limits::run_activations) out["max_activations"] = plan.max_activations;
  const payload text{json::value(std::move(out))};
  return std::string{text.text()};
}

result<core::plan> read_graph(std::string_view text) {
  const auto read = payload::parse_text(text);
  if (!read) return read.error();
  try {
    const auto whole = read->value();
    const auto& in = whole.as_object();
    core::plan out;
    out.name = text_at(in, "name");
    out.version = text_at(in, "version");
    for (const auto& each : in.at("executors").as_array()) {
      out.executors.push_back(read_executor(each.as_object()));
      out.by_name.emplace(out.executors.back().name, out.executors.size() - 1);
    }
    out.start = out.by_name.at(text_at(in, "start"));
    for (const auto& each : in.at("edges").as_array()) out.groups.push_back(read_edges(out, each.as_object()));
    out.timeout = time_at(in, "timeout_us");
    if (const auto* most = in.if_contains("max_activations")) out.max_activations = most->to_number<std::uint32_t>();
    return out;
  } catch (const std::exception& bad) {
    return error{errc::invalid_argument, std::string{"no graph of a workflow: "} + bad.what()};
  }
}

}  // namespace perdure::flow
