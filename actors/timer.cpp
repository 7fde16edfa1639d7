#include "actors/timer.hpp"

#include <set>
#include <unordered_map>

#include "actors/services.hpp"

namespace perdure::actors {

namespace {

constexpr std::chrono::minutes window{10};           ///< wake-ups due within it are kept in memory
constexpr std::chrono::seconds clock_check{1};
constexpr std::chrono::milliseconds admission_pause{5};
constexpr std::size_t admitted_at_once = 2'000;      ///< due wake-ups sent before the next pause
constexpr std::size_t page = 1'000;
constexpr std::chrono::hours strange_jump{1};

class timer : public caf::event_based_actor {
 public:
  timer(caf::actor_config& config, std::shared_ptr<services> shared) : caf::event_based_actor(config), shared_(std::move(shared)) {}

  caf::behavior make_behavior() override {
    return {
        [this](timer_start& what) {
          router_ = std::move(what.router);
          last_seen_ = shared_->clock.now();
          refill(last_seen_);
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
  void arm(const run_id& run, std::optional<timestamp> at) {
    if (const auto known = by_run_.find(run); known != by_run_.end()) {
      due_.erase({known->second, run});
      by_run_.erase(known);
    }
    if (!at || *at > horizon_) return;               // the journal has it
    by_run_[run] = *at;
    due_.insert({*at, run});
  }

  /// Takes the wake-ups up to the next horizon from the journal. Those that live runs told are newer and stay.
  void refill(timestamp now) {
    horizon_ = now + window;
    std::optional<std::pair<timestamp, run_id>> after;
    while (true) {
      const auto found = shared_->journal->wakeups(horizon_, after, page);
      for (const auto& [at, run] : found) {
        if (by_run_.contains(run)) continue;
        by_run_[run] = at;
        due_.insert({at, run});
      }
      if (found.size() < page) return;
      after = found.back();
    }
  }

  void tick() {
    const auto now = shared_->clock.now();
    if (now - last_seen_ > strange_jump) shared_->log("warning", "the clock jumped " + to_human(now - last_seen_) + " ahead");
    last_seen_ = now;
    if (now + window / 2 > horizon_) refill(now);
    std::size_t sent = 0;
    while (!due_.empty() && due_.begin()->first <= now && sent < admitted_at_once) {
      const auto [at, run] = *due_.begin();
      due_.erase(due_.begin());
      by_run_.erase(run);
      tell(router_, run_due{run});
      ++sent;
    }
    const bool more = !due_.empty() && due_.begin()->first <= now;
    plan(more ? now + admission_pause : due_.empty() ? now + clock_check : std::min(due_.begin()->first, now + clock_check));
  }

  void plan(timestamp at) {
    const auto now = shared_->clock.now();
    next_tick_ = at;
    tell_later(this, std::max<duration>(at - now, std::chrono::microseconds{100}), timer_tick{++plan_});
  }

  std::shared_ptr<services> shared_;
  caf::actor router_;
  std::set<std::pair<timestamp, run_id>> due_;
  std::unordered_map<run_id, timestamp> by_run_;
  timestamp horizon_{}, last_seen_{}, next_tick_{};
  std::uint64_t plan_ = 0;                           // only the newest planned tick counts
};

}  // namespace

caf::actor spawn_timer(caf::actor_system& system, std::shared_ptr<services> shared) {
  return system.spawn<timer, caf::detached>(std::move(shared));
}

}  // namespace perdure::actors
