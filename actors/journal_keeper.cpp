#include "actors/journal_keeper.hpp"

#include "actors/messages.hpp"
#include "actors/services.hpp"

namespace perdure::actors {

namespace {

using clock = std::chrono::steady_clock;

/// Time between two looks when there was nothing to do, or no room to do it; and before the first one, so that nodes that do not
/// live long get somewhere together.
constexpr std::chrono::milliseconds look_again{500};
constexpr std::chrono::milliseconds first_look{20};
/// Rest after a piece of work, in multiples of the time by which it made a commit longer: commits lose a fifth at most. When the
/// log grows faster than that allows, they lose a half. Writing the pages takes about as long as changing them.
constexpr int rest_factor = 2 * 4;
constexpr int urgent_rest_factor = 2 * 1;

class journal_keeper : public caf::event_based_actor {
 public:
  journal_keeper(caf::actor_config& config, std::shared_ptr<services> shared, caf::actor writer)
      : caf::event_based_actor(config), shared_(std::move(shared)), writer_(std::move(writer)) {}

  caf::behavior make_behavior() override {
    look_after(first_look);
    return {
        [this](look_for_upkeep) { look(); },
        [this](const upkeep_done& done) { rest(done); },
    };
  }

  void on_exit() override { writer_ = nullptr; }

 private:
  void look() {
    if (!writer_ || shared_->closing) return;
    plan_ = shared_->journal->plan_upkeep(shared_->clock.now());
    if (plan_ == nullptr) return look_after(look_again);
    tell(writer_, carry_out_upkeep{plan_, caf::actor_cast<caf::actor>(this)});
  }

  void rest(const upkeep_done& done) {
    const auto plan = std::exchange(plan_, nullptr);
    if (done.problem) {
      if (!std::exchange(told_, true)) shared_->log("warning", "archiving waits: " + done.problem->message);
      return look_after(look_again);
    }
    told_ = false;
    look_after(std::chrono::duration_cast<duration>(plan->took * (plan->urgent ? urgent_rest_factor : rest_factor)));
  }

  void look_after(duration wait) { tell_later(this, wait, look_for_upkeep{}); }

  std::shared_ptr<services> shared_;
  caf::actor writer_;
  std::shared_ptr<persistence::upkeep_plan> plan_;
  bool told_ = false;
};

}  // namespace

caf::actor spawn_journal_keeper(caf::actor_system& system, std::shared_ptr<services> shared, caf::actor writer) {
  return system.spawn<journal_keeper, caf::detached>(std::move(shared), std::move(writer));
}

}  // namespace perdure::actors
