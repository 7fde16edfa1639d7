// What could happen next in a schedule, and with which weight.
#include "simulation/world_node.hpp"

namespace perdure::sim {

void world::collect(std::vector<action>& all, bool faults) {
  for (std::size_t i = 0; i < planned_.size(); ++i) {
    auto& each = planned_[i];
    if (each.answered || each.unanswered > 0 || node_->runs.contains(each.how.id)) continue;
    if (journal_->row(each.how.id)) {
      each.answered = true;
      continue;
    }
    all.push_back({4, [this, i] {
                     auto& starting = planned_[i];
                     trace([&] { return "start run " + std::to_string(starting.how.id.bytes[15]); });
                     ++starting.unanswered;
                     const auto told = [this, i](const result<void>& done) {
                       auto& answered = planned_[i];
                       answered.unanswered = 0;
                       answered.answered = done.has_value() || done.error().code == errc::already_exists;
                       const bool there = durable_.runs.contains(answered.how.id) && durable_.runs[answered.how.id].state.seq > 0;
                       if (answered.answered && !there) throw broken("a start was acknowledged, and there is no run");
                     };
                     node_->start(workflows_.at(starting.workflow), starting.how, told, starting.first);
                   }});
  }
  for (const auto& each : {node_, zombie_}) {
    if (each) collect_node(all, each, faults);
  }
  for (std::size_t i = 0; i < commands_.size(); ++i) {
    if (!commands_[i].answered && commands_[i].unanswered < (faults ? 2 : 1)) all.push_back({2, [this, i] { deliver(i); }});
  }
  if (faults && (!all.empty() || random_.one_in(2))) collect_faults(all);
}

void world::collect_node(std::vector<action>& all, const std::shared_ptr<node>& of, bool faults) {
  for (const auto& [id, run] : of->runs) {
    const auto number = std::to_string(id.bytes[15]);
    for (std::size_t from = 0; from < run->senders(); ++from) {
      all.push_back({4, [this, run = run, from, number] {
                       trace([&] { return "run " + number + " takes a message"; });
                       run->take_message(from);
                     }});
    }
    const auto add_attempt = [&](const std::shared_ptr<attempt>& each, bool live) {
      if (live && each->has_job()) {
        all.push_back({4, [this, each, number] {
                         trace([&] {
                           return "run " + number + ": attempt " + std::to_string(each->what().id) + "." +
                                  std::to_string(each->what().attempt) + " goes on";
                         });
                         each->do_job();
                       }});
      }
      if (!live && each->has_job()) all.push_back({2, [each] { each->do_job(); }});
      for (std::size_t i = 0; i < each->running().size(); ++i) {
        all.push_back({2, [this, each, i] {
                         trace([&] { return "body " + each->running()[i]->key + " ends"; });
                         each->end_of(i);
                       }});
        if (faults && each->running()[i]->limited) all.push_back({1, [each, i] { each->limit_of(i); }});
      }
    };
    for (const auto& [activation, each] : run->attempts()) {
      add_attempt(each, true);
      if (faults && how_.deaths && random_.one_in(40)) {
        all.push_back({2, [this, run = run, activation = activation] {
                         trace([&] { return "an executor dies"; });
                         if (run->attempts().contains(activation)) run->executor_dies(activation);
                       }});
      }
    }
    for (const auto& each : run->stopped()) add_attempt(each, false);
    if (faults && run->may_park() && random_.one_in(3)) {
      all.push_back({1, [this, of, id = id, number] {
                       trace([&] { return "run " + number + " parks"; });
                       of->park(id);
                       ++count_.parked;
                     }});
    }
  }
  collect_jobs(all, of, faults);
  if (!of->queue.empty()) all.push_back({4, [this, of] { commit(of); }});
  for (std::size_t i = 0; i < of->waiting(); ++i) all.push_back({3, [of, i] { of->reopen_one(i); }});
  for (const auto& [name, definition] : workflows_) {
    if (!of->registered.contains(name)) all.push_back({1, [of, name = name] { of->register_workflow(name); }});
  }
  if (const auto next = of->earliest(); next && next->first <= of->now()) {
    all.push_back({4, [this, of, id = next->second] {
                     trace([&] { return "timer wakes run " + std::to_string(id.bytes[15]); });
                     of->fire(id);
                   }});
  }
}

void world::collect_faults(std::vector<action>& all) {
  all.push_back({1, [this] { pass_time(std::chrono::milliseconds{random_.below(1'000)}); }});
  all.push_back({1, [this] { to_next_wakeup(); }});
  if (how_.commands) all.push_back({1, [this] { make_command(); }});
  if (how_.commands && random_.one_in(4)) all.push_back({1, [this] { retry_one(); }});
  if (how_.commands && random_.one_in(6)) all.push_back({1, [this] { fork_one(); }});
  if (how_.crashes && random_.one_in(12)) all.push_back({4, [this] { crash(random_.one_in(5)); }});
  if (how_.takeovers && !zombie_ && random_.one_in(12)) all.push_back({4, [this] { take_over(); }});
  if (zombie_ && random_.one_in(12))
    all.push_back({4, [this] {
                     trace([] { return "the old node stops"; });
                     buried_.push_back(std::exchange(zombie_, nullptr));
                   }});
  if (how_.time_faults) {
    all.push_back({1, [this] {
                     const auto id = planned_[random_.below(planned_.size())].how.id;
                     trace([&] { return "a wake-up out of nothing for run " + std::to_string(id.bytes[15]); });
                     node_->wake(id);
                   }});
    if (random_.one_in(10))
      all.push_back({2, [this] { pass_time(std::chrono::hours{random_.below(40)} - std::chrono::hours{20}); }});
  }
}

}  // namespace perdure::sim
