// The messages between the actors of a node. Plain structs; all local.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/caf_support.hpp"
#include "actors/definitions.hpp"
#include "core/command.hpp"
#include "core/state.hpp"
#include "persistence/journal.hpp"

namespace perdure::actors {

/// Answers a command once its events are durable (or it was refused). Called from an actor; must not block.
using reply = std::function<void(result<void>)>;
/// Answers a start; `holder` is the run that has the key when it is taken.
using start_reply = std::function<void(result<run_id>, std::optional<run_id> holder)>;

// To the router.
struct start_run {
  core::start_command how;
  definition_ptr definition;
  std::optional<core::event> first;  ///< a run that takes over another's state begins with this instead
  start_reply answer;                ///< already_exists with the id itself as holder: the run is there
  /// limit_exceeded when its tenant has so many runs that have not ended; 0 = no such limit.
  std::uint64_t tenant_runs = 0;
  std::optional<run_id> lapsed_holder;  ///< a run whose hold on the key is over
};
struct start_runs {
  std::vector<start_run> all;
};
struct run_command {
  run_id run;
  core::command what;
  reply answer;
};
struct run_due {  ///< from the timer
  run_id run;
  std::shared_ptr<void> token;  ///< held until the run has recorded what came of it
};
struct park_asked {  ///< from a run's actor: it only waits, and would leave memory when nothing comes for a moment
  run_id run;
};
struct park_some {};    ///< from the router itself: the moment is over for those that asked first
struct park_answered {  ///< after park_marker; `parked`: the actor ends, its run comes back from the journal
  run_id run;
  caf::actor_id from = 0;
  bool parked = false;
};
struct workflow_added {
  std::string name, version;
};
struct reopen_active {  ///< once, after the start
  bool unclean = false;
};
struct run_left {  ///< from a run's actor: it has nothing more to do, and ends at the farewell
  run_id run;
};
struct reopen_run {
  run_id run;
};
struct appends_settled {  ///< from the writer
  run_id run;
};
struct close_runs {  ///< the node closes; `done` is called when no run is in memory
  bool leave = false;
  std::function<void()> done;
};

// To a run's actor.
struct command_for_run {
  core::command what;
  reply answer;
};
struct appended {
  persistence::verdict verdict;
};
struct definition_ready {};
struct farewell {};     ///< from the router, after run_left: it sends nothing more
struct park_marker {};  ///< from the router: what comes for the run from now on is kept back until it answers
struct retry_append {};
struct redeliver {  ///< a message of the outbox that could not be handed over is tried again
  std::uint64_t number = 0;
};
struct drain {  ///< the node closes: nothing new begins; `leave`: end once nothing is in flight
  bool leave = false;
};

// To the journal writer.
struct append_request {
  persistence::append_item item;
  caf::actor from;
};
struct settle_appends {  ///< from the router: a run's actor died, maybe with an append on its way
  run_id run;
  caf::actor from;  ///< is told appends_settled once whatever came before is in the journal, or refused
};
struct commit_now {};
struct flush_rows {};
struct carry_out_upkeep {  ///< from the keeper: a piece of background work, to be done with the next commit
  std::shared_ptr<persistence::upkeep_plan> plan;
  caf::actor from;
};

// To the journal keeper.
struct look_for_upkeep {};
struct upkeep_done {
  std::optional<error> problem;
};

// To the timer.
struct arm_wakeup {
  run_id run;
  std::optional<timestamp> at;
};
struct timer_tick {
  std::uint64_t plan = 0;
};

// To an executor's actor.
struct begin_attempt {
  std::shared_ptr<const core::activation> what;
  std::string trace;  ///< the run's
};
struct feed_attempt {
  core::history_item item;
};
struct run_body {
  step_ordinal ordinal = 0;
};
struct stop_attempt {};
struct run_later {  ///< a callback of the attempt's host, from a delayed message
  std::function<void()> what;
};

}  // namespace perdure::actors

PERDURE_LOCAL_MESSAGE(perdure::actors::start_run)
PERDURE_LOCAL_MESSAGE(perdure::actors::start_runs)
PERDURE_LOCAL_MESSAGE(perdure::actors::run_command)
PERDURE_LOCAL_MESSAGE(perdure::actors::run_due)
PERDURE_LOCAL_MESSAGE(perdure::actors::park_asked)
PERDURE_LOCAL_MESSAGE(perdure::actors::park_answered)
PERDURE_LOCAL_MESSAGE(perdure::actors::park_some)
PERDURE_LOCAL_MESSAGE(perdure::actors::park_marker)
PERDURE_LOCAL_MESSAGE(perdure::actors::workflow_added)
PERDURE_LOCAL_MESSAGE(perdure::actors::reopen_active)
PERDURE_LOCAL_MESSAGE(perdure::actors::run_left)
PERDURE_LOCAL_MESSAGE(perdure::actors::reopen_run)
PERDURE_LOCAL_MESSAGE(perdure::actors::close_runs)
PERDURE_LOCAL_MESSAGE(perdure::actors::command_for_run)
PERDURE_LOCAL_MESSAGE(perdure::actors::appended)
PERDURE_LOCAL_MESSAGE(perdure::actors::definition_ready)
PERDURE_LOCAL_MESSAGE(perdure::actors::farewell)
PERDURE_LOCAL_MESSAGE(perdure::actors::retry_append)
PERDURE_LOCAL_MESSAGE(perdure::actors::redeliver)
PERDURE_LOCAL_MESSAGE(perdure::actors::drain)
PERDURE_LOCAL_MESSAGE(perdure::actors::append_request)
PERDURE_LOCAL_MESSAGE(perdure::actors::settle_appends)
PERDURE_LOCAL_MESSAGE(perdure::actors::appends_settled)
PERDURE_LOCAL_MESSAGE(perdure::actors::commit_now)
PERDURE_LOCAL_MESSAGE(perdure::actors::flush_rows)
PERDURE_LOCAL_MESSAGE(perdure::actors::carry_out_upkeep)
PERDURE_LOCAL_MESSAGE(perdure::actors::look_for_upkeep)
PERDURE_LOCAL_MESSAGE(perdure::actors::upkeep_done)
PERDURE_LOCAL_MESSAGE(perdure::actors::arm_wakeup)
PERDURE_LOCAL_MESSAGE(perdure::actors::timer_tick)
PERDURE_LOCAL_MESSAGE(perdure::actors::begin_attempt)
PERDURE_LOCAL_MESSAGE(perdure::actors::feed_attempt)
PERDURE_LOCAL_MESSAGE(perdure::actors::run_body)
PERDURE_LOCAL_MESSAGE(perdure::actors::stop_attempt)
PERDURE_LOCAL_MESSAGE(perdure::actors::run_later)
