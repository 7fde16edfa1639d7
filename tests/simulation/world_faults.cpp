// What nodes, their disk and the clock go through: starts, crashes, takeovers, commits that fail, time.
#include "simulation/world_node.hpp"

namespace perdure::sim {

void world::open_node(bool unclean) {
  auto opened = persistence::open_memory_journal(disk_);
  if (!opened) throw broken("the journal does not open: " + opened.error().message);
  journal_ = std::move(*opened);
  read_new_records();  // what an ambiguous commit left
  node_ = std::make_shared<node>(*this, *journal_, unclean);
  for (const auto& [name, definition] : workflows_) {
    if (!how_.unregistered || random_.one_in(2)) node_->registered.insert(name);
  }
}

void world::crash(bool clean) {
  trace([&] { return clean ? "--- the node stops" : "--- crash"; });
  ++count_.crashes;
  check_waits();
  if (zombie_) zombie_.reset();
  node_.reset();
  if (clean) journal_->mark_closed();
  const bool unclean = !clean;
  journal_.reset();
  disk_->crash();
  for (auto& each : commands_) each.unanswered = 0;
  for (auto& each : planned_) each.unanswered = 0;
  open_node(unclean);
}

/// The new owner of the shard reads the journal; the old one goes on until the journal refuses it.
void world::take_over() {
  if (!journal_->acquire(0)) return crash(false);  // the disk fails just then
  trace([] { return "--- another node takes over"; });
  ++count_.takeovers;
  zombie_ = std::exchange(node_, nullptr);
  for (auto& each : commands_) each.unanswered = 0;
  for (auto& each : planned_) each.unanswered = 0;
  node_ = std::make_shared<node>(*this, *journal_, true);
  for (const auto& [name, definition] : workflows_) node_->registered.insert(name);
}

void world::commit(const std::shared_ptr<node>& of) {
  if (how_.append_faults && random_.one_in(how_.failing_store ? 6 : 60)) {
    static constexpr persistence::commit_fault faults[] = {persistence::commit_fault::lost, persistence::commit_fault::stored,
                                                           persistence::commit_fault::lost_blind,
                                                           persistence::commit_fault::stored_blind};
    disk_->fail_commit(faults[random_.below(4)]);
    trace([] { return "the commit is going to fail"; });
  } else if (how_.append_faults && random_.one_in(60)) {
    disk_->set_capacity(disk_->used_bytes() + random_.below(2'000));
    trace([] { return "the disk becomes full"; });
  } else if (how_.append_faults && random_.one_in(4)) {
    disk_->set_capacity(std::size_t{1} << 50);
  }
  trace([&] { return "commit of " + std::to_string(of->queue.size()) + " items"; });
  const auto verdicts = of->commit();
  if (!journal_->fatal()) read_new_records();
  for (const auto& [run, verdict] : verdicts) {
    if (zombie_ == of && !verdict.error) throw broken("an append of an old epoch was taken");
    run->tell(run_host::from_writer, [run = run.get(), verdict = verdict] { run->on_appended(verdict); });
  }
  if (journal_->fatal()) crash(false);  // a node whose journal has failed stops
}

void world::pass_time(duration length) {
  wall_ += length;
  trace([&] {
    return "the clock goes by " + to_human(length < duration{0} ? -length : length) + (length < duration{0} ? " backwards" : "");
  });
}

void world::to_next_wakeup() {
  const auto next = node_->earliest();
  if (!next) return;
  wall_ = std::max(wall_, next->first);
  trace([&] { return "the clock goes to " + to_string(wall_); });
}

}  // namespace perdure::sim
