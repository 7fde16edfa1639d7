// What a message of a run's outbox becomes at its receiver, and what an answer to it means. Pure: the actors and the test kit
// deliver by it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "core/command.hpp"
#include "core/plan.hpp"
#include "core/state.hpp"

namespace perdure::core {

/// A run is to be begun.
struct begin_run {
  start_command how;
  std::string workflow, version, definition_hash;  ///< version and hash empty: the newest
  std::optional<run_restored> first;               ///< it takes this state over
  bool newest = false;                             ///< its state is to go over to the newest version where that fits
};
using handed_over = std::variant<command, begin_run>;

/// corrupt: the message cannot be read, or what it is about is not known any more.
[[nodiscard]] result<handed_over> hand_over(const run_state& from, const outgoing& what);

/// Makes the state that a run begins with one of the plan's version, when that has the executor it starts at.
void go_over_to(const plan& newest, begin_run& what);

/// What became of a delivery.
struct delivery_result {
  bool again = false;              ///< nobody knows, or it cannot be taken now: it is to be tried again
  std::optional<failure> refused;  ///< it will never be taken; else the receiver has it durably
};
/// Told once what became of a delivery; one that is lost on the way is to be tried again. Shared by whoever has the message.
class delivery_ticket {
 public:
  explicit delivery_ticket(std::function<void(delivery_result)> done) : done_(std::move(done)) {}
  delivery_ticket(const delivery_ticket&) = delete;
  delivery_ticket& operator=(const delivery_ticket&) = delete;
  ~delivery_ticket() { settle({.again = true}); }
  void settle(delivery_result how) {
    if (auto done = std::exchange(done_, nullptr)) done(std::move(how));
  }

 private:
  std::function<void(delivery_result)> done_;
};

[[nodiscard]] delivery_result delivered(const result<void>& answer);
/// The answer to begin_run; `holder` is the run that stood in its way.
[[nodiscard]] delivery_result begun(const result<void>& answer, const run_id& id, const std::optional<run_id>& holder);

/// Commands that a run which continued as new leaves to the one that goes on.
[[nodiscard]] bool goes_to_successor(const command& what);
/// The command as the run that goes on from `first_asked` is to take it.
void address_to_successor(command& what, const run_id& first_asked);

}  // namespace perdure::core
