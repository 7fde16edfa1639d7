// The state machine of one run: decides commands on the tentative state and applies what it decided.
//
// Operation: `execute` = decide, apply, then settle until nothing follows. The events it gives are to be appended
// as one item; until they are durable the state is tentative. An event that does not fit the state it was decided on throws
// `broken_invariant`; the machine is then useless, and whoever holds it lets go of it and of all that is not durable yet.
// Concurrency: none of its own.
#pragma once

#include <memory>
#include <stdexcept>
#include <vector>

#include "core/decide.hpp"

namespace perdure::core {

/// A bug, or a stored state that cannot be: going on could write a wrong fact into the journal.
class broken_invariant : public std::logic_error {
  using std::logic_error::logic_error;
};

class machine {
 public:
  machine(run_id id, std::shared_ptr<const plan> of) : plan_(std::move(of)) { state_.id = id; }
  machine(run_state state, std::shared_ptr<const plan> of) : plan_(std::move(of)), state_(std::move(state)) {}

  [[nodiscard]] result<std::vector<event>> start(const start_command& how, timestamp now);
  /// A new run that begins with this event instead (run_restored). invalid_argument when it does not fit.
  [[nodiscard]] result<std::vector<event>> adopt(event first, timestamp now);
  [[nodiscard]] result<std::vector<event>> execute(const command& what, timestamp now);

  /// The same for an event whose record is to be made right after it: called after each applied event.
  using observer = std::function<void(const event&, const run_state&)>;
  void observe(observer each) { observer_ = std::move(each); }

  [[nodiscard]] const run_state& state() const { return state_; }
  [[nodiscard]] const plan* definition() const { return plan_.get(); }
  void set_definition(std::shared_ptr<const plan> of) { plan_ = std::move(of); }

 private:
  void carry_out(event what, timestamp now, std::vector<event>& done);
  void follow(timestamp now, std::vector<event>& done);
  void take_in(const event& what, timestamp now);

  std::shared_ptr<const plan> plan_;
  run_state state_;
  observer observer_;
};

/// Events that one execute() expires at most; more deadlines come with the next wake-up.
inline constexpr std::size_t expired_per_command = 512;

/// The state of a new run that takes over a finished one: as it was just before the failure or cancel that ended it,
/// successful steps kept. conflict: the run did not end badly.
/// Attempts begin anew, with the steps that succeeded before their first failed one. `of`, the workflow as it is now, gives
/// the time limits, counted from `now`; without it there are none.
[[nodiscard]] result<run_state> state_for_retry(const std::vector<std::pair<event, timestamp>>& history, run_id id,
                                                const plan* of = nullptr, timestamp now = {});
/// The state of a new run that shares the events 1 to `from` of another and goes on by itself from there. Attempts begin
/// anew, fed with what they had; children that were going on then are started again as its own. not_found: there is no such
/// event. conflict: at it the run had ended or was being cancelled.
[[nodiscard]] result<run_state> state_for_fork(const std::vector<std::pair<event, timestamp>>& history, run_id id, run_seq from,
                                               const plan* of = nullptr, timestamp now = {});

}  // namespace perdure::core
