#include "cluster/run_info.hpp"

#include "actors/room_waits.hpp"

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
  for (const auto& [number, job] : state.jobs) {
    if (!core::asks(job.now)) continue;
    out.requests.push_back(
        {core::question_id(number), job.executor, core::question_of(state, number), job.submitted_at, job.due});
  }
  for (const auto& each : state.carried) {
    if (each.activation != 0 || each.answer) continue;
    out.requests.push_back({each.asked_by.str() + "/" + each.id, each.executor, each.question, each.asked_at, std::nullopt});
  }
  if (state.parent) out.parent = state.parent->run;
  out.source = state.source;
  if (state.source) out.link = boost::describe::enum_to_string(state.link, "");
  out.successor = state.successor;
  for (const auto& [id, each] : state.children) {
    out.children.push_back({.id = id,
                            .run = each.run,
                            .workflow = each.workflow,
                            .executor = each.start,
                            .close = each.close,
                            .background = each.background,
                            .ended = !each.live(),
                            .status = each.status,
                            .error = each.error});
  }
  for (const auto& [number, each] : state.jobs) {
    const bool ended = !each.live();
    out.jobs.push_back({.number = number,
                        .key = each.key(),
                        .name = each.name,
                        .executor = each.executor,
                        .backend = each.backend,
                        .id = each.now.id,
                        .status = each.now.status,
                        .raw = each.now.raw,
                        .progress = each.now.progress,
                        .submission = each.now.submission,
                        .accepted = !each.now.id.empty(),
                        .cancel_wanted = each.now.cancel_wanted,
                        .asks = core::asks(each.now),
                        .created_at = each.created_at,
                        .ended_at = each.ended_at,
                        .due = each.due,
                        .exit_code = each.end.exit_code,
                        .result = each.end.result,
                        .error = ended ? each.end.error : each.now.error});
  }
  return out;
}

bool waits_for_room(const run_summary& of) { return of.blocked.starts_with(actors::waits_for_room); }

}  // namespace perdure::cluster
