// Doors: actors between the actors of a node, in which messages take their time or, where that is fair, get lost.
//
// Fair: a message is late by any time, since the door's own turn comes when the schedule wants; word to the timer of a run's
// next deadline, and the timer's word that a run is due, are lost (the timer reads the journal again at least every five
// minutes, and says that it depends on neither).
// Not fair, so never done: losing anything else between two actors that live, doing a message twice, changing the order of
// the messages from one actor to another. An actor that dies takes its messages with it; that is how those get lost.
#pragma once

#include <deque>

#include "actors/messages.hpp"

namespace perdure::sim {

/// Whether a message about the run is lost; asked once for each.
using message_fate = std::function<bool(const run_id& run, std::optional<timestamp> at)>;

/// Between runs and the timer.
class timer_door final : public caf::event_based_actor {
 public:
  timer_door(caf::actor_config& config, caf::actor to, message_fate loses)
      : caf::event_based_actor(config), to_(std::move(to)), loses_(std::move(loses)) {}
  caf::behavior make_behavior() override {
    return {[this](const actors::arm_wakeup& what) {
      if (!loses_(what.run, what.at)) actors::tell(to_, what);
    }};
  }
  void on_exit() override { to_ = nullptr; }

 private:
  caf::actor to_;
  message_fate loses_;
};

/// Between the timer and the router.
class due_door final : public caf::event_based_actor {
 public:
  due_door(caf::actor_config& config, caf::actor to, message_fate loses)
      : caf::event_based_actor(config), to_(std::move(to)), loses_(std::move(loses)) {}
  caf::behavior make_behavior() override {
    return {[this](actors::run_due& what) {
      if (!loses_(what.run, std::nullopt)) actors::tell(to_, std::move(what));
    }};
  }
  void on_exit() override { to_ = nullptr; }

 private:
  caf::actor to_;
  message_fate loses_;
};

/// Between runs and the writer, both ways: a commit is durable some time before its runs hear of it.
class writer_door final : public caf::event_based_actor {
 public:
  writer_door(caf::actor_config& config, caf::actor to) : caf::event_based_actor(config), to_(std::move(to)) {}
  caf::behavior make_behavior() override {
    return {
        [this](actors::append_request& what) {
          from_.push_back(std::move(what.from));
          actors::tell(to_, actors::append_request{std::move(what.item), caf::actor_cast<caf::actor>(this)});
        },
        [this](actors::settle_appends& what) { actors::tell(to_, std::move(what)); },
        [this](actors::appended& what) {  // in the order of the requests
          actors::tell(from_.front(), std::move(what));
          from_.pop_front();
        },
    };
  }
  void on_exit() override {
    to_ = nullptr;
    from_.clear();
  }

 private:
  caf::actor to_;
  std::deque<caf::actor> from_;
};

}  // namespace perdure::sim
