#include "cluster/run_info.hpp"

namespace perdure::cluster {

run_info info_of(core::run_state state) {
  run_info out;
  out.id = state.id;
  out.workflow = std::move(state.workflow);
  out.version = std::move(state.version);
  out.status = state.status;
  out.created_at = state.created_at;
  out.updated_at = state.updated_at;
  out.ended_at = state.ended_at;
  out.wakeup = core::next_wakeup(state);
  out.seq = state.seq;
  out.key = std::move(state.key);
  out.input = std::move(state.input);
  out.outputs = std::move(state.outputs);
  if (!out.outputs.empty()) out.output = out.outputs.back();
  out.error = std::move(state.error);
  out.handled_errors = state.handled_errors;
  for (const auto& [id, in] : state.activations) {
    for (const auto& [ordinal, step] : in.pending) {
      if (step.kind != core::step_kind::request) continue;
      out.requests.push_back({std::to_string(id) + "." + std::to_string(ordinal), in.executor, step.args, step.since, step.due});
    }
  }
  return out;
}

}  // namespace perdure::cluster
