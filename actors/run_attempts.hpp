// run_attempts: the attempts of one run that are under way, and where each of them runs.
//
// Operation: an attempt of a cooperative executor has its host here, on the thread of the run's actor; any other has an actor of
// its own. An activation has one attempt at a time: a new one takes the place of the one before. What the run's effects have for
// an attempt is passed on to it; what the attempt says goes to the run's actor, as commands.
// Concurrency: that of the run's actor.
// Limitations: knows nothing of the run's state; whether an attempt still counts is decided there.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/attempt_host.hpp"
#include "actors/messages.hpp"

namespace perdure::actors {

class run_attempts {
 public:
  /// What it needs of the run's actor.
  struct ports {
    std::function<caf::actor()> self;
    std::function<caf::actor(const definition_ptr&)> spawn_executor;  ///< makes an actor for one attempt, and watches it
    std::function<void(core::command)> take;                          ///< called on the actor's thread
  };
  run_attempts(std::shared_ptr<services> shared, run_id run, ports of)
      : shared_(std::move(shared)), run_(run), ports_(std::move(of)) {}

  void begin(std::shared_ptr<const core::activation> what, const definition_ptr& definition, const std::string& trace);
  /// The outcome of a step, for the handler.
  void feed(activation_id id, core::history_item item);
  /// A step's backoff is over.
  void run_body(activation_id id, step_ordinal ordinal);
  void stop(activation_id id);
  void stop_all();
  [[nodiscard]] bool has(activation_id id) const { return inline_.contains(id) || executors_.contains(id); }
  /// Of an actor that has ended: the attempt that is lost with it, if there is one. It need not be the one that counts by now.
  [[nodiscard]] std::optional<core::attempt_died> lost(const caf::down_msg& down) const;

 private:
  template <class Message, class Inline>
  void pass(activation_id id, Message what, Inline tell_host);

  struct place {
    caf::actor actor;
    std::uint32_t attempt = 0;
  };
  std::shared_ptr<services> shared_;
  run_id run_;
  ports ports_;
  std::unordered_map<activation_id, std::shared_ptr<attempt_host>> inline_;
  std::unordered_map<activation_id, place> executors_;
  std::vector<std::shared_ptr<attempt_host>> stopped_;
};

}  // namespace perdure::actors
