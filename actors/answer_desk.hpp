// answer_desk: the answers of requests that came for one run, until it is known whether they are what the handlers wait for.
//
// Operation: attempts say with their reports what their requests take. Right after the run was read from the journal they have
// not yet, so an answer is held until they have; the handler of a paused run, which does not go on, is replayed for this alone.
// Concurrency: that of the run's actor; a replay runs on the user pool.
#pragma once

#include <functional>
#include <set>
#include <vector>

#include "actors/messages.hpp"
#include "actors/user_pool.hpp"
#include "flow/answer_checks.hpp"

namespace perdure::actors {

class answer_desk {
 public:
  /// Whether the command, if it is an answer, is what its request waits for. Nothing: hold it. `unregistered`: nobody will say.
  [[nodiscard]] std::optional<result<void>> judge(const core::run_state& state, const core::command& what,
                                                  bool unregistered) const;
  /// A command that the run has taken: reports say what requests take.
  void note(const core::run_state& state, const core::command& what);

  /// Gives the activation that has the request.
  activation_id hold(const core::run_state& state, command_for_run what);
  /// Calls `told` in the actor, which is `self`, when a replay of the handler has said what it waits for. What is held is refused
  /// when the pool is full.
  void replay(user_pool& pool, definition_ptr definition, const core::run_state& state, activation_id id, caf::actor self,
              std::function<void()> told);
  [[nodiscard]] std::size_t held() const { return held_.size(); }
  /// Something has changed: they are to be taken again.
  [[nodiscard]] std::vector<command_for_run> let_go() { return std::exchange(held_, {}); }
  void refuse(const error& why);

 private:
  flow::answer_checks checks_;
  std::vector<command_for_run> held_;
  std::set<activation_id> replayed_;  ///< at this moment
};

}  // namespace perdure::actors
