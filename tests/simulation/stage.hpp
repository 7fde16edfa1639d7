// stage: a calm node for directed tests. Real handlers over the in-memory journal in virtual time; what can happen happens
// at once and in order, until a test stops it in between.
//
// Operation: settle() goes on until everything waits; step() does one thing; crash() loses all memory and opens again.
#pragma once

#include "cluster/testing/node_host.hpp"
#include "perdure/workflow.hpp"
#include "persistence/memory_journal.hpp"

namespace perdure::sim {

class stage final : public node_host {
 public:
  explicit stage(workflow of) : workflow_(of.shared()) { open(); }

  run_id start(const char* message, payload input = {}, std::string key = {}) {
    run_id id;
    id.bytes[15] = static_cast<std::uint8_t>(++started_);
    id.bytes[14] = static_cast<std::uint8_t>(started_ >> 8);
    node_host::start(workflow_, {.id = id, .message = message, .input = std::move(input), .key = std::move(key)},
                     [](const result<void>&) {});
    return id;
  }
  /// A host of the run beside the one that is there.
  std::shared_ptr<run_host> second_host(const run_id& id) {
    const auto made = std::make_shared<run_host>(*this, id, epoch_);
    ++opened;
    made->open(false);
    return made;
  }
  result<void> tell(const run_id& id, core::command what) {
    result<void> out;
    bool answered = false;
    const auto run = reach(id);
    if (run == nullptr) return error{errc::conflict, "the run has ended"};
    run->take(std::move(what), [&](const result<void>& done) {
      out = done;
      answered = true;
    });
    settle();
    if (!answered) throw broken("a command has no answer");
    return out;
  }

  /// Does the next thing; false when there is none.
  bool step() {
    if (!queue.empty()) {
      const auto verdicts = commit();
      ++commits;
      if (!journal_->fatal()) durable_.read(*journal_, journal_->blobs());
      for (const auto& [run, verdict] : verdicts) run->on_appended(verdict);
      return true;
    }
    for (const auto& [id, run] : std::map{runs}) {
      if (run->senders() > 0) return run->take_message(0), true;
      for (const auto& [activation, each] : std::map{run->attempts()}) {
        if (each->has_job()) return each->do_job(), true;
        if (!each->running().empty() && !bodies_hang) return each->end_of(0), true;
      }
    }
    return false;
  }
  void settle(int limit = 100'000) {
    while (step()) {
      if (--limit == 0) throw broken("it goes on without end");
    }
    buried.clear();
  }
  /// Time goes by; wake-ups come when they are due.
  void pass(duration length) {
    const auto until = wall + length;
    while (true) {
      settle();
      const auto due = earliest();
      if (!due || due->first > until) break;
      wall = std::max(wall, due->first);
      wake(due->second);
    }
    wall = until;
    settle();
  }
  void wake(run_id id) {
    armed.erase(id);
    if (const auto run = reach(id)) run->take(core::wake{}, nullptr);
  }
  /// All memory is lost; the runs that were in flight are opened again.
  void crash() {
    lose_memory();
    journal_.reset();
    disk->crash();
    open();
  }
  void reopen_active() {
    while (waiting() > 0) reopen_one(0);
  }
  /// Another node takes the shard: what this one appends from now on is refused.
  persistence::epoch_t take_over() { return *journal_->acquire(0); }

  [[nodiscard]] const core::run_state& stored(const run_id& id) { return durable_.runs[id].state; }
  [[nodiscard]] const durable_runs& all_stored() const { return durable_; }
  [[nodiscard]] std::uint64_t outcomes(const run_id& id, const std::string& step) { return durable_.runs[id].completions[step]; }

  // run_neighbours:
  timestamp now() override { return wall; }
  const durable_run& durable(const run_id& id) override { return durable_.runs[id]; }
  definition_ptr find(const core::run_state&) override { return workflow_; }
  definition_ptr newest(const std::string&) override { return workflow_; }
  bool zombie() const override { return lenient; }
  void died(const run_host& run, const error& why) override {
    deaths.push_back(why);
    forget(run);
  }
  void trace(const std::function<std::string()>&) override {}
  bool snapshot_now() override { return snapshots; }

  std::shared_ptr<persistence::memory_disk> disk = std::make_shared<persistence::memory_disk>();
  std::vector<error> deaths;
  timestamp wall{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1}};
  std::uint64_t commits = 0;
  bool bodies_hang = false;  ///< bodies that run do not end
  bool snapshots = false;
  bool lenient = false;  ///< what the hosts say is known to be stale

 private:
  void open() {
    journal_ = persistence::open_memory_journal(disk).value();
    durable_.read(*journal_, journal_->blobs());
    attach(*journal_, false);
  }

  definition_ptr workflow_;
  std::unique_ptr<persistence::journal> journal_;
  durable_runs durable_;
  std::uint64_t started_ = 0;
};

}  // namespace perdure::sim
