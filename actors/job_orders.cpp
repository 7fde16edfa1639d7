#include "actors/job_orders.hpp"

namespace perdure::actors {

void carry_out_job(services& shared, const core::run_state& state, const core::effect_change& change,
                   std::set<core::job_number>& unsure, const std::function<void(core::command)>& refuse) {
  if (change.kind == core::effect_change::what::leave_job) {
    if (shared.jobs != nullptr && !core::went_along(state, change.job.number)) shared.jobs->leave(state.id, change.job);
    return;
  }
  if (change.again) unsure.insert(change.job.number);
  if (core::effect_of(state, change.job.number) != change.job) return;
  auto order = core::order_of(state, change.job);
  order.unsure = unsure.erase(change.job.number) > 0;
  order.again = order.again || order.unsure;
  if (shared.jobs != nullptr) return shared.jobs->carry_on(std::move(order));
  refuse(core::job_noticed{.number = change.job.number,
                           .key = change.job.key,
                           .what = core::job_fact::refused,
                           .error = {.code = "unsupported", .message = "this node has no backends"}});
}

}  // namespace perdure::actors
