#include "simulation/world.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "cluster/replay.hpp"
#include "simulation/families.hpp"
#include "simulation/workflows.hpp"
#include "support/catch.hpp"
#include "support/seed.hpp"

namespace perdure::sim {

namespace {
constexpr std::size_t kept_trace = 120;
constexpr int actions_to_end = 20'000;  ///< without faults every run ends within so many
constexpr timestamp first_day{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1}};

run_id numbered(std::uint64_t seed, std::uint64_t number) {
  run_id out;
  for (std::size_t i = 0; i < 8; ++i) out.bytes[i] = static_cast<std::uint8_t>(seed >> (8 * i));
  out.bytes[15] = static_cast<std::uint8_t>(number);
  return out;
}
}  // namespace

// A node ---------------------------------------------------------------------------------------------------------------

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
    orders[what.what.key] = std::move(what);
  }
  void leave_job(run_host& from, const core::job_effect& what) override {
    const auto at = orders.find(what.key);
    if (at != orders.end() && at->second.run == from.id()) orders.erase(at);
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

// Phases ---------------------------------------------------------------------------------------------------------------

world::world(std::uint64_t seed, profile how, bool verbose)
    : seed_(seed), how_(how), verbose_(verbose), random_(seed), outside_(seed),
      disk_(std::make_shared<persistence::memory_disk>()), wall_(first_day) {
  durable_.forbidden.insert({"wrong_state", "bad_join"});
  workflows_["steady"] = steady_workflow(random_).shared();
  workflows_["program"] = program_workflow(random_).shared();
  for (const auto& each : family_workflows(random_)) workflows_[each.name()] = each.shared();
}
world::~world() {
  node_.reset();
  zombie_.reset();
}

void world::run() {
  open_node(false);
  start_runs();
  for (int i = 0; i < how_.actions && !all_ended(); ++i) step(true);
  finish();
  check_end();
}

void world::start_runs() {
  for (std::uint64_t i = 1, count = 1 + random_.below(4); i <= count; ++i) {
    const bool is_steady = random_.one_in(4), is_family = !is_steady && random_.one_in(4);
    const bool is_sender = is_family && random_.one_in(3);
    core::start_command how{.id = numbered(seed_, i)};
    if (is_family) {
      how.message = message_name<generation>;
      how.input = payload{to_json(generation{static_cast<std::int64_t>(random_.below(100)), 0})};
    } else if (is_steady) {
      how.message = message_name<order>;
      how.input = payload{to_json(order{1 + static_cast<int>(random_.below(6))})};
      steady_.insert(how.id.str());
    } else {
      how.message = message_name<program>;
      how.input = payload{to_json(program{random_.bits() >> 12U, 2 + static_cast<int>(random_.below(2))})};
      if (random_.one_in(6)) how.timeout = std::chrono::seconds{50 + random_.below(2'000)};
    }
    if (random_.one_in(2)) how.key = "key " + std::to_string(i);
    planned_.push_back({.how = std::move(how),
                        .workflow = is_steady   ? "steady"
                                    : is_sender ? "sender"
                                    : is_family ? "family"
                                                : "program"});
  }
}

void world::step(bool faults) {
  std::vector<action> all;
  collect(all, faults);
  if (all.empty() && (!faults || random_.one_in(2))) {
    if (!help_along() && !faults)
      throw broken("nothing can happen any more, and there are runs that have not ended: " + open_runs());
    return;
  }
  if (all.empty()) return;
  unsigned sum = 0;
  for (const auto& each : all) sum += each.weight;
  auto chosen = random_.below(sum);
  ++count_.actions;
  for (const auto& each : all) {
    if (chosen < each.weight) {
      each.what();
      break;
    }
    chosen -= each.weight;
  }
  buried_.clear();
  for (const auto& each : {node_, zombie_}) {
    if (each) each->buried.clear();
  }
  if (!outside_.problem.empty()) throw broken(outside_.problem);
  for (const auto& [id, run] : durable_.runs) check_run(id);
  if (random_.one_in(25)) check_waits();
}

std::string world::open_runs() const {
  std::string out;
  for (const auto& [id, run] : durable_.runs) {
    const auto& state = run.state;
    if (state.seq == 0 || (is_terminal(state.status) && !core::owes(state))) continue;
    out += (out.empty() ? "" : ", ") + id.str() + " of " + state.workflow + " is " + std::string{to_string(state.status)} +
           " with " + std::to_string(state.activations.size()) + " activations, " + std::to_string(state.awaited_children) +
           " awaited children, " + std::to_string(state.outbox.size()) + " messages owed, " +
           std::to_string(state.jobs_at_work.size()) + " jobs at work" + (node_->runs.contains(id) ? ", in memory" : "");
  }
  return out;
}

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

/// The backend of the schedule, called "outside".
void world::collect_jobs(std::vector<action>& all, const std::shared_ptr<node>& of, bool faults) {
  for (const auto& [key, order] : of->orders) {
    all.push_back({3, [this, of, key = key, faults] {
                     const auto order = of->orders.at(key);
                     trace([&] { return "the backend is asked about " + key; });
                     switch (order.what.action) {
                       case core::job_action::submit: return take_submit(of, order, faults);
                       case core::job_action::watch: return look_at_job(of, order, faults);
                       case core::job_action::cancel: return cancel_job(of, order);
                     }
                   }});
  }
}

void world::take_submit(const std::shared_ptr<node>& of, const core::job_order& order, bool faults) {
  using core::job_fact;
  const auto& key = order.what.key;
  of->orders.erase(key);
  auto& job = jobs_[key];
  const bool can_find = hashed(key, seed_) % 3 != 0;
  const failure cut{.code = "io_error", .message = "the connection was cut"};
  if (order.again && can_find && (job.accepted > 0 || job.by_old))
    return of->tell_of(order, {.what = job_fact::submitted, .id = "j"});
  if (order.cancel) return of->tell_of(order, {.what = job_fact::refused, .error = {.code = "cancelled"}});
  if (order.unsure && !can_find) return of->tell_of(order, {.what = job_fact::ambiguous, .error = cut});
  if (faults && random_.one_in(20)) return of->tell_of(order, {.what = job_fact::refused, .error = {.code = "bad_spec"}});
  if (faults && random_.one_in(6)) return of->tell_of(order, {.what = job_fact::later, .error = {.code = "overloaded"}});
  if (of != zombie_) {
    if (job.accepted > 0 && (can_find || !order.again)) throw broken("job " + key + " is submitted twice");
    ++job.accepted;
  } else {
    job.by_old = true;
  }
  if (faults && random_.one_in(6))
    return of->tell_of(order, {.what = can_find ? job_fact::later : job_fact::ambiguous, .error = cut});
  of->tell_of(order, {.what = job_fact::submitted, .id = "j"});
}

/// The first end stays.
void world::look_at_job(const std::shared_ptr<node>& of, const core::job_order& order, bool faults) {
  auto& job = jobs_[order.what.key];
  if (job.accepted == 0 && !job.by_old) throw broken("a job is looked at that was never accepted: " + order.what.key);
  if (!is_terminal(job.status)) {
    static constexpr job_status next[] = {job_status::running, job_status::running,   job_status::succeeded,
                                          job_status::failed,  job_status::timed_out, job_status::lost};
    job.status = next[faults ? random_.below(6) : 2 + random_.below(3)];
  }
  core::job_noticed what{.what = core::job_fact::seen, .seen = {.status = job.status, .raw = "r"}};
  if (!is_terminal(job.status)) what.seen.progress = payload{json::value{{"done", random_.below(9)}, {"total", 9}}};
  if (faults && random_.one_in(8)) what.seen.status.reset();
  if (faults && random_.one_in(5)) of->tell_of(order, what);
  if (what.seen.status && is_terminal(job.status)) of->orders.erase(order.what.key);
  of->tell_of(order, what);
}

void world::cancel_job(const std::shared_ptr<node>& of, const core::job_order& order) {
  auto& job = jobs_[order.what.key];
  if (!is_terminal(job.status) && !random_.one_in(3)) job.status = job_status::cancelled;
  of->orders.erase(order.what.key);
  of->tell_of(order, {.what = core::job_fact::cancel_told});
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
    if (random_.one_in(10)) all.push_back({2, [this] { pass_time(std::chrono::hours{random_.below(40)} - 20h); }});
  }
}

void world::finish() {
  trace([] { return "--- no more faults"; });
  if (zombie_) buried_.push_back(std::exchange(zombie_, nullptr));
  disk_->set_capacity(std::size_t{1} << 50);
  for (int i = 0; !all_ended(); ++i) {
    if (i > actions_to_end) throw broken("runs do not end within " + std::to_string(actions_to_end) + " actions without faults");
    step(false);
  }
}

bool world::help_along() {
  bool open = false;
  for (const auto& [id, run] : durable_.runs) {
    const auto& state = run.state;
    if (is_terminal(state.status)) continue;
    open = true;
    if (state.paused) {
      command(id, core::resume_command{}, "");
      return true;
    }
    for (const auto& [activation, in] : state.activations) {
      for (const auto& [ordinal, step] : in.pending) {
        if (step.kind == core::step_kind::request) {
          const auto number = "c" + std::to_string(next_command_++);
          command(
              id,
              core::respond_command{std::to_string(activation) + "." + std::to_string(ordinal), payload{json::value(4)}, number},
              number);
          return true;
        }
      }
    }
    for (const auto& [name, waiters] : state.signal_waiters) {
      const auto number = "c" + std::to_string(next_command_++);
      command(id, core::signal_command{name, payload{json::value(5)}, number}, number);
      return true;
    }
  }
  if (!open || !node_->earliest()) return false;
  to_next_wakeup();
  return true;
}

bool world::all_ended() const {
  for (const auto& each : planned_) {
    if (!each.answered) return false;
    const auto at = durable_.runs.find(each.how.id);
    if (at == durable_.runs.end() || !is_terminal(at->second.state.status)) return false;
  }
  // Runs that these began, and what they owe each other.
  return std::all_of(durable_.runs.begin(), durable_.runs.end(), [](const auto& each) {
    const auto& state = each.second.state;
    return state.seq == 0 || (is_terminal(state.status) && !core::owes(state));
  });
}

// What may happen ------------------------------------------------------------------------------------------------------

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

void world::make_command() {
  const auto& run = planned_[random_.below(planned_.size())].how.id;
  if (!durable_.runs.contains(run)) return;
  const auto id = random_.one_in(8) ? std::string{} : "c" + std::to_string(next_command_++);
  switch (random_.below(12)) {
    case 0:
      if (random_.one_in(4)) command(run, core::cancel_command{"a client wants it", id}, id);
      return;
    case 1:
    case 2: return command(run, core::pause_command{id}, id);
    case 3:
    case 4: return command(run, core::resume_command{id}, id);
    case 5:
    case 6:
    case 7: {
      for (const auto& [activation, in] : durable_.runs[run].state.activations) {
        for (const auto& [ordinal, step] : in.pending) {
          if (step.kind != core::step_kind::request || random_.one_in(3)) continue;
          return command(
              run, core::respond_command{std::to_string(activation) + "." + std::to_string(ordinal), payload{json::value(3)}, id},
              id);
        }
      }
      return;
    }
    default:
      return command(
          run, core::signal_command{"s" + std::to_string(random_.below(3)), payload{json::value(random_.below(9))}, id}, id);
  }
}

void world::command(run_id run, core::command what, std::string id) {
  commands_.push_back({run, std::move(what), std::move(id)});
}

/// A linked run takes over one that ended badly.
void world::retry_one() {
  const auto& from = planned_[random_.below(planned_.size())];
  const auto at = durable_.runs.find(from.how.id);
  if (from.first || at == durable_.runs.end() || !is_terminal(at->second.state.status) || planned_.size() > 8) return;
  std::vector<std::pair<core::event, timestamp>> history;
  for (const auto& each : *journal_->read_run(from.how.id, 0, 1'000'000)) {
    history.emplace_back(*core::decode(each.kind, each.schema, each.bytes, &journal_->blobs()), each.time);
  }
  const auto id = numbered(seed_, planned_.size() + 1);
  auto state = core::state_for_retry(history, id, &workflows_.at(from.workflow)->plan, node_->now());
  if (!state) {
    if (at->second.state.status != run_status::succeeded && at->second.state.status != run_status::continued_as_new)
      throw broken("a run that ended badly cannot be retried: " + state.error().message);
    return;
  }
  trace([&] { return "run " + std::to_string(id.bytes[15]) + " takes over run " + std::to_string(from.how.id.bytes[15]); });
  core::run_restored first{.source = from.how.id, .source_seq = state->seq, .state = core::encode_state(*state, nullptr).value()};
  planned_.push_back({.how = {.id = id}, .workflow = from.workflow, .first = std::move(first)});
}

/// Another run shares the beginning of one.
void world::fork_one() {
  const auto& from = planned_[random_.below(planned_.size())];
  const auto at = durable_.runs.find(from.how.id);
  if (from.first || at == durable_.runs.end() || at->second.state.seq == 0 || planned_.size() > 8) return;
  std::vector<std::pair<core::event, timestamp>> history;
  for (const auto& each : *journal_->read_run(from.how.id, 0, 1'000'000)) {
    history.emplace_back(*core::decode(each.kind, each.schema, each.bytes, &journal_->blobs()), each.time);
  }
  const auto id = numbered(seed_, planned_.size() + 1);
  const auto seq = 1 + random_.below(history.size());
  auto state = core::state_for_fork(history, id, seq, &workflows_.at(from.workflow)->plan, node_->now());
  if (!state) {
    if (state.error().code != errc::conflict) throw broken("a run cannot be forked: " + state.error().message);
    return;
  }
  trace([&] { return "run " + std::to_string(id.bytes[15]) + " forks run " + std::to_string(from.how.id.bytes[15]); });
  core::run_restored first{.source = from.how.id,
                           .source_seq = state->seq,
                           .state = core::encode_state(*state, nullptr).value(),
                           .link = core::restore_link::forked};
  planned_.push_back({.how = {.id = id}, .workflow = from.workflow, .first = std::move(first)});
}

/// Clients with a command id try again until they have an answer; the others do not.
void world::deliver(std::size_t index) {
  auto& sent = commands_[index];
  ++sent.unanswered;
  trace([&] {
    return "command " + std::to_string(sent.what.index()) + " " + sent.id + " for run " + std::to_string(sent.run.bytes[15]);
  });
  const auto answer = [this, index](const result<void>& done) {
    auto& answered = commands_[index];
    answered.unanswered = std::max(0, answered.unanswered - 1);
    trace([&] { return "  answer to " + answered.id + ": " + (done ? std::string{"done"} : done.error().message); });
    const bool again =
        done.has_error() && !answered.id.empty() &&
        (done.error().code == errc::shutting_down || done.error().code == errc::io_error || done.error().code == errc::fenced);
    if (!again) answered.answered = true;
    check_answer(answered, done);
  };
  if (sent.id.empty()) sent.answered = true;
  if (node_->route(run_host::from_client, sent.run, sent.what, answer)) return;
  const auto row = journal_->row(sent.run);
  answer(error{row ? errc::conflict : errc::not_found, "no such run is open"});
}

// Checkers -------------------------------------------------------------------------------------------------------------

void world::read_new_records() { durable_.read(*journal_, journal_->blobs()); }

void world::check_run(const run_id& id) {
  const auto& state = durable_.runs[id].state;
  if (is_terminal(state.status)) return;
  check_waker(state);
  if (core::has_work(state) && !node_->knows(id))
    throw broken("a run with work in flight that its node has forgotten: " + open_runs());
  check_row(*journal_, state);
}

void world::check_waits() {
  for (const auto& [id, run] : durable_.runs) {
    if (is_terminal(run.state.status) || run.state.paused || core::has_work(run.state)) continue;
    check_that_it_waits(*workflows_.at(run.state.workflow), run.state);
  }
}

/// By the run or by one that goes on from it.
bool world::carried_out(const client_command& of) {
  for (auto id = of.run;; id = *durable_.runs[id].state.successor) {
    if (durable_.runs[id].command_ids.contains(of.id)) return true;
    if (!durable_.runs[id].state.successor || !durable_.runs.contains(*durable_.runs[id].state.successor)) return false;
  }
}

/// The run, or the one that goes on from it.
const durable_run& world::last_of(const run_id& id) {
  const auto* at = &durable_.runs[id];
  while (at->state.successor && durable_.runs.contains(*at->state.successor)) at = &durable_.runs[*at->state.successor];
  return *at;
}

void world::check_answer(const client_command& of, const result<void>& answer) {
  const auto& run = last_of(of.run);
  const bool over = is_terminal(run.state.status);
  const bool recorded = carried_out(of);
  if (answer.has_value() && !of.id.empty()) {
    const bool matters =
        std::holds_alternative<core::signal_command>(of.what) || std::holds_alternative<core::respond_command>(of.what);
    if (matters && !recorded) throw broken("command " + of.id + " was acknowledged, and it is not in the journal");
    if (std::holds_alternative<core::cancel_command>(of.what) && !over && !run.state.ending_as)
      throw broken("an acknowledged cancel is not in the journal");
  }
  if (answer.has_error() && answer.error().code == errc::conflict && !over && !run.state.ending_as) {
    throw broken("command " + of.id + " was refused since the run had ended, and it has not");
  }
}

/// A family that was left to itself ends with the number that its rounds make, and with both things undone, the last first.
void world::check_family(const core::run_state& state) const {
  if (state.workflow != "family" || state.source || !state.input.value().as_object().contains("round")) return;
  const auto* last = &state;
  auto number = state.input.value().at("number").to_number<std::int64_t>();
  int rounds = 0;
  for (; last->successor; ++rounds) {
    const auto at = durable_.runs.find(*last->successor);
    if (at == durable_.runs.end() || at->second.state.seq == 0) throw broken("a run continued as a run that is not there");
    last = &at->second.state;
    number = next_number(number);
  }
  if (state.parent || !last->error || last->error->code != family_end) return;
  if (rounds != last_round || last->outputs.size() != 3 || last->outputs[0].text() != std::to_string(number) ||
      last->outputs[1].text() != "-2" || last->outputs[2].text() != "-1") {
    throw broken("a family has another end than its rounds give");
  }
}

/// One whose background work failed has that in its events, before its end; it fails with it when it was to.
void world::check_sender(const core::run_state& state, const std::vector<core::record>& records) const {
  if (state.workflow != "sender" || state.parent || state.source || state.children.empty()) return;
  const auto& work = state.children.begin()->second;
  if (work.live() || !work.error || work.error->code != errand_end) return;
  const bool fails = state.input.value().at("number").to_number<std::int64_t>() % 2 != 0;
  std::size_t warnings = 0;
  for (const auto& each : records) {
    const auto event = core::decode(each.kind, each.schema, each.bytes, nullptr);
    const auto* said = event ? std::get_if<core::warning>(&*event) : nullptr;
    if (said != nullptr && said->code == "background_failed") ++warnings;
  }
  if (warnings != (fails ? 0 : 1)) throw broken("background work failed, and " + std::to_string(warnings) + " warnings tell");
  if (state.ending_as || state.status == run_status::cancelled || state.status == run_status::timed_out) return;
  if (fails ? state.status == run_status::succeeded : state.status == run_status::failed && state.error->code == errand_end)
    throw broken("a sender's end does not follow from that of its background work");
}

void world::check_end() {
  for (const auto& [id, run] : durable_.runs) {
    core::run_state again;
    again.id = id;
    const auto records = journal_->read_run(id, 0, 1'000'000);
    for (const auto& each : *records) {
      if (!core::apply(again, *core::decode(each.kind, each.schema, each.bytes, &journal_->blobs()), each.time))
        throw broken("a replay fails");
    }
    if (core::encode_state(again, nullptr).value() != core::encode_state(run.state, nullptr).value())
      throw broken("a replay differs");
    const auto handlers =
        cluster::replay_run(*journal_, id, 0, [&](const core::run_state& state) { return workflows_.at(state.workflow).get(); });
    if (!handlers) throw broken("handlers cannot be replayed: " + handlers.error().message);
    if (!handlers->partings.empty()) {
      const auto& first = handlers->partings[0];
      throw broken("a replay of handlers parts at event " + std::to_string(first.seq) + ", activation " +
                   std::to_string(first.activation) + "." + std::to_string(first.attempt) + ": recorded " + first.recorded +
                   "; replayed " + first.replayed);
    }
    check_family(run.state);
    check_sender(run.state, *records);
    if (!steady_.contains(id.str()) || run.state.status != run_status::succeeded) continue;
    std::int64_t sum = 0;
    const auto prefix = id.str() + "/work/";
    for (const auto& [key, entry] : outside_.executed) {
      if (key.compare(0, prefix.size(), prefix) == 0) sum += outside_.value_of(key);
    }
    if (run.state.outputs.size() != 1 || run.state.outputs[0].text() != std::to_string(sum))
      throw broken("a run has another result than its steps gave");
  }
  const auto report = journal_->verify([&](const run_id& id) { return waits_outside(durable_.runs[id].state); });
  if (!report.problems.empty()) throw broken("the journal's verify: " + report.problems[0].what);
}

void world::trace(const std::function<std::string()>& text) {
  auto line = text();
  if (verbose_) std::printf("%6llu %s\n", static_cast<unsigned long long>(count_.actions), line.c_str());
  trace_.push_back(std::move(line));
  if (trace_.size() > kept_trace) trace_.pop_front();
}

std::string world::last_events() const {
  std::string out;
  for (const auto& each : trace_) out += "  " + each + "\n";
  return out;
}

void world::add_to(statistics& all) const {
  ++all.schedules;
  all.actions += count_.actions;
  all.events += durable_.events;
  all.crashes += count_.crashes;
  all.takeovers += count_.takeovers;
  all.parked += count_.parked;
  all.snapshots += count_.snapshots;
  for (const auto& [key, entry] : outside_.executed) all.bodies += entry.tries;
  for (const auto& [kind, many] : durable_.kinds) all.kinds[kind] += many;
  for (const auto& [end, many] : durable_.ends) all.ends[end] += many;
}

void run_schedules(const char* name, const profile& how, std::uint64_t first_seed, std::uint64_t count) {
  statistics all;
  const char* chosen = std::getenv("PERDURE_SIM_SEED");
  if (chosen != nullptr) {
    first_seed = std::stoull(chosen);
    count = 1;
  }
  for (std::uint64_t seed = first_seed; seed < first_seed + count; ++seed) {
    INFO("PERDURE_SIM_SEED=" << seed << " repeats it");
    world one{seed, how, chosen != nullptr};
    try {
      one.run();
    } catch (const broken& found) {
      FAIL(name << ", seed " << seed << ": " << found.what() << "\nPERDURE_SIM_SEED=" << seed << " repeats it; the last events:\n"
                << one.last_events());
    }
    one.add_to(all);
  }
  std::string kinds, ends;
  for (const auto& [kind, many] : all.kinds) kinds += " " + kind + "=" + std::to_string(many);
  for (const auto& [end, many] : all.ends) ends += " " + end + "=" + std::to_string(many);
  std::printf(
      "%s: %llu schedules from seed %llu, %llu actions, %llu events, %llu bodies, %llu crashes, %llu takeovers, %llu parked, "
      "%llu snapshots\n ends:%s\n events:%s\n",
      name, static_cast<unsigned long long>(all.schedules), static_cast<unsigned long long>(first_seed),
      static_cast<unsigned long long>(all.actions), static_cast<unsigned long long>(all.events),
      static_cast<unsigned long long>(all.bodies), static_cast<unsigned long long>(all.crashes),
      static_cast<unsigned long long>(all.takeovers), static_cast<unsigned long long>(all.parked),
      static_cast<unsigned long long>(all.snapshots), ends.c_str(), kinds.c_str());
}

}  // namespace perdure::sim

TEST_CASE("the same seed gives the same schedule") {
  using namespace perdure::sim;
  const profile all{.crashes = true,
                    .append_faults = true,
                    .time_faults = true,
                    .commands = true,
                    .takeovers = true,
                    .deaths = true,
                    .unregistered = true};
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    std::uint64_t prints[2] = {};
    for (auto& print : prints) {
      world one{seed, all, false};
      try {
        one.run();
      } catch (const broken& found) {
        FAIL(found.what() << "\n" << one.last_events());
      }
      print = one.fingerprint();
    }
    CHECK(prints[0] == prints[1]);
  }
}
