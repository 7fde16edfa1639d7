#include "simulation_actors/world.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "simulation_actors/cast.hpp"
#include "simulation_actors/process.hpp"
#include "support/catch.hpp"

namespace perdure::sim {

namespace {
constexpr std::size_t kept_trace = 150;
constexpr int actions_to_end = 60'000;    ///< without faults every run ends within so many
constexpr int actions_to_settle = 5'000;  ///< and whoever asks, or closes, is through within so many
constexpr int bodies_in_bodies = 3;
/// A run that has died five times in a row is given up until the node is opened again, and each death may bring about another:
/// an append that was in flight comes late and makes its successor's fail.
constexpr int most_hurts = 2;
constexpr timestamp first_day{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1}};
constexpr std::size_t roomy = std::size_t{1} << 50;

/// What a body throws whose process is lost in the middle of it.
struct process_lost {};
}  // namespace

world::world(std::uint64_t seed, profile how, bool verbose)
    : seed_(seed), how_(how), verbose_(verbose), random_(seed), outside_(seed), scheduler_(std::make_unique<steered_scheduler>()),
      disk_(std::make_shared<persistence::memory_disk>()), wall_(first_day) {
  workflows_ = cast_of(random_);
  outside_.during = [this](call_context& with) { body_begins(with); };
}

world::~world() {
  losing_ = ~std::uint64_t{0};
  process_.reset();
  zombie_.reset();
  scheduler_.reset();
}

// Phases ---------------------------------------------------------------------------------------------------------------

void world::run() {
  open_journal();
  open_process(false);
  plan_runs();
  for (int i = 0; i < how_.actions && !all_ended(); ++i) step();
  finish();
  stop_zombie();
  ask_ended_runs();
  check_end();
  last_close_ = true;
  close_process();
  settle("a process without work does not close", [this] { return process_ == nullptr; });
}

void world::plan_runs() {
  for (std::uint64_t i = 1, count = how_.lone_run ? 1 : 1 + random_.below(4); i <= count; ++i) {
    planned_run made;
    const auto kind = how_.only_parkers ? 0 : random_.below(4);
    made.workflow = kind <= 1 ? "parker" : kind == 2 ? "steady" : "program";
    made.how = start_of(made.workflow, random_);
    if (how_.lone_run || random_.one_in(2)) made.key = "key " + std::to_string(i);
    planned_.push_back(std::move(made));
  }
}

void world::throw_if_failed() const {
  if (!problem_.empty()) throw broken(problem_);
  if (!outside_.problem.empty()) throw broken(outside_.problem);
}

/// One thing happens. Also called in the middle of a body; then nothing that takes a process away.
void world::step() {
  if (crash_wanted_) return;
  ++count_.actions;
  if (!act(random_.bits())) idle();
  if (depth_ > 0) return;
  throw_if_failed();
  if (std::exchange(crash_wanted_, false) || (fatal_ && random_.one_in(10))) lose_process();
  if (closing_ == closing::begun && random_.one_in(30)) {
    closing_ = closing::leaving;
    trace("everybody leaves");
    process_->close_end([this] { closing_ = closing::gone; });
  }
  if (closing_ == closing::gone) finish_closing();
}

/// False: nothing can happen now.
bool world::act(std::uint64_t chosen) {
  const auto ready = scheduler_->ready();
  const auto commands = closing_ == closing::no || random_.one_in(4) ? undelivered() : std::vector<std::size_t>{};
  const auto starts = unstarted();
  const auto faults = faults_ && (depth_ == 0 || random_.one_in(4));
  const std::uint64_t weights[] = {
      std::min<std::uint64_t>(ready, 6) * 4,
      std::min<std::uint64_t>(process_->jobs(), 4) * 3,
      zombie_ ? std::min<std::uint64_t>(zombie_->jobs(), 4) : 0,
      std::min<std::uint64_t>(commands.size(), 4) * 2,
      std::min<std::uint64_t>(starts.size(), 2) * 2,
      unregistered_.empty() ? 0U : 1U,
      faults && how_.commands ? 2U : 0U,
      faults && !how_.punctual ? 2U : 0U,
      faults && how_.crashes && random_.one_in(25) ? 4U : 0U,
      faults && how_.closes && depth_ == 0 && closing_ == closing::no && !zombie_ && random_.one_in(25) ? 4U : 0U,
      faults && how_.deaths && hurts_ < most_hurts && random_.one_in(25) ? 8U : 0U,
      faults && how_.takeovers && depth_ == 0 && !zombie_ && !fatal_ && closing_ == closing::no && random_.one_in(25) ? 4U : 0U,
      zombie_ && depth_ == 0 && random_.one_in(30) ? 4U : 0U,
      faults && how_.clock_jumps && random_.one_in(20) ? 4U : 0U,
  };
  std::uint64_t sum = 0;
  for (const auto each : weights) sum += each;
  if (sum == 0) return false;
  // Faults alone must not keep everybody from ever being idle.
  if (weights[0] + weights[1] + weights[2] + weights[3] + weights[4] == 0 && (chosen >> 40U) % 2 == 0) return false;
  chosen %= sum;
  std::size_t action = 0;
  while (chosen >= weights[action]) chosen -= weights[action++];
  switch (action) {
    case 0: run_actor(random_.below(ready)); break;
    case 1: run_job(*process_, random_.below(std::min<std::uint64_t>(process_->jobs(), 4))); break;
    case 2: run_job(*zombie_, random_.below(std::min<std::uint64_t>(zombie_->jobs(), 4))); break;
    case 3: deliver(commands[random_.below(commands.size())]); break;
    case 4: start(starts[random_.below(starts.size())]); break;
    case 5:
      trace("workflow " + *unregistered_.begin() + " is registered");
      process_->add(workflows_.at(*unregistered_.begin()));
      unregistered_.erase(unregistered_.begin());
      break;
    case 6: make_command(); break;
    case 7:
      pass_time(random_.one_in(4) ? std::chrono::milliseconds{random_.below(5'000)}
                                  : std::chrono::milliseconds{random_.below(40)});
      break;
    case 8: crash_wanted_ = true; break;
    case 9: close_process(); break;
    case 10: kill_one(); break;
    case 11: take_over(); break;
    case 12: stop_zombie(); break;
    default: jump_clock(); break;
  }
  return true;
}

/// Nothing is left to do at this time: time goes by, or somebody outside helps.
void world::idle() {
  if (depth_ > 0) return;
  check_wakers();
  if (how_.punctual) check_punctual();
  if (faults_ && closing_ == closing::no && random_.one_in(3)) return make_command();
  if (!faults_ && random_.one_in(2) && help_along()) return;
  const auto next = scheduler_->next_delay();
  if (!next) return fail("nothing will ever happen any more, and there are runs that have not ended");
  auto length = std::max<duration>(*next, std::chrono::microseconds{1});
  if (length > std::chrono::milliseconds{900} || (!how_.punctual && random_.one_in(4))) {
    // The timer looks at its clock each second; it may do so late.
    length = std::chrono::seconds{30};
    for (const auto& [id, run] : durable_.runs) {
      if (is_terminal(run.state.status)) continue;
      if (const auto due = core::next_wakeup(run.state); due && *due > wall_) length = std::min(length, *due - wall_);
    }
    if (how_.punctual) length = std::max<duration>(length, *next);
  }
  pass_time(length);
}

void world::finish() {
  trace("--- no more faults");
  faults_ = false;
  disk_->set_capacity(roomy);
  disk_->spare_commits();
  // A process whose journal has failed ends, and what an ambiguous commit left is known only then.
  for (int i = 0; !all_ended() || !all_answered() || closing_ != closing::no || fatal_; ++i) {
    if (i > actions_to_end) {
      std::string open;
      for (const auto& [id, run] : durable_.runs) {
        if (!is_terminal(run.state.status))
          open += " " + std::to_string(id.bytes[15]) + " (" + std::string{to_string(run.state.status)} + ")";
      }
      throw broken("runs do not end, or clients have no answer, within " + std::to_string(actions_to_end) +
                   " actions without faults: runs" + open + ", unanswered " + std::to_string(!all_answered()));
    }
    step();
  }
}

/// Steps until it is so; what is said when it is not soon.
void world::settle(const char* what, const std::function<bool()>& done) {
  for (int i = 0; !done(); ++i) {
    if (i > actions_to_settle) throw broken(what);
    step();
  }
}

bool world::help_along() {
  for (const auto& each : commands_) {
    if (!each.answered) return false;
  }
  for (const auto& [id, run] : durable_.runs) {
    const auto& state = run.state;
    if (is_terminal(state.status)) continue;
    const auto number = "c" + std::to_string(next_command_);
    if (state.paused) {
      command(id, core::resume_command{number}, number);
      return true;
    }
    for (const auto& [activation, in] : state.activations) {
      for (const auto& [ordinal, step] : in.pending) {
        if (step.kind != core::step_kind::request) continue;
        const auto request = std::to_string(activation) + "." + std::to_string(ordinal);
        command(id, core::respond_command{request, payload{json::value(4)}, number}, number);
        return true;
      }
    }
    if (!state.signal_waiters.empty()) {
      command(id, core::signal_command{state.signal_waiters.begin()->first, payload{json::value(5)}, number}, number);
      return true;
    }
  }
  return false;
}

bool world::all_ended() const {
  for (const auto& each : planned_) {
    if (!each.answered) return false;
  }
  return std::all_of(durable_.runs.begin(), durable_.runs.end(),
                     [](const auto& each) { return is_terminal(each.second.state.status); });
}

bool world::all_answered() const {
  return std::all_of(commands_.begin(), commands_.end(), [](const auto& each) { return each.asked == 0; }) &&
         std::all_of(planned_.begin(), planned_.end(), [](const auto& each) { return each.asked == 0; });
}

/// A router that remembers a run that has gone would send the question nowhere.
void world::ask_ended_runs() {
  for (const auto& [id, run] : durable_.runs) {
    const auto number = "last word to " + id.str();
    commands_.push_back(
        {.run = id, .what = core::signal_command{"go", payload{json::value(1)}, number}, .id = number, .last_word = true});
  }
  settle("somebody who asks a run that has ended has no answer", [this] { return all_answered() && undelivered().empty(); });
}

// What may happen ------------------------------------------------------------------------------------------------------

void world::open_journal() {
  auto opened = persistence::open_memory_journal(disk_);
  if (!opened) throw broken("the journal does not open: " + opened.error().message);
  journal_ = std::move(*opened);
  fatal_ = false;
  read_new_records();  // what an ambiguous commit left
}

void world::open_process(bool unclean) {
  closing_ = closing::no;
  hurts_ = 0;
  // A commit that fails while it opens ends a process before it begins; then the next one opens, on a disk that is mended.
  for (int tries = 0; tries < 3 && !journal_->acquire(0); ++tries) {
    disk_->crash();
    open_journal();
  }
  const auto number = next_process_++;
  auto lent = std::make_unique<lent_journal>(journal_);
  lent->before_append = [this](std::size_t items) { before_commit(items); };
  lent->appended = [this, number](auto items, const auto& verdicts) {
    after_commit(zombie_ && zombie_->number() == number, items, verdicts);
  };
  lent->fails_to_read = [this] {
    if (!how_.read_faults || !faults_ || hurts_ >= most_hurts || !random_.one_in(8)) return false;
    ++hurts_;
    trace("a read fails");
    return true;
  };
  const auto loses = [this](const run_id& run, std::optional<timestamp> at) {
    trace("  run " + std::to_string(run.bytes[15]) + (at ? ", due in " + std::to_string((*at - wall_).count()) + " us" : ""));
    const bool out = how_.losses && faults_ && random_.one_in(4);
    count_.lost_messages += out ? 1 : 0;
    if (out) trace("the message is lost");
    return out;
  };
  process_ = std::make_shared<process>(*scheduler_, number, std::move(lent), unclean,
                                       process::ports{.wall = [this] { return wall_; },
                                                      .loses_arming = loses,
                                                      .loses_due = loses,
                                                      .log =
                                                          [this](const log_record& what) {
                                                            tell("  log: " + std::string{what.message});
                                                            if (what.level == "error" && !how_.loses_actors()) {
                                                              fail("an error without a cause: " + std::string{what.message});
                                                            }
                                                          },
                                                      .fatal =
                                                          [this, number] {
                                                            trace("the journal has failed");
                                                            fatal_ = true;
                                                            for (const auto& each : {process_, zombie_}) {
                                                              if (each && each->number() == number) each->shared().closing = true;
                                                            }
                                                          }});
  unregistered_.clear();
  for (const auto& [name, what] : workflows_) {
    if (how_.unregistered && faults_ && random_.one_in(2)) {
      unregistered_.insert(name);
    } else {
      process_->add(what);
    }
  }
}

/// All memory is lost.
void world::lose_process() {
  trace("--- crash");
  ++count_.lost_processes;
  for (auto* each : {&process_, &zombie_}) {
    if (!*each) continue;
    losing_ = (*each)->number();
    each->reset();
  }
  losing_ = 0;
  if (const auto left = scheduler_->running(); left > 0)
    throw broken(std::to_string(left) + " actors outlive their process:" + scheduler_->who_goes_on());
  journal_.reset();
  disk_->crash();
  for (auto& each : commands_) each.asked = 0;
  for (auto& each : planned_) each.asked = 0;
  open_journal();
  open_process(true);
}

void world::close_process() {
  trace("--- the process closes");
  closing_ = closing::begun;
  process_->close_begin();
}

/// No run is in memory. As at the end of node::impl::close: whoever were still there, CAF would wait for.
void world::finish_closing() {
  for (int i = 0; scheduler_->ready() > 0; ++i) {
    if (i > actions_to_settle) throw broken("a process that has closed does not come to rest");
    run_actor(random_.below(scheduler_->ready()));
  }
  constexpr std::size_t own = 6;  // router, timer, writer and their doors
  if (const auto left = scheduler_->running(); left != own) {
    throw broken("a process has closed, and there are still" + scheduler_->who_goes_on());
  }
  trace("--- closed");
  ++count_.closes;
  process_->closed();
  process_.reset();
  journal_.reset();
  throw_if_failed();
  if (last_close_) return;
  disk_->crash();  // its last commit may have failed: the next process comes when the disk is mended
  open_journal();
  open_process(false);
}

/// The new owner of the shard reads the journal; the old one goes on until the journal refuses it.
void world::take_over() {
  trace("--- another process takes over");
  ++count_.takeovers;
  zombie_ = std::exchange(process_, nullptr);
  for (auto& each : commands_) each.asked = 0;
  for (auto& each : planned_) each.asked = 0;
  open_process(true);
}

void world::stop_zombie() {
  if (!zombie_) return;
  trace("the old process stops");
  losing_ = zombie_->number();
  zombie_.reset();
  losing_ = 0;
}

void world::run_actor(std::size_t index) {
  const auto& who = scheduler_->actor_of(index);
  trace(who.kind + " of process " + std::to_string(who.process) + ": " + scheduler_->next_message(index));
  ++count_.messages;
  const bool before = std::exchange(in_actor_, true);
  scheduler_->run(index);
  in_actor_ = before;
  if (!how_.lone_run) return;
  // One that has ended appends nothing: what still comes for it may meet an actor of its own while the last one leaves.
  const bool ended = std::all_of(durable_.runs.begin(), durable_.runs.end(),
                                 [](const auto& each) { return is_terminal(each.second.state.status); });
  if (ended) return;
  const auto actors = scheduler_->living(process_->number(), "run_actor");
  if (std::count_if(actors.begin(), actors.end(), steered_scheduler::goes_on) > 1) fail("a run has two actors");
}

void world::run_job(process& of, std::size_t index) {
  trace("user code of process " + std::to_string(of.number()));
  const bool actor = std::exchange(in_actor_, false);
  of.do_job(index);
  in_actor_ = actor;
}

void world::kill_one() {
  auto all = scheduler_->living(process_->number(), "run_actor");
  for (auto& each : scheduler_->living(process_->number(), "executor_actor")) all.push_back(std::move(each));
  if (all.empty()) return;
  const auto& who = all[random_.below(all.size())];
  ++hurts_;
  ++count_.deaths;
  if (random_.one_in(2)) {
    trace("an actor is killed");
    caf::anon_send_exit(who, caf::exit_reason::kill);
  } else {
    trace("an actor is about to throw");
    actors::tell(who, actors::run_later{[] { throw std::runtime_error("by chance"); }});
  }
}

void world::jump_clock() {
  const auto length = random_.one_in(2) ? std::chrono::minutes{random_.below(90)} : -std::chrono::minutes{random_.below(3)};
  trace("the system's clock is set by " + std::to_string(length.count()) + " minutes");
  wall_ += length;
}

void world::pass_time(duration length) {
  trace("time: " + std::to_string(length.count()) + " us");
  wall_ += length;
  scheduler_->pass(length);
}

void world::before_commit(std::size_t items) {
  trace("  commit of " + std::to_string(items) + " items");
  if (!how_.commit_faults || !faults_) return;
  if (random_.one_in(60)) {
    static constexpr persistence::commit_fault faults[] = {persistence::commit_fault::lost, persistence::commit_fault::stored,
                                                           persistence::commit_fault::lost_blind,
                                                           persistence::commit_fault::stored_blind};
    disk_->fail_commit(faults[random_.below(4)]);
    trace("  it is going to fail");
  } else if (random_.one_in(15)) {
    disk_->set_capacity(disk_->used_bytes() + random_.below(2'000));
    trace("  the disk becomes full");
  } else if (random_.one_in(4)) {
    disk_->set_capacity(roomy);
  }
}

void world::after_commit(bool by_zombie, std::span<persistence::append_item> items,
                         const std::vector<persistence::verdict>& verdicts) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (by_zombie && !verdicts[i].error) fail("an append of an old epoch was taken");
  }
  if (!journal_->fatal()) read_new_records();
}

void world::body_begins(call_context& with) {
  if (crash_wanted_ || losing_ != 0 || !process_) throw process_lost{};
  if (scheduler_->process() == process_->number()) check_body(with.idempotency_key());  // an old process does what it likes
  if (in_actor_ || depth_ >= bodies_in_bodies) return;
  ++depth_;
  for (auto left = random_.below(8); left > 0; --left) step();
  --depth_;
  if (crash_wanted_) throw process_lost{};
}

// Telling --------------------------------------------------------------------------------------------------------------

void world::trace(std::string text) {
  trace_hash_ = hashed(text, trace_hash_);
  tell(std::move(text));
}

/// A log may depend on how busy the machine is (an executor that held its thread), what happens does not.
void world::tell(std::string text) {
  if (verbose_) std::printf("%6llu %s\n", static_cast<unsigned long long>(count_.actions), text.c_str());
  trace_.push_back(std::move(text));
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
  all.messages += count_.messages;
  all.events += durable_.events;
  all.lost_processes += count_.lost_processes;
  all.closes += count_.closes;
  all.takeovers += count_.takeovers;
  all.run_actors += scheduler_->started("run_actor");
  all.deaths += count_.deaths;
  all.lost_messages += count_.lost_messages;
  all.answers += count_.answers;
  for (const auto& [key, entry] : outside_.executed) all.bodies += entry.tries;
  for (const auto& [end, many] : durable_.ends) all.ends[end] += many;
}

void run_schedules(const char* name, const profile& how, std::uint64_t first_seed, std::uint64_t count) {
  statistics all;
  if (const char* wanted = std::getenv("PERDURE_SIM_COUNT")) count = std::stoull(wanted);
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
  std::string ends;
  for (const auto& [end, many] : all.ends) ends += " " + end + "=" + std::to_string(many);
  std::printf(
      "%s: %llu schedules from seed %llu, %llu actions, %llu messages, %llu events, %llu bodies, %llu answers, %llu processes "
      "lost, "
      "%llu closed, %llu takeovers, %llu run actors, %llu deaths, %llu messages lost\n ends:%s\n",
      name, static_cast<unsigned long long>(all.schedules), static_cast<unsigned long long>(first_seed),
      static_cast<unsigned long long>(all.actions), static_cast<unsigned long long>(all.messages),
      static_cast<unsigned long long>(all.events), static_cast<unsigned long long>(all.bodies),
      static_cast<unsigned long long>(all.answers), static_cast<unsigned long long>(all.lost_processes),
      static_cast<unsigned long long>(all.closes), static_cast<unsigned long long>(all.takeovers),
      static_cast<unsigned long long>(all.run_actors), static_cast<unsigned long long>(all.deaths),
      static_cast<unsigned long long>(all.lost_messages), ends.c_str());
}

}  // namespace perdure::sim
