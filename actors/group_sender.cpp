#include "actors/group_sender.hpp"

#include <caf/scheduler/abstract_coordinator.hpp>

#include <algorithm>
#include <span>

namespace perdure::actors {

namespace {

/// One job of the scheduler: a turn for each of its actors. The scheduler holds the only reference.
class turns final : public caf::resumable {
 public:
  turns(std::span<caf::resumable* const> actors, std::size_t throughput)
      : actors_(actors.begin(), actors.end()), throughput_(throughput) {}
  turns(const turns&) = delete;
  turns& operator=(const turns&) = delete;
  /// The scheduler stopped before they had their turn.
  ~turns() override {
    for (; next_ < actors_.size(); ++next_) caf::scheduler::abstract_coordinator::cleanup_and_release(actors_[next_]);
  }

  subtype_t subtype() const override { return function_object; }
  resume_result resume(caf::execution_unit* worker, std::size_t) override {
    while (next_ < actors_.size()) {
      auto* const actor = actors_[next_++];
      if (actor->resume(worker, throughput_) == resume_later) {
        worker->exec_later(actor);  // with its reference
      } else {
        caf::intrusive_ptr_release(actor);
      }
    }
    return done;
  }
  void intrusive_ptr_add_ref_impl() override {}
  void intrusive_ptr_release_impl() override { delete this; }

 private:
  std::vector<caf::resumable*> actors_;
  std::size_t throughput_, next_ = 0;
};

}  // namespace

void group_sender::flush() {
  auto& scheduler = system().scheduler();
  for (std::size_t at = 0; at < idle_.size(); at += group_size_) {
    const auto group = std::span{idle_}.subspan(at, std::min(group_size_, idle_.size() - at));
    // Ownership goes to the scheduler.
    scheduler.enqueue(group.size() == 1 ? group.front() : new turns{group, scheduler.max_throughput()});
  }
  idle_.clear();
}

}  // namespace perdure::actors
