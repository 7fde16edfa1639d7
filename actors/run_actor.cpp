#include "actors/run_actor.hpp"

#include <deque>
#include <set>
#include <unordered_map>

#include "actors/answer_desk.hpp"
#include "actors/delivery.hpp"
#include "actors/executor_actor.hpp"
#include "actors/job_orders.hpp"
#include "actors/reserving_blobs.hpp"
#include "actors/run_attempts.hpp"
#include "actors/run_batch.hpp"
#include "actors/services.hpp"
#include "core/assert.hpp"
#include "core/effects.hpp"
#include "core/later.hpp"
#include "core/machine.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

namespace {

/// An append that found no room is tried again after it.
constexpr std::chrono::milliseconds space_pause{500};
/// A run that only waits leaves memory when nothing comes for a moment, unless it is about to go on by itself.
constexpr std::chrono::seconds park_margin{1};

class run_actor : public caf::event_based_actor {
 public:
  run_actor(caf::actor_config& config, std::shared_ptr<services> shared, run_neighbours with, start_run start)
      : caf::event_based_actor(config), shared_(std::move(shared)), with_(std::move(with)), id_(start.how.id),
        definition_(start.definition), machine_(start.how.id, plan_of(start.definition)), start_(std::move(start)),
        timer_knows_(false) {
    shared_->count.live_runs.fetch_add(1, std::memory_order_relaxed);
  }
  run_actor(caf::actor_config& config, std::shared_ptr<services> shared, run_neighbours with, run_id run, bool unclean)
      : caf::event_based_actor(config), shared_(std::move(shared)), with_(std::move(with)), id_(run), machine_(run, nullptr),
        unclean_(unclean) {
    shared_->count.live_runs.fetch_add(1, std::memory_order_relaxed);
  }
  ~run_actor() override { shared_->count.live_runs.fetch_sub(1, std::memory_order_relaxed); }

  caf::behavior make_behavior() override {
    set_down_handler([this](const caf::down_msg& down) { executor_down(down); });
    machine_.observe([this](const core::event& what, const core::run_state& state) { record(what, state); });
    if (start_) {
      begin();
    } else if (auto read = open(); !read) {
      if (read.error().code == errc::not_found) return refusing(read.error());
      log("error", "cannot be read: " + read.error().message);
      if (read.error().code == errc::corrupt) return refusing(blocked(id_, read.error()));
      quit(caf::make_error(caf::sec::runtime_error, read.error().message));
      return {};
    }
    return {
        [this](command_for_run& what) { take(std::move(what.what), std::move(what.answer)); },
        [this](appended& what) { on_appended(what.verdict); },
        [this](run_later& what) {
          what.what();
          pump();
        },
        [this](definition_ready) { find_definition(); },
        [this](farewell) { quit(); },
        [this](retry_append) {
          retry_planned_ = false;
          waits_for_space_ ? append() : pump();
        },
        [this](redeliver what) { draining_ ? void() : deliver(what.number); },
        [this](park_marker) { answer_park(); },
        [this](drain what) {
          draining_ = true;
          leaving_ = leaving_ || what.leave;
          take_held();
          leave_if_drained();
        },
    };
  }

  void on_exit() override {
    attempts_.stop_all();
    shared_->room_waits.over(id_, room_waits::need::records);
    shared_->room_waits.over(id_, room_waits::need::start);
    const auto gone = error{errc::shutting_down, "run " + id_.str() + " left memory before the answer was durable"};
    for (auto* each : {&flying_, &next_}) {
      for (auto& answer : each->answers) answer(gone);
      *each = {};
    }
    answers_.refuse(gone);
    machine_.observe(nullptr);
    with_ = {};
  }

 private:
  static std::shared_ptr<const core::plan> plan_of(const definition_ptr& of) {
    return of == nullptr ? nullptr : std::shared_ptr<const core::plan>{of, &of->plan};
  }
  void log(std::string_view level, const std::string& text) { shared_->log(level, text, id_.str()); }

  // Beginning -----------------------------------------------------------------------------------------------------

  void begin() {
    const auto now = shared_->clock.now();
    if (start_->first) ledger_.begins_with(*start_->first);
    auto events = start_->first ? machine_.adopt(std::move(*start_->first), now) : machine_.start(start_->how, now);
    if (!events) {
      start_->answer(events.error(), std::nullopt);
      return leave();
    }
    collect(*events);
    pump();
  }

  result<void> open() {
    std::uint64_t replayed = 0;
    auto state = load_run(*shared_->journal, &shared_->journal->blobs(), id_, &head_, &replayed, &snapshot_seq_);
    shared_->count.replayed_events.fetch_add(replayed, std::memory_order_relaxed);
    if (!state) return state.error();
    machine_ = core::machine{std::move(*state), nullptr};
    ledger_.state_was_read();
    machine_.observe([this](const core::event& what, const core::run_state& now) { record(what, now); });
    // What it owes to others, and its jobs, need no workflow. What the state calls for at this moment may have been done; what
    // its first command brings about, such as the next try of a submit that was not accepted, was not.
    ledger_.update_debts(machine_.state(), next_.changes);
    find_definition();
    if (over()) leave();  // read again for what came after its end
    if (definition_ == nullptr || is_terminal(machine_.state().status)) {
      pump();
      leave_if_over();
    }
    return {};
  }

  /// It cannot be read, so it neither goes on nor ends; or it had ended, and was removed just now.
  caf::behavior refusing(const error& told) {
    set_default_handler(caf::drop);
    if (told.code == errc::not_found) leave();
    return {[told](command_for_run& what) { what.answer ? what.answer(told) : void(); }, [this](farewell) { quit(); },
            [this](drain what) { what.leave ? leave() : void(); }};
  }

  /// Work goes on as soon as the workflow is registered; commands are taken in any case.
  void find_definition() {
    if (definition_ != nullptr) return;
    const auto& state = machine_.state();
    auto found = shared_->workflows.find(state.workflow, state.version, state.definition_hash);
    if (found == nullptr || on_probation()) return;
    definition_ = std::move(found);
    machine_.set_definition(plan_of(definition_));
    if (is_terminal(state.status)) return;
    take(core::reopened{unclean_}, nullptr);
    ledger_.update_all(machine_.state(), next_.changes);
    pump();
    arm(true);
    consider_parking();
  }

  /// A run that was in flight at two unclean stops without getting on is held back before it is tried again: the others
  /// get on meanwhile, and a node that is killed again and again by somebody else does not count it against the run.
  bool on_probation() {
    if (!unclean_ || machine_.state().suspect_marks == 0) return false;
    const auto now = steady_now(this);
    if (!probation_end_) {
      probation_end_ = now + limits::suspect_pause;
      log("warning", "was in flight at several unclean stops; it goes on in " + to_human(limits::suspect_pause));
      tell_later(this, limits::suspect_pause + std::chrono::milliseconds{10}, definition_ready{});
    }
    return now < *probation_end_;
  }

  // Commands ------------------------------------------------------------------------------------------------------

  void take(core::command what, reply answer) {
    if (draining_ && answer) return answer(error{errc::shutting_down, "the node is closing; the run goes on at its next start"});
    if (machine_.state().successor && core::goes_to_successor(what))
      return keep_for_successor(std::move(what), std::move(answer));
    if (answer && next_.answers.size() + answers_.held() >= limits::queued_commands && may_be_refused(what)) {
      return answer(error{errc::overloaded, std::to_string(limits::queued_commands) + " commands wait for run " + id_.str() +
                                                " (limit queued_commands); try again later"});
    }
    const auto fits = answers_.judge(machine_.state(), what, definition_ == nullptr && !probation_end_);
    if (!fits) return hold({std::move(what), std::move(answer)});
    auto events = *fits ? machine_.execute(what, shared_->clock.now()) : result<std::vector<core::event>>{fits->error()};
    if (!events) {
      if (events.error().code == errc::fenced) shared_->count.stale_results.fetch_add(1, std::memory_order_relaxed);
      // It was decided on the tentative state, so it waits for that as every answer does.
      if (answer) {
        next_.answers.emplace_back([answer = std::move(answer), why = events.error()](const result<void>& durable) {
          answer(durable ? result<void>{why} : durable);
        });
      }
      pump();
      return consider_parking();
    }
    if (answer) next_.answers.push_back(std::move(answer));
    next_.essential = next_.essential || std::holds_alternative<core::cancel_command>(what);
    answers_.note(machine_.state(), what);
    collect(*events);
    pump();
    // The timer forgot the wake-up that it sent; more may be due already.
    if (std::holds_alternative<core::wake>(what) && definition_ != nullptr) arm(true);
    take_held();
    consider_parking();
  }

  void hold(command_for_run what) {
    const auto& state = machine_.state();
    const auto id = answers_.hold(state, std::move(what));
    if (!state.paused || definition_ == nullptr || attempts_.has(id)) return;  // an attempt will say what it waits for
    answers_.replay(shared_->pool, definition_, state, id, caf::actor_cast<caf::actor>(this), [this] { take_held(); });
  }
  void take_held() {
    for (auto& each : answers_.let_go()) take(std::move(each.what), std::move(each.answer));
  }

  /// The run has ended as continued_as_new, maybe only on the tentative state. What comes for it is kept until the run that
  /// goes on is there.
  void keep_for_successor(core::command what, reply answer) {
    core::address_to_successor(what, id_);
    for_successor_.push_back({*machine_.state().successor, std::move(what), std::move(answer)});
    pass_to_successor();
  }
  void pass_to_successor() {
    if (!over()) return;
    for (auto& each : std::exchange(for_successor_, {})) tell(with_.router, std::move(each));
  }

  void collect(const std::vector<core::event>& events) {
    if (definition_ == nullptr) {
      for (const auto& each : events) {
        if (const auto* gone = std::get_if<core::message_delivered>(&each))
          ledger_.delivered(machine_.state(), *gone, next_.changes);
      }
      return ledger_.update_debts(machine_.state(), next_.changes);
    }
    for (const auto& each : events) ledger_.update(machine_.state(), each, next_.changes);
  }

  /// Called for every event right after it was applied: its record says what the state is then.
  void record(const core::event& what, const core::run_state& state) {
    if (is_terminal(state.status)) next_.essential = true;
    next_.records.push_back({.kind = core::kind_of(what),
                             .status = state.status,
                             .active = core::has_work(state),
                             .run = id_,
                             .seq = state.seq,
                             .time = state.updated_at,
                             .wakeup = core::next_wakeup(state)});
    if (!unwritten_.empty() || !write(what, next_.records.back())) unwritten_.push_back(what);
  }

  /// A record's bytes, and with them its place in the chain. False when a payload that goes to the blobs has no room now.
  bool write(const core::event& what, core::record& to) {
    const bool starts = start_ && flying_.empty();
    reserving_blobs blobs{*shared_->journal, starts            ? reserving_blobs::use::start
                                             : next_.essential ? reserving_blobs::use::essential
                                                               : reserving_blobs::use::step};
    auto bytes = core::encode(what, &blobs);
    if (!bytes && bytes.error().code == errc::disk_full && !starts) {
      no_room_ = bytes.error().message;
      return false;
    }
    if (!bytes) {
      if (!append_problem_) append_problem_ = bytes.error();
      return true;
    }
    to.bytes = std::move(*bytes);
    to.hash = head_ = core::chain_hash(head_, to);
    return true;
  }

  /// The last records of the next batch that had no room. False: they are tried again in a while.
  bool write_rest() {
    while (!unwritten_.empty()) {
      if (!write(unwritten_.front(), next_.records[next_.records.size() - unwritten_.size()])) {
        wait_for_space("a large payload found none: " + no_room_);
        return false;
      }
      unwritten_.pop_front();
    }
    return true;
  }

  void wait_for_space(const std::string& why) {
    if (shared_->room_waits.note(id_, room_waits::need::records, why)) log("warning", std::string{waits_for_room} + ": " + why);
    if (draining_) return leave();
    if (!std::exchange(retry_planned_, true)) tell_later(this, space_pause, retry_append{});
  }

  // Appending -----------------------------------------------------------------------------------------------------

  void pump() {
    if (!flying_.empty() || pumping_) return;
    pumping_ = true;
    while (flying_.empty() && !next_.empty()) {
      if (append_problem_) {
        pumping_ = false;
        return fail(*append_problem_);
      }
      if (!write_rest()) break;
      flying_ = std::exchange(next_, {});
      if (flying_.records.empty()) {  // answers only: nothing to wait for
        auto done = std::exchange(flying_, {});
        release(done);
        continue;
      }
      append();
    }
    pumping_ = false;
  }

  void append() {
    if (flying_.records.empty()) return;
    if (waits_for_space_ && next_.essential && write_rest()) flying_.join(std::exchange(next_, {}));
    waits_for_space_ = false;
    flying_.in_append = flying_.next_piece();
    const auto first = flying_.records.begin() + static_cast<std::ptrdiff_t>(flying_.durable);
    persistence::append_item item{.epoch = shared_->epoch,
                                  .run = id_,
                                  .expected_seq = first->seq - 1,
                                  .records = {first, first + static_cast<std::ptrdiff_t>(flying_.in_append)},
                                  .essential = flying_.essential};
    if (start_) {
      item.preconditions.emplace_back(persistence::run_absent{id_});
      const auto& how = start_->how;
      if (!how.key.empty()) item.preconditions.emplace_back(persistence::key_absent{how.tenant, how.key, start_->lapsed_holder});
      if (start_->tenant_runs > 0) item.preconditions.emplace_back(persistence::counter_below{how.tenant, start_->tenant_runs});
    }
    const auto& state = machine_.state();
    if (next_.records.empty() && item.records.back().seq == state.seq && state.seq >= snapshot_seq_ + limits::snapshot_events &&
        !is_terminal(state.status)) {
      if (auto bytes = core::encode_state(state, &shared_->journal->blobs())) {
        item.snapshot.emplace(state.seq, std::move(*bytes));
        snapshot_seq_ = state.seq;
      }
    }
    send(with_.writer, append_request{std::move(item), caf::actor_cast<caf::actor>(this)});
  }

  void on_appended(const persistence::verdict& verdict) {
    if (verdict.error) return refused(verdict);
    flying_.durable += std::exchange(flying_.in_append, 0);
    if (flying_.durable < flying_.records.size()) return append();
    auto done = std::exchange(flying_, {});
    if (start_) {
      start_->answer(id_, std::nullopt);
      start_.reset();
      if (shared_->sink) log("info", "started: " + machine_.state().workflow + " " + machine_.state().version);
    }
    shared_->hub.notify(id_);
    pumping_ = true;  // what the effects bring about joins one append
    release(done);
    pumping_ = false;
    pump();
    if (leave_if_over()) return;
    leave_if_drained();
    consider_parking();
  }

  void refused(const persistence::verdict& verdict) {
    if (start_) {
      start_->answer(*verdict.error, verdict.holder);
      start_.reset();
      flying_ = next_ = {};
      unwritten_.clear();
      return leave();
    }
    if (verdict.error->code == errc::disk_full) {
      waits_for_space_ = true;
      return wait_for_space(verdict.error->message);
    }
    fail(*verdict.error);
  }

  /// The tentative state is worth nothing any more: the router makes a new actor from the journal.
  void fail(const error& why) {
    if (start_ && flying_.empty()) {  // nothing of it was ever under way
      std::exchange(start_, std::nullopt)->answer(why, std::nullopt);
      next_ = {};
      return leave();
    }
    log("error", "append failed, the run is rebuilt from the journal: " + why.message);
    // A conflict is the journal's with this actor (an append of one before it came late), not the caller's with the run.
    const auto told =
        why.code == errc::conflict
            ? error{errc::shutting_down, "run " + id_.str() + " is rebuilt from the journal; ask again: " + why.message}
            : why;
    for (auto* each : {&flying_, &next_}) {
      for (auto& answer : each->answers) answer(told);
      *each = {};
    }
    quit(caf::make_error(caf::sec::runtime_error, why.message));
  }

  // Effects -------------------------------------------------------------------------------------------------------

  void release(batch& done) {
    shared_->room_waits.over(id_, room_waits::need::records);
    for (auto& answer : done.answers) answer(result<void>{});
    done.answers.clear();
    if (draining_) return;
    for (auto& change : done.changes) carry_out(change);
    arm(false);
  }

  /// The timer knows the run's earliest deadline. Early word of a deadline that is not durable does no harm: a wake-up
  /// only asks the run to look. One that it has not come to is in the journal when it reads on.
  void arm(bool again) {
    const auto wakeup = core::next_wakeup(machine_.state());
    if (wakeup == wakeup_told_ && !(again && wakeup)) return;
    // One that is not in the journal yet has to be told again.
    wakeup_told_ = flying_.records.empty() && next_.records.empty() ? wakeup : std::nullopt;
    const bool near = wakeup && *wakeup <= shared_->wakeups_read_to.load();
    if (!near && !timer_knows_) return;
    timer_knows_ = near;
    tell(with_.timer, arm_wakeup{id_, wakeup});
  }

  void carry_out(core::effect_change& change) {
    using what = core::effect_change::what;
    switch (change.kind) {
      case what::start: return attempts_.begin(std::move(change.begin), definition_, machine_.state().trace);
      case what::feed: return attempts_.feed(change.activation, std::move(*change.item));
      case what::run_body: return attempts_.run_body(change.activation, change.ordinal);
      case what::stop: return attempts_.stop(change.activation);
      case what::deliver: return deliver(change.number);
      case what::job:
      case what::leave_job:
        return carry_out_job(*shared_, machine_.state(), change, unsure_jobs_,
                             [self = caf::actor_cast<caf::actor>(this)](core::command refused) {
                               tell(self, command_for_run{std::move(refused), nullptr});
                             });
    }
  }

  /// A message to another run. The answer comes back as a command; one that can be tried again is.
  void deliver(std::uint64_t number) {
    const auto at = machine_.state().outbox.find(number);
    if (at == machine_.state().outbox.end()) return;
    const auto self = caf::actor_cast<caf::actor>(this);
    const auto tries = ++tries_of_[number];
    deliver_message(*shared_, with_.router, machine_.state(), at->second, [self, number, tries](core::delivery_result how) {
      if (how.again) {
        caf::delayed_anon_send(self, std::chrono::duration_cast<std::chrono::nanoseconds>(pause_before_redelivery(tries)),
                               redeliver{number});
      } else {
        tell(self, command_for_run{core::delivered_command{number, std::move(how.refused)}, nullptr});
      }
    });
  }

  run_attempts::ports ports_of_attempts() {
    return {.self = [this] { return caf::actor_cast<caf::actor>(this); },
            .spawn_executor =
                [this](const definition_ptr& of) {
                  return actors::spawn_executor(this, shared_, of, id_, caf::actor_cast<caf::actor>(this));
                },
            .take = [this](core::command what) { take(std::move(what), nullptr); }};
  }

  void executor_down(const caf::down_msg& down) {
    auto lost = attempts_.lost(down);
    if (!lost) return;
    log("error", lost->why.message);
    take(std::move(*lost), nullptr);
  }

  // Parking -------------------------------------------------------------------------------------------------------

  [[nodiscard]] bool idle() const {
    return definition_ != nullptr && flying_.empty() && next_.empty() && answers_.held() == 0 && !draining_ && !left_ &&
           core::may_park(machine_.state());
  }
  void consider_parking() {
    if (park_asked_at_ || !idle()) return;
    const auto wakeup = core::next_wakeup(machine_.state());
    if (wakeup && *wakeup < core::later(shared_->clock.now(), park_margin)) return;
    park_asked_at_ = machine_.state().seq;
    send(with_.router, park_asked{id_});
  }
  void answer_park() {
    const bool parks = std::exchange(park_asked_at_, std::nullopt) == machine_.state().seq && idle();
    send(with_.router, park_answered{id_, id(), parks});
    if (!parks) return consider_parking();
    left_ = true;
    quit();
  }

  // Ending --------------------------------------------------------------------------------------------------------

  /// Ended, all of it durable, and nothing owed to anybody.
  [[nodiscard]] bool over() const {
    return is_terminal(machine_.state().status) && flying_.empty() && next_.empty() && !core::owes(machine_.state());
  }
  bool leave_if_over() {
    if (!over()) return false;
    pass_to_successor();
    if (shared_->sink && !left_) log("info", "ended: " + std::string{to_string(machine_.state().status)});
    leave();
    return true;
  }
  void leave_if_drained() {
    // What waits for room is in no append: it is done again at the next start.
    const bool nothing_flies = waits_for_space_ || (flying_.empty() && (next_.records.empty() || !unwritten_.empty()));
    if (leaving_ && nothing_flies) leave();
  }
  /// Messages that the router sent before it knew are still answered.
  void leave() {
    if (!std::exchange(left_, true)) send(with_.router, run_left{id_});
  }

  std::shared_ptr<services> shared_;
  run_neighbours with_;
  run_id id_;
  definition_ptr definition_;
  core::machine machine_;
  std::optional<start_run> start_;
  bool unclean_ = false;
  std::optional<std::chrono::steady_clock::time_point> probation_end_;
  core::effect_ledger ledger_;
  core::digest head_{};
  run_seq snapshot_seq_ = 0;
  batch flying_, next_;
  std::deque<core::event> unwritten_;  ///< of the last records of next_
  bool pumping_ = false, draining_ = false, leaving_ = false, left_ = false, waits_for_space_ = false, retry_planned_ = false;
  std::string no_room_;  ///< why a record of unwritten_ is not written
  std::optional<error> append_problem_;
  std::optional<run_seq>
      park_asked_at_;  // one marker at a time: after "busy" to a first, the router keeps nothing back for a second
  std::optional<timestamp> wakeup_told_;
  bool timer_knows_ = true;  // maybe: it read the wake-up of a run that was stored
  run_attempts attempts_{shared_, id_, ports_of_attempts()};
  std::set<core::job_number> unsure_jobs_;                     ///< that may have been submitted before this actor
  std::unordered_map<std::uint64_t, std::uint32_t> tries_of_;  ///< of messages of the outbox
  std::vector<run_command> for_successor_;
  answer_desk answers_;
};

}  // namespace

caf::actor spawn_new_run(caf::event_based_actor* parent, std::shared_ptr<services> shared, run_neighbours with, start_run start) {
  return parent->spawn<run_actor, caf::monitored>(std::move(shared), std::move(with), std::move(start));
}

caf::actor spawn_stored_run(caf::event_based_actor* parent, std::shared_ptr<services> shared, run_neighbours with, run_id run,
                            bool unclean) {
  return parent->spawn<run_actor, caf::monitored>(std::move(shared), std::move(with), run, unclean);
}

}  // namespace perdure::actors
