#include "actors/journal_writer.hpp"

#include "actors/group_sender.hpp"
#include "actors/messages.hpp"
#include "actors/services.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

namespace {

/// Rows are flushed when nothing was appended for so long.
constexpr std::chrono::milliseconds idle_flush{500};

class journal_writer : public caf::event_based_actor {
 public:
  journal_writer(caf::actor_config& config, std::shared_ptr<services> shared, std::function<void()> fatal, hosting where)
      : caf::event_based_actor(config), shared_(std::move(shared)), fatal_(std::move(fatal)), where_(where) {}

  caf::behavior make_behavior() override {
    return {
        [this](append_request& request) {
          if (items_.empty() && !upkeep_.plan) send(this, commit_now{});
          items_.push_back(std::move(request.item));
          from_.push_back(std::move(request.from));
          if (items_.size() >= limits::commit_records) commit();
        },
        [this](commit_now) { commit(); },
        [this](settle_appends& what) {
          commit();
          anon_send(what.from, appends_settled{what.run});
        },
        [this](flush_rows) {
          flush_planned_ = false;
          if (std::exchange(active_, false)) return plan_flush();
          if (auto done = shared_->journal->flush(); !done)
            shared_->log("warning", "flush of look-up rows: " + done.error().message);
        },
        [this](carry_out_upkeep& what) {
          // It goes with the next commit: one of its own would make every run wait for the disk once more.
          if (items_.empty()) send(this, commit_now{});
          upkeep_ = std::move(what);
        },
    };
  }

 private:
  void commit() {
    if (items_.empty() && !upkeep_.plan) return;
    const auto upkeep = std::exchange(upkeep_, {});
    const auto began = std::chrono::steady_clock::now();
    const auto verdicts = shared_->journal->append(items_, upkeep.plan.get());
    if (upkeep.plan) {
      const auto& done = *upkeep.plan->outcome;
      anon_send(upkeep.from, upkeep_done{done ? std::nullopt : std::optional{done.error()}});
    }
    if (!items_.empty()) tell(verdicts, began);
    if (shared_->journal->fatal() && fatal_) std::exchange(fatal_, nullptr)();
  }
  void tell(const std::vector<persistence::verdict>& verdicts, std::chrono::steady_clock::time_point began) {
    shared_->count.commits_took.add(std::chrono::steady_clock::now() - began);
    shared_->count.commits.fetch_add(1, std::memory_order_relaxed);
    group_sender runs{system(), where_};
    for (std::size_t i = 0; i < items_.size(); ++i) {
      if (!verdicts[i].error) shared_->count.records.fetch_add(items_[i].records.size(), std::memory_order_relaxed);
      runs.tell(from_[i], appended{verdicts[i]});
    }
    runs.flush();
    items_.clear();
    from_.clear();
    active_ = true;
    plan_flush();
  }
  void plan_flush() {
    if (std::exchange(flush_planned_, true)) return;
    tell_later(this, idle_flush, flush_rows{});
  }

  std::shared_ptr<services> shared_;
  std::function<void()> fatal_;
  hosting where_;
  std::vector<persistence::append_item> items_;
  std::vector<caf::actor> from_;
  carry_out_upkeep upkeep_;  ///< what goes with the next commit
  bool active_ = false, flush_planned_ = false;
};

}  // namespace

caf::actor spawn_journal_writer(caf::actor_system& system, std::shared_ptr<services> shared, std::function<void()> fatal,
                                hosting where) {
  return spawn_hosted<journal_writer>(system, where, std::move(shared), std::move(fatal), where);
}

}  // namespace perdure::actors
