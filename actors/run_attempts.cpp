#include "actors/run_attempts.hpp"

#include <utility>

#include "actors/executor_actor.hpp"

namespace perdure::actors {

void run_attempts::begin(std::shared_ptr<const core::activation> what, const definition_ptr& definition,
                         const std::string& trace) {
  const auto id = what->id;
  const auto* policy = definition->plan.find(what->executor);
  const bool cooperative = policy != nullptr && policy->cooperative;
  const auto self = ports_.self();
  if (shared_->sink) shared_->log("debug", "attempt " + std::to_string(what->attempt) + " begins", run_.str(), what->executor);
  if (what->attempt == 0) {
    const auto began = [self, id] { tell(self, command_for_run{core::attempt_began{id}, nullptr}); };
    if (cooperative || !shared_->pool.post(began)) began();
    return;
  }
  if (!cooperative) {
    const auto made = ports_.spawn_executor(definition);
    executors_[id] = {made, what->attempt};
    tell(made, begin_attempt{std::move(what), trace});
    return;
  }
  auto host = std::make_shared<attempt_host>(shared_, definition, run_, std::move(what), ports_of(self, ports_.take, trace));
  inline_[id] = host;
  host->begin();
}

void run_attempts::feed(activation_id id, core::history_item item) {
  pass(id, feed_attempt{std::move(item)}, [](attempt_host& host, feed_attempt& what) { host.feed(std::move(what.item)); });
}

void run_attempts::run_body(activation_id id, step_ordinal ordinal) {
  pass(id, actors::run_body{ordinal}, [](attempt_host& host, const actors::run_body& what) { host.run_body(what.ordinal); });
}

template <class Message, class Inline>
void run_attempts::pass(activation_id id, Message what, Inline tell_host) {
  if (const auto host = inline_.find(id); host != inline_.end()) {
    tell_host(*std::shared_ptr{host->second}, what);
  } else if (const auto executor = executors_.find(id); executor != executors_.end()) {
    tell(executor->second.actor, std::move(what));
  }
}

void run_attempts::stop(activation_id id) {
  if (const auto host = inline_.find(id); host != inline_.end()) {
    host->second->stop();
    stopped_.push_back(std::move(host->second));  // it may be on the stack
    inline_.erase(host);
    if (stopped_.size() == 1) tell(ports_.self(), run_later{[this] { stopped_.clear(); }});
  }
  if (const auto executor = executors_.find(id); executor != executors_.end()) {
    tell(executor->second.actor, stop_attempt{});
    executors_.erase(executor);
  }
}

void run_attempts::stop_all() {
  for (auto& [id, host] : inline_) host->stop();
  inline_.clear();
  for (auto& [id, executor] : executors_) tell(executor.actor, stop_attempt{});
  executors_.clear();
}

std::optional<core::attempt_died> run_attempts::lost(const caf::down_msg& down) const {
  if (ended_well(down.reason)) return std::nullopt;
  for (const auto& [id, executor] : executors_) {
    if (executor.actor.address() != down.source) continue;
    const auto why = "the executor's actor died: " + to_string(down.reason);
    return core::attempt_died{id, executor.attempt, failure{.code = "executor_died", .message = why}};
  }
  return std::nullopt;
}

}  // namespace perdure::actors
