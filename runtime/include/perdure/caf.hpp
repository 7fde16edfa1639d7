// Runs as actors of a host that uses the C++ Actor Framework itself. Opt-in: the only public header with CAF.
//
//   caf::actor run = perdure::attach_run(system, node, ref.id());
//   self->request(run, caf::infinite, perdure::signal_run{"approved", payload}).then([](perdure::command_done) {...});
//
// Operation: `attach_run` spawns an actor in the host's own system that stands for one run. It takes the messages
// below, passes them to the node and answers once the change is durable; nothing blocks a scheduler thread.
// Errors come as caf::error of the category "perdure": code() is the errc, the context its message.
// Concurrency: as any actor. It holds the node weakly: after the node closed every message is answered shutting_down.
// Limitations: the messages stay inside the process. Spelled for CAF 0.17.
#pragma once

#include <caf/all.hpp>

#include "perdure/node.hpp"

namespace perdure {

/// Answered with run_info.
struct get_run_status {};
/// Answered with run_info when the run is terminal.
struct await_run_end {};
/// These are answered with command_done.
struct signal_run {
  std::string name;
  payload value;
  std::string command_id{};
};
struct respond_to_run {
  std::string request_id;
  payload answer;
  std::string command_id{};
};
struct cancel_run {
  std::string reason{};
};
struct pause_run {};
struct resume_run {};
struct command_done {};
/// The sender gets every event with seq > `after` as a run_event, until it or this actor ends.
struct watch_run {
  run_seq after = 0;
};

/// The actor that stands for the run. Ends when the host tells it to (caf::exit_reason) or drops all handles.
[[nodiscard]] caf::actor attach_run(caf::actor_system& host, const node& through, const run_id& run);

/// The error as CAF carries it.
[[nodiscard]] caf::error to_caf_error(const error& what);

}  // namespace perdure

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdure::get_run_status)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdure::await_run_end)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdure::signal_run)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdure::respond_to_run)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdure::cancel_run)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdure::pause_run)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdure::resume_run)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdure::command_done)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdure::watch_run)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdure::run_info)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdure::run_event)
