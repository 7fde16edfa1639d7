#include "cluster/testing/node_host.hpp"

namespace perdure::sim {

void node_host::attach(persistence::journal& journal, bool unclean) {
  lose_memory();
  journal_ = &journal;
  epoch_ = *journal.acquire(0);
  journal.for_each_active([&](const persistence::run_row& row) {
    if (unclean) unclean_.insert(row.id);
    waiting_.insert(row.id);
  });
  for (const auto& [at, run] : journal.wakeups(timestamp::max(), std::nullopt, 1'000'000)) armed[run] = at;
}

void node_host::lose_memory() {
  runs.clear();
  buried.clear();
  queue.clear();
  queued_by.clear();
  armed.clear();
  waiting_.clear();
  blocked_.clear();
  unclean_.clear();
}

void node_host::append(persistence::append_item item, std::shared_ptr<run_host> from) {
  queue.push_back(std::move(item));
  queued_by.push_back(std::move(from));
}

void node_host::arm(const run_id& id, std::optional<timestamp> at) {
  if (at) {
    armed[id] = *at;
  } else {
    armed.erase(id);
  }
}

void node_host::died(const run_host& run, const error& why) {
  trace([&] { return "  run dies: " + why.message; });
  if (!zombie()) waiting_.insert(run.id());
  forget(run);
}

std::shared_ptr<run_host> node_host::reach(const run_id& id, bool anyway) {
  if (const auto at = runs.find(id); at != runs.end()) return at->second;
  const auto row = journal_->row(id);
  if (!row || is_terminal(row->status)) return nullptr;
  if (!anyway) {
    core::run_state named;
    named.workflow = row->workflow;
    named.version = row->version;
    named.definition_hash = row->definition_hash;
    if (find(named) == nullptr) {
      blocked_.insert(id);
      return nullptr;
    }
  }
  trace([&] { return "  run " + std::to_string(id.bytes[15]) + " is opened"; });
  waiting_.erase(id);
  const auto made = std::make_shared<run_host>(*this, id, epoch_);
  runs[id] = made;
  ++opened;
  made->open(unclean_.erase(id) > 0);
  return made;
}

bool node_host::route(run_host::sender from, const run_id& to, core::command what, reply answer) {
  const auto run = reach(to, from == run_host::from_client);
  if (run == nullptr) return false;
  run->tell(from, [run = run.get(), what = std::move(what), answer = std::move(answer)]() mutable {
    run->take(std::move(what), std::move(answer));
  });
  return true;
}

std::shared_ptr<run_host> node_host::start(definition_ptr of, const core::start_command& how, reply answer,
                                           std::optional<core::event> first) {
  const auto made = std::make_shared<run_host>(*this, how.id, epoch_);
  runs[how.id] = made;
  made->begin(std::move(of), how, std::move(answer), std::move(first));
  return made;
}

void node_host::workflow_registered() {
  for (const auto& [id, run] : std::map{runs}) run->tell(run_host::from_router, [run = run.get()] { run->find_definition(); });
  for (const auto& id : std::exchange(blocked_, {})) (void)reach(id);
}

void node_host::park(const run_id& id) {
  runs.at(id)->leave_memory();
  forget(*runs.at(id));
}

void node_host::forget(const run_host& run) {
  const auto at = runs.find(run.id());
  if (at == runs.end() || at->second.get() != &run) return;
  buried.push_back(std::move(at->second));
  runs.erase(at);
}

void node_host::reopen_one(std::size_t index) {
  auto at = waiting_.begin();
  std::advance(at, index);
  const auto id = *at;
  waiting_.erase(at);
  (void)reach(id);
}

std::optional<std::pair<timestamp, run_id>> node_host::earliest() const {
  std::optional<std::pair<timestamp, run_id>> out;
  for (const auto& [id, at] : armed) {
    if (!out || std::pair{at, id} < *out) out = {at, id};
  }
  return out;
}

std::vector<std::pair<std::shared_ptr<run_host>, persistence::verdict>> node_host::commit() {
  auto items = std::exchange(queue, {});
  auto from = std::exchange(queued_by, {});
  auto verdicts = journal_->append(items);
  std::vector<std::pair<std::shared_ptr<run_host>, persistence::verdict>> out;
  for (std::size_t i = 0; i < items.size(); ++i) out.emplace_back(std::move(from[i]), std::move(verdicts[i]));
  return out;
}

}  // namespace perdure::sim
