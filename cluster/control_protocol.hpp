// What is said over a node's control socket, and what is left in a journal's inbox while no node runs.
//
// One JSON object a line. Request: {"do": VERB, …}. Answer: {"ok": …} or {"error": {"code", "message"}}; `follow` and
// `stored` send {"event": …} lines before theirs. Verbs of a run name it by "run_id":
//   list {status?, workflow?, limit?, cursor?, newest_first?}   page of summaries
//   show                                                         the run's durable state
//   events {after?, limit?}                                      stored events
//   stored {after?}                                              all stored events, as follow sends them
//   follow {after?}                                              stored and coming events, until the run ends
//   wait                                                         as show, once the run has ended
//   cancel {reason?} pause resume retry fork {from} signal {name, value} respond {request_id, value}; all with command_id?
//   cancel_job {job}                                             a job of the run, by its number
//   jobs                                                         the run's jobs
//   job_logs {backend, id, cursor?, limit?} job_artifacts {backend, id} job_read {run_id, job, backend, id, name, offset}
//   job_estimate {backend, spec} backends backend_check {backend}   see job_verbs.hpp
//   stats                                                        figures of the node
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "perdure/node.hpp"

namespace perdure::cluster {

/// What a caller wants done to one run. Also the form of an inbox entry.
struct run_command {
  std::string what;  ///< cancel, pause, resume, retry, fork, signal, respond, cancel_job
  run_id run;
  std::string name;        ///< of the signal
  std::string request_id;  ///< respond
  json::value value;       ///< signal, respond
  std::string reason;      ///< cancel
  std::string command_id;  ///< makes signal, respond, retry and fork idempotent
  run_seq from = 0;        ///< fork
  std::uint32_t job = 0;   ///< cancel_job
};

/// The part of a node that the control socket serves. Every function may be called from any thread.
struct control_target {
  std::function<result<run_ref>(const run_id&)> get;
  std::function<result<run_page>(const list_options&)> list;
  std::function<node_stats()> stats;
  /// Starts a linked run; with a command id always the same one. Empty = run_ref::retry, which knows no command ids.
  std::function<result<run_ref>(const run_id&, std::string_view command_id)> retry;
  /// The same for run_ref::fork.
  std::function<result<run_ref>(const run_id&, run_seq from, std::string_view command_id)> fork;
  /// Backends by name, and their names; empty = there are none.
  std::function<std::shared_ptr<backend>(std::string_view)> find_backend{};
  std::function<std::vector<std::string>()> backends{};
  std::function<result<backend_health>(std::string_view)> health_of{};
  std::function<result<std::shared_ptr<artifact_reader>>(const run_id&, std::uint32_t job, const std::string& name)>
      open_artifact{};
};

[[nodiscard]] json::object to_wire(const error& why);
[[nodiscard]] json::object to_wire(const run_summary& run);
[[nodiscard]] json::object to_wire(const run_info& run);
[[nodiscard]] json::object to_wire(const run_page& page);
[[nodiscard]] json::object to_wire(const job_info& job);
[[nodiscard]] json::object to_wire(const run_event& event);
[[nodiscard]] json::object to_wire(const list_options& options);
[[nodiscard]] json::object to_wire(const run_command& command);
[[nodiscard]] json::object to_wire(const node_stats& stats);

/// `invalid_argument` names what does not fit.
[[nodiscard]] error error_from_wire(const json::value& in);
[[nodiscard]] result<run_summary> summary_from_wire(const json::value& in);
[[nodiscard]] result<run_page> page_from_wire(const json::value& in);
[[nodiscard]] result<run_event> event_from_wire(const json::value& in);
[[nodiscard]] result<list_options> list_options_from_wire(const json::object& in);
[[nodiscard]] result<run_command> command_from_wire(const json::object& in);
[[nodiscard]] std::optional<run_status> status_from_name(std::string_view name);

/// The run that a retry or fork with this command id starts. It sorts beside the run that it takes over from.
[[nodiscard]] run_id linked_id(const run_id& source, std::string_view command_id);

/// Does it through the run's reference. {"run_id"}: the run, or for retry and fork the new one.
[[nodiscard]] result<json::object> carry_out(const control_target& node, const run_command& command);
/// What an inbox entry's text says; for the node that takes the inbox in.
[[nodiscard]] result<run_command> command_of_inbox(std::string_view entry);

}  // namespace perdure::cluster
