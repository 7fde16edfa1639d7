#include "flow/plan_hash.hpp"

#include "core/record.hpp"

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

}  // namespace

std::string hash_of(const core::plan& plan) {
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
  return core::to_hex(core::sha256({text.text()}));
}

}  // namespace perdure::flow
