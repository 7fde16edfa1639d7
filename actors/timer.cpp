#include "actors/timer.hpp"

#include <deque>
#include <set>
#include <unordered_map>

#include "actors/services.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

namespace {

constexpr std::chrono::minutes window{10};  ///< wake-ups due within it are kept in memory
constexpr std::chrono::seconds clock_check{1};
constexpr std::chrono::milliseconds admission_check{1};
constexpr std::uint32_t waking_runs = 1'000;  ///< woken and not yet recorded, before more are sent
constexpr std::size_t queued_jobs = 10'000;   ///< of the user pool, before only a few more are sent
constexpr std::chrono::milliseconds slow_admission{10};
constexpr std::size_t kept_wakeups = 50'000;  ///< in memory, before the rest is left to the journal
constexpr std::size_t page = 1'000;
constexpr std::chrono::hours strange_jump{1};
constexpr std::size_t early_runs = 10'000;  ///< brought in at the start, though they are not due
static_assert(window >= limits::job_look_most);

class timer : public caf::event_based_actor {
 public:
  timer(caf::actor_config& config, std::shared_ptr<services> shared)
      : caf::event_based_actor(config), shared_(std::move(shared)) {}

  caf::behavior make_behavior() override {
    return {
        [this](timer_start& what) {
          router_ = std::move(what.router);
          last_seen_ = shared_->clock.now();
          behind_ = shared_->clock.ahead() > clock_check;  // the node said so when it opened
          refill(last_seen_, false);
          if (what.looks_early) note_early();
          tick();
        },
        [this](const arm_wakeup& what) {
          arm(what.run, what.at);
          if (!due_.empty() && router_ && due_.begin()->first < next_tick_) plan(due_.begin()->first);
        },
        [this](timer_tick what) {
          if (router_ && what.plan == plan_) tick();
        },
    };
  }

  void on_exit() override { router_ = nullptr; }

 private:
  using place = std::pair<timestamp, run_id>;

  /// Who told a run of its job is no more: it looks at it now, not when it would by itself. Which runs have jobs the wake-ups
  /// do not say; the others leave memory again.
  void note_early() {
    for (auto at = due_.lower_bound({last_seen_ + duration{1}, run_id{}}); at != due_.end() && early_.size() < early_runs; ++at)
      early_.push_back(at->second);
  }

  void arm(const run_id& run, std::optional<timestamp> at) {
    if (const auto known = by_run_.find(run); known != by_run_.end()) {
      due_.erase({known->second, run});
      by_run_.erase(known);
    }
    if (at && (all_read_ ? *at <= read_to_.first : place{*at, run} <= read_to_)) keep({*at, run});  // else the journal has it
  }

  void keep(const place& what) {
    if (by_run_.emplace(what.second, what.first).second) due_.insert(what);
  }

  /// Takes the next wake-ups from the journal, as many as are kept. Those that live runs told are newer and stay.
  void refill(timestamp now, bool go_on) {
    const auto end = now + window;
    shared_->wakeups_read_to = end;  // before the reading: a wake-up that comes meanwhile is told or read
    std::optional<place> after;
    if (go_on) after = read_to_;
    all_read_ = false;
    while (true) {
      const auto found = shared_->journal->wakeups(end, after, page);
      for (const auto& each : found) keep(each);
      if (found.size() < page) {
        all_read_ = true;
        read_to_ = {end, {}};
        return;
      }
      after = read_to_ = found.back();
      if (due_.size() < kept_wakeups) continue;
      shared_->wakeups_read_to = read_to_.first;
      return;
    }
  }

  /// The whole window is read again now and then, so that nothing depends on a message that was lost.
  void refill_if_low(timestamp now) {
    if (all_read_ ? now + window / 2 > read_to_.first : due_.size() < kept_wakeups / 2) refill(now, !all_read_);
  }

  /// While user code is far behind one goes now and then: what is due may be the time limit of the very attempt that holds
  /// the others up.
  [[nodiscard]] bool admits() {
    if (shared_->count.waking.load(std::memory_order_relaxed) >= waking_runs) return false;
    if (shared_->pool.now().queued < queued_jobs) return true;
    const auto now = std::chrono::steady_clock::now();
    if (now < next_slow_) return false;
    next_slow_ = now + slow_admission;
    return true;
  }

  void watch_clock(timestamp now) {
    if (now - last_seen_ > strange_jump) {
      shared_->count.clock_jumps.fetch_add(1, std::memory_order_relaxed);
      shared_->log("warning", "the clock jumped " + to_human(now - last_seen_) + " ahead");
    }
    last_seen_ = now;
    const auto ahead = shared_->clock.ahead();
    const bool behind = ahead > clock_check;
    if (behind && !behind_) {
      shared_->log("warning", "the system's clock was set back by " + to_human(ahead) +
                                  "; time goes on at half its pace until it has caught up");
    }
    behind_ = behind;
  }

  std::shared_ptr<void> waking_token() {
    shared_->count.waking.fetch_add(1, std::memory_order_relaxed);
    return {static_cast<void*>(nullptr),
            [shared = shared_](void*) { shared->count.waking.fetch_sub(1, std::memory_order_relaxed); }};
  }

  void tick() {
    const auto now = shared_->clock.now();
    watch_clock(now);
    refill_if_low(now);
    while (!due_.empty() && due_.begin()->first <= now && admits()) {
      const auto [at, run] = *due_.begin();
      due_.erase(due_.begin());
      by_run_.erase(run);
      tell(router_, run_due{run, waking_token()});
    }
    for (; !early_.empty() && admits(); early_.pop_front()) tell(router_, run_due{early_.front(), waking_token()});
    const bool more = !early_.empty() || (!due_.empty() && due_.begin()->first <= now);
    plan(more ? now + admission_check : due_.empty() ? now + clock_check : std::min(due_.begin()->first, now + clock_check));
  }

  void plan(timestamp at) {
    const auto now = shared_->clock.now();
    next_tick_ = at;
    tell_later(this, std::max<duration>(at - now, std::chrono::microseconds{100}), timer_tick{++plan_});
  }

  std::shared_ptr<services> shared_;
  caf::actor router_;
  std::set<place> due_;
  std::deque<run_id> early_;
  std::unordered_map<run_id, timestamp> by_run_;
  place read_to_;          // the journal's wake-ups up to here are in memory, or were sent
  bool all_read_ = false;  // those of the window
  timestamp last_seen_{}, next_tick_{};
  bool behind_ = false;  // the system's clock
  std::chrono::steady_clock::time_point next_slow_{};
  std::uint64_t plan_ = 0;  // only the newest planned tick counts
};

}  // namespace

caf::actor spawn_timer(caf::actor_system& system, std::shared_ptr<services> shared) {
  return system.spawn<timer>(std::move(shared));
}

}  // namespace perdure::actors
