// How events change what ties a run to others: children, the outbox, what a successor takes over. Used by apply().
#pragma once

#include "core/state.hpp"

namespace perdure::core {

using step_place = std::pair<activation_id, step_ordinal>;

/// What `step_kind::child` asks for, read from its args. `run` is put in when the step is decided.
struct child_request {
  run_id run;
  std::string workflow, version, definition_hash, start, message;
  payload input;
  parent_close close = parent_close::cancel;
  bool awaits = false;  ///< the step waits for the child's end, else for its start
  bool background = false;
  bool fails_run = false;
  duration timeout{0};
};
[[nodiscard]] std::optional<child_request> read_child_request(const payload& args);
/// The args of a child step with the child's id: that of the child which an earlier attempt started here with the same
/// request, else one derived from (run, activation, step). A failure: too many children.
[[nodiscard]] boost::system::result<payload, failure> place_child(const run_state& state, activation_id activation,
                                                                  step_ordinal ordinal, const payload& args, timestamp now);

/// Keeps the derived sets in step with a waiting step.
void watch_step(run_state& state, activation_id activation, const pending_step& step);
void unwatch_step(run_state& state, activation_id activation, const pending_step& step);
/// What a waiting step of a child, or a request that a predecessor left, is to be answered. Empty: nothing yet.
[[nodiscard]] std::optional<outcome> answer_of(const run_state& state, activation_id activation, const pending_step& step);

/// An issued child or tell step puts its message into the outbox. The problem, when its args are malformed.
std::optional<std::string> begin_link(run_state& state, activation_id activation, const step_issued& step);
void take_delivered(run_state& state, const message_delivered& what);
/// False: no such child.
bool end_child(run_state& state, const child_ended& what);
/// The run is to be cancelled, or ends: those children that end with it are asked to.
void cancel_children(run_state& state, std::string_view reason, bool waited_too);
/// The run has ended (its status is set): parent and children are told; or the successor is begun.
void settle_links(run_state& state, const run_ended& how, timestamp at);

/// The run that goes on from this one: derived, so that a decision made twice begins one.
[[nodiscard]] run_id successor_id(const run_state& state, timestamp now);
/// For a run that takes over another's state: its live children are started again under ids of its own, which the
/// handles that the handlers hold still name.
void adopt_children(run_state& state, timestamp now);

}  // namespace perdure::core
