// node_host: one process of a rehearsal: its runs, its timer, its writer's queue, in one thread. What actors/router.cpp and
// actors/timer.cpp are in the engine. Whoever derives from it has the clock and decides what happens next.
//
// Operation: attach() takes a journal, as a process that starts does: runs that were in flight wait to be opened, all others
// until something comes for them. Every message to a run goes through route(), by its id: that is the whole router.
// Limitations: a run that leaves is kept in `buried` until the owner clears it, since it may be on the stack.
#pragma once

#include "cluster/testing/run_host.hpp"

namespace perdure::sim {

class node_host : public run_neighbours {
 public:
  /// The newest definition registered under the name, or null.
  virtual definition_ptr newest(const std::string& workflow) = 0;
  node_host() = default;
  node_host(const node_host&) = delete;
  node_host& operator=(const node_host&) = delete;

  void attach(persistence::journal& journal, bool unclean);
  /// Everything that is only in memory is gone.
  void lose_memory();

  // run_neighbours:
  persistence::journal& store() override { return *journal_; }
  bool zombie() const override { return false; }
  void append(persistence::append_item item, std::shared_ptr<run_host> from) override;
  void arm(const run_id& id, std::optional<timestamp> at) override;
  void deliver(run_host& from, const core::outgoing& what, std::shared_ptr<core::delivery_ticket> told) override;
  /// Without backends: every job is refused.
  void carry_on(run_host& from, core::job_order what) override;
  void pass_on(const run_id& to, core::command what, reply answer) override;
  void left(const run_host& run) override { forget(run); }
  void died(const run_host& run, const error& why) override;

  // The router:

  /// The run, brought in from the journal when need be. Null for runs that have ended, do not exist, or whose workflow is not
  /// registered; `anyway` brings those in too: they can be cancelled.
  std::shared_ptr<run_host> reach(const run_id& id, bool anyway = false);
  /// A message to a run, wherever it is; one that continued as new is followed. False: there is no such run to take it.
  bool route(run_host::sender from, const run_id& to, core::command what, reply answer = nullptr);
  std::shared_ptr<run_host> start(definition_ptr of, const core::start_command& how, reply answer,
                                  std::optional<core::event> first = {});
  /// Its workflow was registered, or some other one: who waited for that goes on.
  void workflow_registered();
  void park(const run_id& id);
  void forget(const run_host& run);
  /// Why nobody took a message to the run.
  [[nodiscard]] error why_not(const run_id& id) const;
  /// Opens one of the runs that were in flight when the process before ended.
  void reopen_one(std::size_t index);
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }
  /// It is in memory, or will be brought in without anything that comes for it.
  [[nodiscard]] bool knows(const run_id& id) const { return runs.contains(id) || waiting_.contains(id) || blocked_.contains(id); }

  // The timer:

  /// The wake-up that is due first.
  [[nodiscard]] std::optional<std::pair<timestamp, run_id>> earliest() const;
  void wake(const run_id& id) { route(run_host::from_router, id, core::wake{}); }
  void fire(const run_id& id) {
    armed.erase(id);
    wake(id);
  }

  // The writer:

  /// One commit of all that waits. Verdicts in the order of the items; none of them is delivered yet.
  [[nodiscard]] std::vector<std::pair<std::shared_ptr<run_host>, persistence::verdict>> commit();

  std::map<run_id, std::shared_ptr<run_host>> runs;
  std::map<run_id, timestamp> armed;
  std::vector<persistence::append_item> queue;
  std::vector<std::shared_ptr<run_host>> queued_by;
  std::vector<std::shared_ptr<run_host>> buried;
  std::uint64_t opened = 0;

 protected:
  persistence::epoch_t epoch_ = 0;
  std::set<run_id> waiting_;  ///< to be opened: were in flight, or died

 private:
  void begin_other(core::begin_run what, std::shared_ptr<core::delivery_ticket> told);
  persistence::journal* journal_ = nullptr;
  std::set<run_id> blocked_, unclean_;
};

}  // namespace perdure::sim
