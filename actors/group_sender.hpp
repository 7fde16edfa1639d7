// Messages to many actors at once: those that were idle are handed to the scheduler in a few groups.
//
// Operation: each wake-up of a worker costs a lock that all workers share and often a system call; the journal's writer
// answers a hundred runs a commit. A group is one job for the scheduler, which gives each of its actors a turn.
// Concurrency: one thread. Limitations: the actors of a group wait for each other's turn, so a group is small.
#pragma once

#include <vector>

#include "actors/caf_support.hpp"

namespace perdure::actors {

class group_sender final : public caf::execution_unit {
 public:
  /// On the scheduler's threads (tests) nothing is grouped: there the scheduler chooses which single actor is next.
  group_sender(caf::actor_system& system, hosting where)
      : caf::execution_unit(&system), group_size_(where == hosting::own_thread ? most : 1) {}
  group_sender(const group_sender&) = delete;
  group_sender& operator=(const group_sender&) = delete;
  ~group_sender() override { flush(); }

  template <class T>
  void tell(const caf::actor& to, T message) {
    if (!to) return;
    caf::actor_cast<caf::abstract_actor*>(to)->enqueue(
        caf::make_mailbox_element(nullptr, caf::make_message_id(), {}, std::move(message)), this);
  }
  /// Those that were told and were idle get their turn from here on.
  void flush();

  void exec_later(caf::resumable* idle) override { idle_.push_back(idle); }

 private:
  /// About 0.1 ms of turns: short enough that the workers share a commit's runs evenly.
  static constexpr std::size_t most = 12;
  std::size_t group_size_;
  std::vector<caf::resumable*> idle_;  ///< each with a reference of its own
};

}  // namespace perdure::actors
