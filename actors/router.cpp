#include "actors/router.hpp"

#include <algorithm>
#include <deque>
#include <unordered_map>
#include <unordered_set>

#include "actors/run_actor.hpp"
#include "actors/services.hpp"
#include "core/backoff.hpp"
#include "core/outbox.hpp"

namespace perdure::actors {

namespace {

/// Deaths in a row after which a run is quarantined until the node is opened again.
constexpr std::uint32_t quarantine_deaths = 5;
/// A run that asked to leave memory is kept for a moment (park_linger): more may come for it, and to read it again costs more
/// than to keep it. The moment is short when many linger. Those that asked within one pause leave together.
constexpr std::chrono::milliseconds short_linger{20}, park_pause{5};
constexpr std::size_t lingering_runs = 100;
constexpr auto revival = exponential(std::chrono::milliseconds{100}, std::chrono::seconds{10});

class router : public caf::event_based_actor {
 public:
  router(caf::actor_config& config, std::shared_ptr<services> shared, caf::actor writer, caf::actor timer)
      : caf::event_based_actor(config), shared_(std::move(shared)), writer_(std::move(writer)), timer_(std::move(timer)) {}

  caf::behavior make_behavior() override {
    set_down_handler([this](const caf::down_msg& down) { run_died(down); });
    return {
        [this](start_run& what) { start(std::move(what)); },
        [this](start_runs& what) {
          for (auto& each : what.all) start(std::move(each));
        },
        [this](run_command& what) { pass(std::move(what)); },
        [this](run_due& what) {
          if (auto* run = reach(what.run)) give(*run, {core::wake{}, [token = std::move(what.token)](const result<void>&) {}});
        },
        [this](park_asked what) { plan_parking(what.run); },
        [this](park_some) { park(); },
        [this](park_answered what) { parked(what); },
        [this](const workflow_added& what) { workflow_registered(what); },
        [this](reopen_active what) { reopen(what.unclean); },
        [this](run_left what) { forget(what.run); },
        [this](reopen_run what) { (void)reach(what.run); },
        [this](appends_settled what) { bury(what.run); },
        [this](close_runs& what) { close(std::move(what)); },
    };
  }

  void on_exit() override {
    runs_.clear();
    ids_.clear();
    writer_ = timer_ = nullptr;
  }

 private:
  struct entry {
    caf::actor actor;
    bool parking = false;               ///< or dead, and its last append is on its way
    std::vector<command_for_run> kept;  ///< while it is parking
    std::vector<start_run> starts;      ///< said again while it is dead
    std::string died_of;
  };

  run_neighbours neighbours() { return {caf::actor_cast<caf::actor>(this), writer_, timer_}; }

  void start(start_run&& what) {
    if (closing_) return what.answer(error{errc::shutting_down, "the node is closing"}, std::nullopt);
    const auto id = what.how.id;
    // Another run may say it again: it has not heard yet that the run is there.
    if (const auto there = runs_.find(id); there != runs_.end()) {
      if (!there->second.died_of.empty()) return there->second.starts.push_back(std::move(what));
      // Its own start may not be durable yet: the run answers when all that it has decided is.
      return give(there->second, {core::wake{}, [answer = std::move(what.answer), id](const result<void>& durable) {
                                    if (!durable) return answer(durable.error(), std::nullopt);
                                    answer(error{errc::already_exists, "run " + id.str() + " exists"}, id);
                                  }});
    }
    // One that is stored must not be begun beside itself: whoever opens it would take the wrong one for it.
    if ((what.how.parent || what.first) && shared_->journal->row(id)) {
      return what.answer(error{errc::already_exists, "run " + id.str() + " exists"}, id);
    }
    // A run that goes on as a new one waits for its workflow; a child has to have one.
    if (what.definition == nullptr && !what.first) {
      return what.answer(error{errc::workflow_unknown, "the workflow of run " + id.str() + " is not registered"}, std::nullopt);
    }
    keep(id, spawn_new_run(this, shared_, neighbours(), std::move(what)));
  }

  void pass(run_command&& what) {
    if (auto* run = reach(what.run, true)) return give(*run, {std::move(what.what), std::move(what.answer)});
    const auto row = shared_->journal->row(what.run);
    if (row && !closing_ && !quarantined_.contains(what.run) && concerns_an_end(*row, what.what)) {
      auto& run = keep(what.run, spawn_stored_run(this, shared_, neighbours(), what.run, false));
      return give(run, {std::move(what.what), std::move(what.answer)});
    }
    if (!what.answer) return;
    if (closing_) return what.answer(error{errc::shutting_down, "the node is closing; the run goes on at its next start"});
    if (const auto why = quarantined_.find(what.run); why != quarantined_.end()) {
      return what.answer(error{errc::corrupt, "run " + what.run.str() + " is quarantined: " + why->second});
    }
    if (!row) return what.answer(error{errc::not_found, "no run " + what.run.str()});
    what.answer(error{errc::conflict, "run " + what.run.str() + " has ended: " + std::string{to_string(row->status)}});
  }

  /// What a run that has ended is read again for, on a thread of its own: what goes to the one that goes on from it, and a
  /// command with an id, which a caller that heard no answer says again; the run may have ended because of it.
  static bool concerns_an_end(const persistence::run_row& row, const core::command& what) {
    if (row.status == run_status::continued_as_new) return core::goes_to_successor(what);
    return std::visit(
        [](const auto& each) {
          if constexpr (requires { each.command_id; }) return !each.command_id.empty();
          return false;
        },
        what);
  }

  /// The run's actor, brought in from the journal when need be. Null for runs that have ended, do not exist, are
  /// quarantined, or whose workflow is not registered (`anyway` brings those in too: they can be cancelled).
  entry* reach(const run_id& id, bool anyway = false) {
    if (const auto at = runs_.find(id); at != runs_.end()) return &at->second;
    if (closing_ || quarantined_.contains(id)) return nullptr;
    const auto row = shared_->journal->row(id);
    // One that has ended may still owe messages to others.
    if (!row || (is_terminal(row->status) && !row->active)) return nullptr;
    if (!anyway && !is_terminal(row->status) && !registered(*row)) {
      blocked_[{row->workflow, row->version}].insert(id);
      return nullptr;
    }
    return &keep(id, spawn_stored_run(this, shared_, neighbours(), id, unclean_.erase(id) > 0));
  }

  static void give(entry& run, command_for_run what) {
    if (run.parking) return run.kept.push_back(std::move(what));
    tell(run.actor, std::move(what));
  }

  void plan_parking(const run_id& id) {
    if (to_park_.empty()) tell_later(this, short_linger, park_some{});
    to_park_.emplace_back(steady_now(this), id);
  }

  void park() {
    const auto now = steady_now(this);
    const auto over = [&] { return to_park_.front().first + (to_park_.size() > lingering_runs ? short_linger : park_linger); };
    while (!to_park_.empty() && over() <= now) {
      let_park(to_park_.front().second);
      to_park_.pop_front();
    }
    if (to_park_.empty()) return;
    // Many more may have asked when the first one's moment is over.
    const auto wait = std::min<duration>(std::chrono::ceil<duration>(over() - now), short_linger);
    tell_later(this, std::max<duration>(wait, park_pause), park_some{});
  }

  void let_park(const run_id& id) {
    const auto at = runs_.find(id);
    if (at == runs_.end() || at->second.parking || closing_) return;
    at->second.parking = true;
    send(at->second.actor, park_marker{});
  }

  void parked(const park_answered& what) {
    const auto at = runs_.find(what.run);
    if (at == runs_.end() || at->second.actor.id() != what.from) return;  // late word of one that was forgotten
    if (what.parked) return let_go(at);
    at->second.parking = false;
    for (auto& each : std::exchange(at->second.kept, {})) give(at->second, std::move(each));
  }

  bool registered(const persistence::run_row& row) const {
    return shared_->workflows.find(row.workflow, row.version, row.definition_hash) != nullptr;
  }

  entry& keep(const run_id& id, caf::actor actor) {
    ids_[actor.id()] = id;
    auto& made = runs_[id];
    made.actor = std::move(actor);
    return made;
  }

  void forget(const run_id& id) {
    const auto at = runs_.find(id);
    if (at == runs_.end()) return;
    send(at->second.actor, farewell{});
    let_go(at);
  }

  /// The run is not in memory any more. What was kept back for it brings it in again, or is answered with why not.
  void let_go(std::unordered_map<run_id, entry>::iterator at) {
    const auto id = at->first;
    auto kept = std::move(at->second.kept);
    auto starts = std::move(at->second.starts);
    ids_.erase(at->second.actor.id());
    runs_.erase(at);
    deaths_.erase(id);
    if (closing_ && runs_.empty() && closed_) std::exchange(closed_, nullptr)();
    for (auto& each : starts) start(std::move(each));
    for (auto& each : kept) pass({id, std::move(each.what), std::move(each.answer)});
  }

  void run_died(const caf::down_msg& down) {
    const auto known = ids_.find(down.source.id());
    if (known == ids_.end()) return;
    const auto id = known->second;
    const auto at = runs_.find(id);
    if (ended_well(down.reason)) return let_go(at);
    // It is not read again before what it had sent to the writer is there: else a step that gets recorded is done again.
    ids_.erase(known);
    at->second.parking = true;
    at->second.died_of = to_string(down.reason);
    tell(writer_, settle_appends{id, caf::actor_cast<caf::actor>(this)});
  }

  void bury(const run_id& id) {
    const auto at = runs_.find(id);
    const auto deaths = deaths_[id] + 1;
    if (deaths >= quarantine_deaths && !closing_) {
      quarantined_[id] = at->second.died_of;
      shared_->log("error", "quarantined until the node is opened again: " + at->second.died_of, id.str());
    } else if (!closing_) {
      tell_later(this, core::delay_before(revival, deaths + 1, duration{0}, 0), reopen_run{id});
    }
    let_go(at);
    deaths_[id] = deaths;
  }

  void workflow_registered(const workflow_added& what) {
    for (auto& [id, known] : runs_) tell(known.actor, definition_ready{});
    const auto waiting = blocked_.find({what.name, what.version});
    if (waiting == blocked_.end()) return;
    for (const auto& id : std::exchange(waiting->second, {})) (void)reach(id);
    if (waiting->second.empty()) blocked_.erase(waiting);
  }

  void reopen(bool unclean) {
    std::vector<persistence::run_row> rows;
    shared_->journal->for_each_active([&](const persistence::run_row& row) { rows.push_back(row); });
    for (const auto& row : rows) {
      if (runs_.contains(row.id)) continue;
      if (unclean) unclean_.insert(row.id);
      shared_->count.recovered_runs.fetch_add(1, std::memory_order_relaxed);
      if (registered(row) || is_terminal(row.status)) {
        (void)reach(row.id);
      } else {
        blocked_[{row.workflow, row.version}].insert(row.id);
      }
    }
  }

  void close(close_runs&& what) {
    closing_ = true;
    for (auto& [id, known] : runs_) tell(known.actor, drain{what.leave});
    if (!what.done) return;
    if (runs_.empty()) return what.done();
    closed_ = std::move(what.done);
  }

  std::shared_ptr<services> shared_;
  caf::actor writer_, timer_;
  std::unordered_map<run_id, entry> runs_;
  std::unordered_map<caf::actor_id, run_id> ids_;
  std::unordered_map<run_id, std::uint32_t> deaths_;
  std::unordered_map<run_id, std::string> quarantined_;
  std::unordered_set<run_id> unclean_;
  std::map<std::pair<std::string, std::string>, std::unordered_set<run_id>> blocked_;
  std::deque<std::pair<std::chrono::steady_clock::time_point, run_id>> to_park_;  ///< and since when
  bool closing_ = false;
  std::function<void()> closed_;
};

}  // namespace

caf::actor spawn_router(caf::actor_system& system, std::shared_ptr<services> shared, caf::actor writer, caf::actor timer) {
  return system.spawn<router>(std::move(shared), std::move(writer), std::move(timer));
}

}  // namespace perdure::actors
