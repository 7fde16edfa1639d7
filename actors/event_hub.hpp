// event_hub: tells waiters and subscribers that a run has new durable events.
//
// Operation: a run calls `notify` after a commit; whoever subscribed to it is called from the hub's own thread and
// reads the journal from where it stopped, so nothing is lost or seen twice whatever happens to the run's actor.
// Concurrency: any thread. Callbacks come one at a time. notify() costs one atomic load while nobody subscribes.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "perdure/ids.hpp"

namespace perdure::actors {

class event_hub {
 public:
  event_hub();
  ~event_hub();

  /// `wake` is called once soon after (to read what is there), then after each notify of the run. The registration
  /// ends with the returned token; the callback may run until its destructor returns, not after.
  [[nodiscard]] std::shared_ptr<void> subscribe(const run_id& run, std::function<void()> wake);
  void notify(const run_id& run) {
    if (subscribers_.load(std::memory_order_acquire) != 0) enqueue(run);
  }
  void stop();

 private:
  struct entry;
  void enqueue(const run_id& run);
  void work();

  std::atomic<std::size_t> subscribers_{0};
  std::mutex mutex_;
  std::condition_variable ready_;
  std::unordered_map<run_id, std::vector<std::shared_ptr<entry>>> entries_;
  std::vector<std::shared_ptr<entry>> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace perdure::actors
