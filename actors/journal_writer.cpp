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
          if (items_.empty()) send(this, commit_now{});
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
          commit();
          const auto began = std::chrono::steady_clock::now();
          const auto done = shared_->journal->commit_upkeep(*what.plan);
          anon_send(what.from,
                    upkeep_done{std::chrono::steady_clock::now() - began, done ? std::nullopt : std::optional{done.error()}});
          if (shared_->journal->fatal() && fatal_) std::exchange(fatal_, nullptr)();
        },
    };
  }

 private:
  void commit() {
    if (items_.empty()) return;
    const auto began = std::chrono::steady_clock::now();
    const auto verdicts = shared_->journal->append(items_);
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
    if (shared_->journal->fatal() && fatal_) std::exchange(fatal_, nullptr)();
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
  bool active_ = false, flush_planned_ = false;
};

}  // namespace

caf::actor spawn_journal_writer(caf::actor_system& system, std::shared_ptr<services> shared, std::function<void()> fatal,
                                hosting where) {
  return spawn_hosted<journal_writer>(system, where, std::move(shared), std::move(fatal), where);
}

}  // namespace perdure::actors
