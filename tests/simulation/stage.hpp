// stage: a calm node for directed tests. Real handlers over the in-memory journal in virtual time; what can happen happens
// at once and in order, until a test stops it in between.
//
// Operation: settle() goes on until everything waits; step() does one thing; crash() loses all memory and opens again.
#pragma once

#include "perdure/workflow.hpp"
#include "persistence/memory_journal.hpp"
#include "simulation/run_host.hpp"

namespace perdure::sim {

class stage final : public run_neighbours {
 public:
  explicit stage(workflow of) : workflow_(of.shared()) { open(); }

  run_id start(const char* message, payload input = {}, std::string key = {}) {
    run_id id;
    id.bytes[15] = static_cast<std::uint8_t>(++started_);
    id.bytes[14] = static_cast<std::uint8_t>(started_ >> 8);
    const auto made = std::make_shared<run_host>(*this, id, epoch_);
    runs[id] = made;
    made->begin(workflow_, {.id = id, .message = message, .input = std::move(input), .key = std::move(key)},
                [](const result<void>&) {});
    return id;
  }
  /// The run's host, brought in from the journal when need be; null when the run has ended.
  std::shared_ptr<run_host> reach(const run_id& id) {
    if (const auto at = runs.find(id); at != runs.end()) return at->second;
    const auto row = journal_->row(id);
    if (!row || is_terminal(row->status)) return nullptr;
    const auto made = second_host(id);
    runs[id] = made;
    return made;
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
      auto items = std::exchange(queue, {});
      const auto from = std::exchange(from_, {});
      const auto verdicts = journal_->append(items);
      ++commits;
      if (!journal_->fatal()) durable_.read(*journal_, journal_->blobs());
      for (std::size_t i = 0; i < items.size(); ++i) from[i]->on_appended(verdicts[i]);
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
    gone_.clear();
  }
  /// Time goes by; wake-ups come when they are due.
  void pass(duration length) {
    const auto until = wall + length;
    while (true) {
      settle();
      const auto due =
          std::min_element(armed.begin(), armed.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
      if (due == armed.end() || due->second > until) break;
      wall = std::max(wall, due->second);
      wake(due->first);
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
    runs.clear();
    gone_.clear();
    queue.clear();
    from_.clear();
    armed.clear();
    journal_.reset();
    disk->crash();
    open();
  }
  void reopen_active() {
    std::vector<run_id> active;
    journal_->for_each_active([&](const persistence::run_row& row) { active.push_back(row.id); });
    for (const auto& id : active) (void)reach(id);
  }
  /// Another node takes the shard: what this one appends from now on is refused.
  persistence::epoch_t take_over() { return *journal_->acquire(0); }

  [[nodiscard]] const core::run_state& stored(const run_id& id) { return durable_.runs[id].state; }
  [[nodiscard]] const durable_runs& all_stored() const { return durable_; }
  [[nodiscard]] std::uint64_t outcomes(const run_id& id, const std::string& step) { return durable_.runs[id].completions[step]; }

  // run_neighbours:
  timestamp now() override { return wall; }
  persistence::journal& store() override { return *journal_; }
  const durable_run& durable(const run_id& id) override { return durable_.runs[id]; }
  definition_ptr find(const core::run_state&) override { return workflow_; }
  bool zombie() const override { return lenient; }
  void append(persistence::append_item item, std::shared_ptr<run_host> from) override {
    queue.push_back(std::move(item));
    from_.push_back(std::move(from));
  }
  void arm(const run_id& id, std::optional<timestamp> at) override {
    if (at) {
      armed[id] = *at;
    } else {
      armed.erase(id);
    }
  }
  void left(const run_host& run) override { forget(run); }
  void died(const run_host& run, const error& why) override {
    deaths.push_back(why);
    forget(run);
  }
  void trace(const std::function<std::string()>&) override {}
  bool snapshot_now() override { return snapshots; }

  std::shared_ptr<persistence::memory_disk> disk = std::make_shared<persistence::memory_disk>();
  std::map<run_id, std::shared_ptr<run_host>> runs;
  std::map<run_id, timestamp> armed;
  std::vector<persistence::append_item> queue;
  std::vector<error> deaths;
  timestamp wall{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1}};
  std::uint64_t opened = 0, commits = 0;
  bool bodies_hang = false;  ///< bodies that run do not end
  bool snapshots = false;
  bool lenient = false;  ///< what the hosts say is known to be stale

 private:
  void open() {
    journal_ = persistence::open_memory_journal(disk).value();
    durable_.read(*journal_, journal_->blobs());
    epoch_ = *journal_->acquire(0);
    for (const auto& [at, run] : journal_->wakeups(timestamp::max(), std::nullopt, 1'000'000)) armed[run] = at;
  }
  void forget(const run_host& run) {
    const auto at = runs.find(run.id());
    if (at == runs.end() || at->second.get() != &run) return;
    gone_.push_back(std::move(at->second));
    runs.erase(at);
  }

  definition_ptr workflow_;
  std::unique_ptr<persistence::journal> journal_;
  persistence::epoch_t epoch_ = 0;
  durable_runs durable_;
  std::vector<std::shared_ptr<run_host>> gone_, from_;
  std::uint64_t started_ = 0;
};

}  // namespace perdure::sim
