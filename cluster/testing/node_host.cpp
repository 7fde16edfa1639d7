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
  if (!row || (is_terminal(row->status) && !row->active)) return nullptr;
  if (!anyway && !is_terminal(row->status)) {
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
  const auto run = reach(to, from == run_host::from_client || from == run_host::from_others);
  if (run == nullptr) {
    const auto row = journal_->row(to);
    if (!row || row->status != run_status::continued_as_new || !core::goes_to_successor(what)) return false;
    const auto successor = *durable(to).state.successor;
    core::address_to_successor(what, to);
    return route(from, successor, std::move(what), std::move(answer));
  }
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

error node_host::why_not(const run_id& id) const {
  const auto row = journal_->row(id);
  if (!row) return {errc::not_found, "no run " + id.str()};
  return {errc::conflict, "run " + id.str() + " has ended: " + std::string{to_string(row->status)}};
}

void node_host::carry_on(run_host& from, core::job_order what) {
  route(run_host::from_others, from.id(),
        core::job_noticed{
            .number = what.what.number,
            .key = what.what.key,
            .what = what.what.action == core::job_action::submit ? core::job_fact::refused : core::job_fact::cancel_told,
            .error = {.code = "unsupported", .message = "this node has no backend \"" + what.backend + "\""}});
}

void node_host::pass_on(const run_id& to, core::command what, reply answer) {
  if (!route(run_host::from_others, to, std::move(what), answer) && answer) answer(why_not(to));
}

void node_host::deliver(run_host& from, const core::outgoing& what, std::shared_ptr<core::delivery_ticket> told) {
  auto handed = core::hand_over(from.state(), what);
  if (!handed) throw broken("a message of the outbox cannot be read: " + handed.error().message);
  if (auto* begins = std::get_if<core::begin_run>(&*handed)) return begin_other(std::move(*begins), std::move(told));
  const auto taken = [told](const result<void>& answer) { told->settle(core::delivered(answer)); };
  if (!route(run_host::from_others, what.to, std::get<core::command>(std::move(*handed)), taken)) taken(why_not(what.to));
}

void node_host::begin_other(core::begin_run what, std::shared_ptr<core::delivery_ticket> told) {
  if (what.newest) {
    if (const auto last = newest(what.workflow)) core::go_over_to(last->plan, what);
  }
  core::run_state named;
  named.workflow = what.workflow;
  named.version = what.version;
  named.definition_hash = what.definition_hash;
  auto definition = what.version.empty() ? newest(what.workflow) : find(named);
  const auto id = what.how.id;
  // One that is stored must not be begun beside itself: whoever opens it would take the wrong one for it.
  if (!runs.contains(id) && journal_->row(id)) return told->settle({});
  if (runs.contains(id)) {
    // Its own start may not be durable yet: the run answers when all that it has decided is.
    route(run_host::from_others, id, core::wake{}, [told](const result<void>& there) { told->settle(core::delivered(there)); });
    return;
  }
  if (definition == nullptr && !what.first) {
    return told->settle(core::delivered(error{errc::workflow_unknown, "workflow \"" + what.workflow + "\" is not registered"}));
  }
  std::optional<core::event> first;
  if (what.first) first = std::move(*what.first);
  start(
      std::move(definition), what.how, [told, id](const result<void>& answer) { told->settle(core::begun(answer, id, id)); },
      std::move(first));
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
