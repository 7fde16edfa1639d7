// One node of a schedule: what node_host leaves open, answered by the world that it is in.
#pragma once

#include "simulation/world.hpp"

namespace perdure::sim {

/// A node of the schedule; it may have been taken over without knowing.
class world::node final : public node_host {
 public:
  node(world& of, persistence::journal& journal, bool unclean) : world_(of), last_now_(journal.last_time()) {
    attach(journal, unclean);
  }

  // run_neighbours:
  timestamp now() override { return last_now_ = std::max(last_now_, world_.wall_); }
  const durable_run& durable(const run_id& id) override { return world_.durable_.runs[id]; }
  definition_ptr find(const core::run_state& of) override {
    return registered.contains(of.workflow) ? world_.workflows_.at(of.workflow) : nullptr;
  }
  definition_ptr newest(const std::string& workflow) override { return world_.workflows_.at(workflow); }
  bool zombie() const override { return world_.zombie_.get() == this; }
  void trace(const std::function<std::string()>& text) override { world_.trace(text); }
  bool snapshot_now() override {
    const bool out = world_.random_.one_in(6);
    world_.count_.snapshots += out ? 1 : 0;
    return out;
  }

  void carry_on(run_host& from, core::job_order what) override {
    what.run = from.id();
    auto& known = orders[what.what.key];
    // The backend has not been asked yet, as actors/backends/job_service.cpp knows it.
    if (known.what.key == what.what.key && known.what.action == what.what.action) what.unsure = known.unsure;
    known = std::move(what);
  }
  void leave_job(run_host& from, const core::job_effect& what) override {
    const auto at = orders.find(what.key);
    if (at != orders.end() && at->second.run == from.id()) orders.erase(at);
  }
  detail::body_result execute(attempt::body& of, const detail::step_body& function) override {
    return of.request.kind == core::step_kind::capability ? world_.files_of(of) : function(of);
  }
  /// Word of a job, to its run.
  void tell_of(const core::job_order& order, core::job_noticed what) {
    what.number = order.what.number;
    what.key = order.what.key;
    route(run_host::from_others, order.run, std::move(what));
  }

  void register_workflow(const std::string& name) {
    registered.insert(name);
    workflow_registered();
  }

  std::set<std::string> registered;
  std::map<std::string, core::job_order> orders;  ///< what runs want of their jobs, by submit key

 private:
  world& world_;
  timestamp last_now_;
};

}  // namespace perdure::sim
