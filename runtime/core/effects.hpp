// outstanding(state): the only source of effects; and the difference between two states' worth of them.
#pragma once

#include <compare>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "core/state.hpp"

namespace perdure::core {

/// Keep an attempt going, fed with the first `fed` items of its history.
struct attempt_effect {
  activation_id activation = 0;
  std::uint32_t attempt = 0;  ///< 0: it waits for an explicit start
  std::size_t fed = 0;
  auto operator<=>(const attempt_effect&) const = default;
};
/// Run a step's body again: its backoff is over.
struct body_effect {
  activation_id activation = 0;
  std::uint32_t attempt = 0;
  step_ordinal ordinal = 0;
  std::uint32_t tries = 0;
  auto operator<=>(const body_effect&) const = default;
};
struct effects {
  std::set<attempt_effect> attempts;
  std::set<body_effect> bodies;
  std::set<std::uint64_t> deliveries;  ///< messages of the outbox that are on their way: the oldest to each receiver
  std::set<job_effect> jobs;
  std::optional<timestamp> wakeup;
  bool operator==(const effects&) const = default;
};

/// Everything that has to be going on for the state. Pure.
[[nodiscard]] effects outstanding(const run_state& state);

/// The run continued as another one, which has the job now, and with it the call about it that is under way.
[[nodiscard]] bool went_along(const run_state& state, job_number number);

/// What has to be done when a state takes the place of another, in this order.
struct effect_change {
  enum class what : std::uint8_t { stop, start, feed, run_body, deliver, job, leave_job } kind = what::stop;
  activation_id activation = 0;
  std::uint32_t attempt = 0;                      ///< start: 0 = tell when there is a thread for it
  step_ordinal ordinal = 0;                       ///< run_body
  std::optional<history_item> item;               ///< feed
  std::shared_ptr<const core::activation> begin;  ///< start: the activation as it is then, with its history and waiting steps
  std::uint64_t number = 0;                       ///< deliver: of the message in the outbox
  job_effect job{};                               ///< job, leave_job
  bool again = false;                             ///< job: it may have been done before the state was read
};

/// Keeps what was issued so far and gives the difference to a newer state, looking only at the activations an event
/// touched: released(event) = outstanding(after) − outstanding(before), without computing either.
class effect_ledger {
 public:
  /// The state was read from the journal: what it calls for may have been done already. Said before its first update.
  void state_was_read() { read_ = true; }
  /// The first event, before it is applied: a run that goes on from another one has its jobs, and the same holds for these.
  void begins_with(const event& first);
  /// Changes that `what`, just applied, makes. While a run is paused nothing new is given; it is made up at resume.
  void update(const run_state& state, const event& what, std::vector<effect_change>& out);
  /// The same for the whole state: after recovery, at resume.
  void update_all(const run_state& state, std::vector<effect_change>& out);
  /// Only what needs no workflow: the deliveries and jobs of the whole state.
  void update_debts(const run_state& state, std::vector<effect_change>& out);
  /// A message was taken: the next one to the same run.
  void delivered(const run_state& state, const message_delivered& what, std::vector<effect_change>& out);

 private:
  struct issued {
    std::uint32_t attempt = 0;
    std::size_t fed = 0;
    std::map<step_ordinal, std::uint32_t> bodies;
  };
  static issued begun(const core::activation& in, std::vector<effect_change>& out);
  void update_one(const run_state& state, activation_id id, std::vector<effect_change>& out);
  void update_jobs(const run_state& state, std::vector<effect_change>& out);
  void update_job(const run_state& state, job_number number, std::vector<effect_change>& out);
  void deliver_next(const run_state& state, const run_id& to, std::vector<effect_change>& out);
  std::map<activation_id, issued> issued_;
  std::set<std::uint64_t> on_their_way_;
  std::map<job_number, job_effect> jobs_;
  bool read_ = false;       ///< what the state calls for may have been done
  std::uint64_t seen_ = 0;  ///< messages of the outbox up to it were looked at
};

}  // namespace perdure::core
