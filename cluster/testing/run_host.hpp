// run_host: what actors/run_actor.cpp is in the engine, under the same law: decide on the tentative state, one append in
// flight, let out effects and answers when it is durable, feed only durable outcomes. Checks the laws as it goes.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>

#include "cluster/testing/attempt.hpp"
#include "cluster/testing/durable.hpp"
#include "core/effects.hpp"
#include "core/machine.hpp"
#include "core/outbox.hpp"
#include "flow/answer_checks.hpp"
#include "persistence/journal.hpp"

namespace perdure::sim {

using reply = std::function<void(result<void>)>;
using definition_ptr = std::shared_ptr<const detail::definition>;

class run_host;

/// What a run needs of its node.
class run_neighbours {
 public:
  virtual ~run_neighbours() = default;
  [[nodiscard]] virtual timestamp now() = 0;
  [[nodiscard]] virtual persistence::journal& store() = 0;
  [[nodiscard]] virtual const durable_run& durable(const run_id& id) = 0;
  [[nodiscard]] virtual definition_ptr find(const core::run_state& of) = 0;
  [[nodiscard]] virtual bool zombie() const = 0;  ///< its journal's epoch was taken over
  /// The verdict goes to `from`, whoever has the run by then.
  virtual void append(persistence::append_item item, std::shared_ptr<run_host> from) = 0;
  virtual void arm(const run_id& id, std::optional<timestamp> at) = 0;
  /// A message of the run's outbox sets out. `told` is settled when it is known what became of it.
  virtual void deliver(run_host& from, const core::outgoing& what, std::shared_ptr<core::delivery_ticket> told) = 0;
  /// What came for a run that continued as new.
  /// What a run wants of a job; what comes of it is a command for the run.
  virtual void carry_on(run_host& from, core::job_order what) = 0;
  virtual void leave_job(run_host&, const core::job_effect&) {}
  virtual void pass_on(const run_id& to, core::command what, reply answer) = 0;
  virtual void left(const run_host& run) = 0;
  virtual void died(const run_host& run, const error& why) = 0;
  virtual void trace(const std::function<std::string()>& text) = 0;
  virtual bool snapshot_now() = 0;
  virtual void body_begins(attempt::body&) {}
  /// A body's function is to run now.
  virtual detail::body_result execute(attempt::body& of, const detail::step_body& function) { return function(of); }
  virtual void log(const run_id&, const std::string& /*executor*/, std::string_view /*level*/, std::string_view /*text*/) {}
};

class run_host : public std::enable_shared_from_this<run_host> {
 public:
  run_host(run_neighbours& with, run_id id, persistence::epoch_t epoch)
      : with_(with), id_(id), epoch_(epoch), machine_(id, nullptr) {}

  // Messages -------------------------------------------------------------------------------------------------------

  /// From whom; each sends in order.
  using sender = std::uint64_t;
  static constexpr sender from_writer = 0, from_router = 1, from_client = 2, from_itself = 3, from_others = 4,
                          from_first_attempt = 100;
  void tell(sender from, std::function<void()> what) { inbox_[from].push_back(std::move(what)); }
  [[nodiscard]] std::size_t senders() const { return inbox_.size(); }
  void take_message(std::size_t from) {
    auto at = inbox_.begin();
    std::advance(at, from);
    auto next = std::move(at->second.front());
    at->second.pop_front();
    if (at->second.empty()) inbox_.erase(at);
    if (!gone_) next();
  }

  // Beginning ------------------------------------------------------------------------------------------------------

  /// With `first`, a linked run that takes another one over.
  void begin(definition_ptr of, const core::start_command& how, reply answer, std::optional<core::event> first = {}) {
    definition_ = std::move(of);
    machine_ = core::machine{id_, definition_ == nullptr ? nullptr : plan()};
    watch();
    started_ = std::move(answer);
    key_ = how.key;
    complete_ = definition_ != nullptr;
    if (first) ledger_.begins_with(*first);
    auto events = first ? machine_.adopt(std::move(*first), with_.now()) : machine_.start(how, with_.now());
    if (!events) throw broken("a run does not start: " + events.error().message);
    collect(*events);
    pump();
  }
  void open(bool unclean) {
    unclean_ = unclean;
    machine_ = core::machine{load(), nullptr};
    ledger_.state_was_read();
    head_ = with_.durable(id_).head;
    watch();
    // What it owes to others, and its jobs, need no workflow.
    std::vector<core::effect_change> changes;
    ledger_.update_debts(state(), changes);
    note(changes);
    std::move(changes.begin(), changes.end(), std::back_inserter(next_.changes));
    find_definition();
    if (complete_) return;
    pump();
    leave_if_over();
  }
  void find_definition() {
    if (definition_ != nullptr) return;
    auto found = with_.find(machine_.state());
    if (found == nullptr || on_probation()) return;
    definition_ = std::move(found);
    machine_.set_definition(plan());
    if (is_terminal(machine_.state().status)) return;
    take(core::reopened{unclean_}, nullptr);
    std::vector<core::effect_change> changes;
    ledger_.update_all(machine_.state(), changes);
    complete_ = true;
    note(changes);
    check_outstanding();
    std::move(changes.begin(), changes.end(), std::back_inserter(next_.changes));
    pump();
    arm(true);
  }

  void take(core::command what, reply answer) {
    if (state().successor && core::goes_to_successor(what)) {
      core::address_to_successor(what, id_);
      for_successor_.emplace_back(std::move(what), std::move(answer));
      return pass_to_successor();
    }
    const auto fits = judge(what);
    auto events = fits ? machine_.execute(what, with_.now()) : result<std::vector<core::event>>{fits.error()};
    if (!events) {
      with_.trace([&] { return "  refused: " + events.error().message; });
      if (answer) {
        next_.answers.emplace_back([answer = std::move(answer), why = events.error()](const result<void>& durable) {
          answer(durable ? result<void>{why} : durable);
        });
      }
      return pump();
    }
    if (answer) next_.answers.push_back(std::move(answer));
    if (const auto* said = std::get_if<core::attempt_report>(&what))
      checks_.note(state(), said->activation, said->attempt, said->asked);
    collect(*events);
    pump();
    if (std::holds_alternative<core::wake>(what) && definition_ != nullptr) arm(true);
  }
  void on_appended(const persistence::verdict& verdict) {
    if (verdict.error) return refused(verdict);
    auto done = std::exchange(flying_, {});
    if (started_) std::exchange(started_, nullptr)(result<void>{});
    check_durable(done);
    pumping_ = true;
    release(done);
    pumping_ = false;
    pump();
    leave_if_over();
  }
  void append() {
    if (flying_.records.empty()) return;
    persistence::append_item item{
        .epoch = epoch_, .run = id_, .expected_seq = flying_.records.front().seq - 1, .records = flying_.records};
    if (started_) {
      item.preconditions.emplace_back(persistence::run_absent{id_});
      if (!key_.empty()) item.preconditions.emplace_back(persistence::key_absent{"", key_});
    }
    const auto& state = machine_.state();
    if (next_.records.empty() && !is_terminal(state.status) && with_.snapshot_now()) {
      item.snapshot.emplace(state.seq, core::encode_state(state, &with_.store().blobs()).value());
    }
    with_.append(std::move(item), shared_from_this());
  }

  // For the scheduler ----------------------------------------------------------------------------------------------

  [[nodiscard]] const run_id& id() const { return id_; }
  [[nodiscard]] const core::run_state& state() const { return machine_.state(); }
  [[nodiscard]] std::map<activation_id, std::shared_ptr<attempt>>& attempts() { return attempts_; }
  /// Attempts that were stopped while a body ran.
  [[nodiscard]] std::vector<std::shared_ptr<attempt>>& stopped() { return stopped_; }
  void executor_dies(activation_id id) {
    const auto number = attempts_.at(id)->what().attempt;
    attempts_.at(id)->stop();
    tell(from_first_attempt + id, [this, id, number] {
      take(core::attempt_died{id, number, failure{.code = "executor_died", .message = "it died"}}, nullptr);
    });
  }
  /// Nothing goes on in it but waiting: it may leave memory.
  [[nodiscard]] bool may_park() const {
    if (!flying_.empty() || !next_.empty() || !inbox_.empty() || definition_ == nullptr || !core::may_park(state())) return false;
    for (const auto& [id, each] : attempts_) {
      if (each->has_job() || !each->running().empty()) return false;
    }
    return true;
  }
  void leave_memory() {
    gone_ = true;
    const auto why = error{errc::shutting_down, "left memory"};
    for (auto* each : {&flying_, &next_}) {
      for (auto& answer : each->answers) answer(why);
    }
    for (auto& [what, answer] : std::exchange(for_successor_, {})) {
      if (answer) answer(why);
    }
  }
  [[nodiscard]] std::uint64_t bodies_run() const { return bodies_; }

 private:
  struct batch {
    std::vector<core::record> records;
    std::vector<std::string> states;  ///< encoded, after each record
    std::vector<core::effect_change> changes;
    std::vector<reply> answers;
    run_seq upto = 0;  ///< it was decided on states up to this one
    [[nodiscard]] bool empty() const { return records.empty() && answers.empty() && changes.empty(); }
  };

  /// The engine waits for the attempt's word; here its handler is replayed when it has not said it yet.
  result<void> judge(const core::command& what) {
    const auto* said = std::get_if<core::respond_command>(&what);
    if (said == nullptr) return {};
    if (const auto fits = checks_.judge(state(), *said)) return *fits;
    const auto code = definition_ == nullptr ? with_.find(state()) : definition_;
    if (code == nullptr) return flow::nobody_to_ask(state());
    const auto& in = state().activations.at(core::step_answered(state(), *said)->first);
    checks_.note(state(), in.id, in.attempt, flow::asked_when_replayed(*code, id_, in));
    return *checks_.judge(state(), *said);
  }

  /// Its end comes when the scheduler likes.
  bool on_probation() {
    if (!unclean_ || machine_.state().suspect_marks == 0 || probation_over_) return false;
    if (!std::exchange(on_probation_, true)) {
      tell(from_itself, [this] {
        probation_over_ = true;
        find_definition();
      });
    }
    return true;
  }

  std::shared_ptr<const core::plan> plan() const { return {definition_, &definition_->plan}; }
  void watch() {
    machine_.observe([this](const core::event& what, const core::run_state& state) { record(what, state); });
  }

  /// Snapshot and the events after it, as load_run.cpp does; the same state as the fold of all events.
  core::run_state load() {
    auto& journal = with_.store();
    core::run_state state;
    state.id = id_;
    if (const auto snapshot = journal.snapshot(id_)) {
      auto decoded = core::decode_state(snapshot->second, &journal.blobs());
      if (!decoded || decoded->seq != snapshot->first) throw broken("a snapshot that cannot be read");
      state = std::move(*decoded);
    }
    while (true) {
      auto records = journal.read_run(id_, state.seq, 7);
      if (!records) throw broken("a run cannot be read: " + records.error().message);
      for (const auto& each : *records) {
        auto event = core::decode(each.kind, each.schema, each.bytes, &journal.blobs());
        if (!event || !core::apply(state, *event, each.time)) throw broken("a stored event does not fit");
      }
      if (records->size() < 7) break;
    }
    if (encoded(state) != encoded(with_.durable(id_).state))
      throw broken("snapshot and events do not give the state that all events give");
    return state;
  }
  static std::string encoded(const core::run_state& state) { return core::encode_state(state, nullptr).value(); }

  void record(const core::event& what, const core::run_state& state) {
    with_.trace(
        [&] { return "  event " + std::to_string(state.seq) + " " + boost::describe::enum_to_string(core::kind_of(what), "?"); });
    core::record made{.kind = core::kind_of(what),
                      .status = state.status,
                      .active = core::has_work(state),
                      .run = id_,
                      .seq = state.seq,
                      .time = state.updated_at,
                      .wakeup = core::next_wakeup(state),
                      .bytes = core::encode(what, &with_.store().blobs()).value()};
    made.hash = core::chain_hash(head_, made);
    head_ = made.hash;
    next_.records.push_back(std::move(made));
    next_.states.push_back(encoded(state));
  }
  void collect(const std::vector<core::event>& events) {
    next_.upto = state().seq;
    std::vector<core::effect_change> changes;
    if (definition_ == nullptr) {
      for (const auto& each : events) {
        if (const auto* gone = std::get_if<core::message_delivered>(&each)) ledger_.delivered(state(), *gone, changes);
      }
      ledger_.update_debts(state(), changes);
      note(changes);
      std::move(changes.begin(), changes.end(), std::back_inserter(next_.changes));
      return;
    }
    for (const auto& each : events) ledger_.update(state(), each, changes);
    note(changes);
    check_outstanding();
    std::move(changes.begin(), changes.end(), std::back_inserter(next_.changes));
  }
  void pump() {
    if (!flying_.empty() || pumping_) return;
    pumping_ = true;
    while (flying_.empty() && !next_.empty()) {
      next_.upto = std::max(next_.upto, state().seq);
      flying_ = std::exchange(next_, {});
      if (flying_.records.empty()) {
        auto done = std::exchange(flying_, {});
        release(done);
        continue;
      }
      append();
    }
    pumping_ = false;
  }
  void refused(const persistence::verdict& verdict) {
    if (started_ && verdict.error->code != errc::disk_full) {
      std::exchange(started_, nullptr)(result<void>{*verdict.error});
      flying_ = next_ = {};
      return leave();
    }
    if (verdict.error->code == errc::disk_full) {
      return tell(from_writer, [this] { append(); });
    }
    const auto why = *verdict.error;
    for (auto* each : {&flying_, &next_}) {
      for (auto& answer : each->answers) answer(why);
      *each = {};
    }
    gone_ = true;
    with_.died(*this, why);
  }
  void leave() {
    leave_memory();
    flying_ = next_ = {};
    with_.left(*this);
  }

  void release(batch& done) {
    if (with_.durable(id_).state.seq < done.upto) throw broken("effects are let out before their events are durable");
    for (auto& answer : done.answers) answer(result<void>{});
    done.answers.clear();
    for (auto& change : done.changes) carry_out(change);
    arm(false);
  }
  void arm(bool again) {
    const auto wakeup = core::next_wakeup(state());
    if (wakeup == wakeup_told_ && !(again && wakeup)) return;
    wakeup_told_ = wakeup;
    with_.arm(id_, wakeup);
  }
  void carry_out(core::effect_change& change) {
    using what = core::effect_change::what;
    const auto found = attempts_.find(change.activation);
    switch (change.kind) {
      case what::start: return start_attempt(std::move(change.begin));
      case what::feed:
        if (found != attempts_.end()) {
          const auto held = found->second;
          held->feed(std::move(*change.item));
        }
        return;
      case what::run_body:
        if (found != attempts_.end()) {
          const auto held = found->second;
          held->run_body(change.ordinal);
        }
        return;
      case what::stop:
        if (found == attempts_.end()) return;
        found->second->stop();
        stopped_.push_back(found->second);
        attempts_.erase(found);
        return;
      case what::deliver: return deliver(change.number);
      case what::job: return carry_on_job(change);
      case what::leave_job:
        if (!core::went_along(state(), change.job.number)) with_.leave_job(*this, change.job);
        return;
    }
  }
  void carry_on_job(const core::effect_change& change) {
    if (change.again) unsure_jobs_.insert(change.job.number);
    if (core::effect_of(state(), change.job.number) != change.job) return;
    auto order = core::order_of(state(), change.job);
    order.unsure = unsure_jobs_.erase(change.job.number) > 0;
    order.again = order.again || order.unsure;
    with_.carry_on(*this, std::move(order));
  }
  void deliver(std::uint64_t number) {
    const auto at = state().outbox.find(number);
    if (at == state().outbox.end()) return;
    auto told = std::make_shared<core::delivery_ticket>([self = weak_from_this(), number](core::delivery_result how) {
      const auto run = self.lock();
      if (run == nullptr || run->gone_) return;
      run->tell(from_itself, [run = run.get(), number, how = std::move(how)] {
        if (how.again) return run->deliver(number);
        run->take(core::delivered_command{number, how.refused}, nullptr);
      });
    });
    with_.deliver(*this, at->second, std::move(told));
  }

  /// Ended, all of it durable, and nothing owed to anybody.
  [[nodiscard]] bool over() const {
    return is_terminal(state().status) && flying_.empty() && next_.empty() && !core::owes(state());
  }
  void leave_if_over() {
    if (!over()) return;
    pass_to_successor();
    leave();
  }
  void pass_to_successor() {
    if (!over()) return;
    for (auto& [what, answer] : std::exchange(for_successor_, {})) {
      with_.pass_on(*state().successor, std::move(what), std::move(answer));
    }
  }
  void start_attempt(std::shared_ptr<const core::activation> of) {
    const auto id = of->id;
    const auto from = from_first_attempt + id;
    const auto* policy = definition_->plan.find(of->executor);
    if (of->attempt == 0) return tell(from, [this, id] { take(core::attempt_began{id}, nullptr); });
    const bool cooperative = policy != nullptr && policy->cooperative;
    attempt::ports out{
        .report =
            [this, from, cooperative](core::command what) {
              if (cooperative) return take(std::move(what), nullptr);
              tell(from, [this, what = std::move(what)]() mutable { take(std::move(what), nullptr); });
            },
        .body_starts = [this](attempt::body& body) { begin_body(body); },
        .execute = [this](attempt::body& body, const detail::step_body& function) { return with_.execute(body, function); },
        .log = [this, executor = of->executor](std::string_view level,
                                               std::string_view text) { with_.log(id_, executor, level, text); },
        .progress = [this, from, id,
                     number = of->attempt](payload how_far) { note_progress(from, id, number, std::move(how_far)); }};
    const auto made = std::make_shared<attempt>(definition_, id_, std::move(of), std::move(out));
    if (attempts_.contains(id)) throw broken("an attempt begins while another one of its activation is there");
    attempts_[id] = made;
    made->begin();
  }

  /// Coalesced, as in the engine.
  void note_progress(sender from, activation_id id, std::uint32_t number, payload how_far) {
    auto& last = progress_at_[{id, number}];
    if (last && with_.now() - *last < std::chrono::seconds{1}) return;
    last = with_.now();
    tell(from, [this, id, number, how_far = std::move(how_far)] { take(core::progress_made{id, number, how_far}, nullptr); });
  }

  // Checkers -------------------------------------------------------------------------------------------------------

  /// What succeeded durably is not done again.
  void begin_body(attempt::body& of) {
    of.began = with_.now();
    with_.body_begins(of);
    check_body(of.activation, of.of_attempt, of.ordinal);
  }
  void check_body(activation_id id, std::uint32_t number, step_ordinal ordinal) {
    ++bodies_;
    with_.trace([&] { return "  body " + std::to_string(id) + "." + std::to_string(ordinal) + " begins"; });
    if (with_.zombie()) return;
    const auto& state = with_.durable(id_).state;
    const auto at = state.activations.find(id);
    if (at == state.activations.end() || at->second.attempt != number) return;
    for (const auto& item : at->second.history) {
      if (item.what == core::history_kind::outcome && item.ordinal == ordinal && !item.result.error) {
        throw broken("step " + std::to_string(id) + "." + std::to_string(ordinal) +
                     " is recorded as done, and its body runs again");
      }
    }
  }
  /// Every state that the live run went through is what a replay of the durable events gives.
  void check_durable(const batch& done) {
    if (with_.zombie()) return;
    const auto& durable = with_.durable(id_);
    if (durable.state.seq != done.records.back().seq)
      throw broken("an append was answered, and its records are not the journal's last");
    if (encoded(durable.state) != done.states.back()) throw broken("the replayed state differs from the live one");
    if (durable.head != done.records.back().hash) throw broken("the hash chain differs from the live one");
  }
  /// Law 3: what the ledger gave so far is what is outstanding.
  void note(const std::vector<core::effect_change>& changes) {
    using what = core::effect_change::what;
    for (const auto& each : changes) {
      with_.trace([&] {
        static constexpr const char* names[] = {"stop", "start", "feed", "run_body", "deliver", "job", "leave_job"};
        return "  effect " + std::string{names[static_cast<int>(each.kind)]} + " " + std::to_string(each.activation) + "." +
               std::to_string(each.attempt) + (each.item ? " step " + std::to_string(each.item->ordinal) : "");
      });
      if (each.kind == what::stop) issued_.erase(each.activation);
      if (each.kind == what::start) issued_[each.activation] = {each.activation, each.attempt, each.begin->history.size()};
      if (each.kind == what::feed) ++issued_.at(each.activation).fed;
      if (each.kind == what::deliver && !sent_.insert(each.number).second) throw broken("a message of the outbox is sent twice");
      if (each.kind == what::job) jobs_[each.job.number] = each.job;
      if (each.kind == what::leave_job) jobs_.erase(each.job.number);
    }
  }
  void check_outstanding() const {
    const auto wanted = core::outstanding(state());
    if (!complete_) return;
    std::set<std::uint64_t> on_their_way;
    for (const auto number : sent_) {
      if (state().outbox.contains(number)) on_their_way.insert(number);
    }
    if (on_their_way != wanted.deliveries) throw broken("what is on its way to other runs is not what is outstanding");
    std::set<core::job_effect> jobs;
    for (const auto& [number, each] : jobs_) jobs.insert(each);
    if (jobs != wanted.jobs) throw broken("what goes on for jobs is not what is outstanding");
    if (state().paused) return;
    std::set<core::attempt_effect> have;
    for (const auto& [id, each] : issued_) have.insert(each);
    if (have != wanted.attempts) throw broken("what was let out is not what is outstanding");
  }

  run_neighbours& with_;
  run_id id_;
  persistence::epoch_t epoch_;
  definition_ptr definition_;
  core::machine machine_;
  core::effect_ledger ledger_;
  std::map<activation_id, core::attempt_effect> issued_;
  bool complete_ = false;  ///< the ledger knows the whole state
  core::digest head_{};
  batch flying_, next_;
  reply started_;
  std::string key_;
  bool on_probation_ = false, probation_over_ = false;
  bool unclean_ = false, pumping_ = false, gone_ = false;
  std::optional<timestamp> wakeup_told_;
  std::map<activation_id, std::shared_ptr<attempt>> attempts_;
  std::vector<std::shared_ptr<attempt>> stopped_;
  std::map<sender, std::deque<std::function<void()>>> inbox_;
  std::uint64_t bodies_ = 0;
  flow::answer_checks checks_;
  std::set<std::uint64_t> sent_;  ///< messages of the outbox
  std::map<core::job_number, core::job_effect> jobs_;
  std::set<core::job_number> unsure_jobs_;
  std::vector<std::pair<core::command, reply>> for_successor_;
  std::map<std::pair<activation_id, std::uint32_t>, std::optional<timestamp>> progress_at_;
};

}  // namespace perdure::sim
