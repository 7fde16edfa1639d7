// Lifecycle events of runs and of documents' tasks: CloudEvents 1.0 of the types that the Serverless Workflow DSL defines
// (io.serverlessworkflow.workflow.started.v1 and so on), for those who ask for them. Nothing is done for them otherwise.
#pragma once

#include <functional>
#include <string>

#include "perdure/node.hpp"

namespace perdure {

/// Where they go.
struct lifecycle_options {
  bool to_listeners = false;  ///< to tasks of documents that listen
  /// Address that they are posted to one by one, in order, as structured JSON; tried again until it takes them. One that it
  /// refuses as such (400, 410, 413, 415, 422) is left out, with a warning.
  std::string endpoint;
  std::string authorization;  ///< header "Authorization" of these posts; empty = none
  [[nodiscard]] bool any() const { return to_listeners || !endpoint.empty(); }
};

/// Passes the events of all runs on, as long as the subscription is held; end it before the node is closed. None is lost by a
/// crash: what was not passed on goes out when a node of the directory is asked again. The first time it begins with what happens
/// from then on. Best called before workflows are added. The end waits up to `patience` for what is still to be passed on.
[[nodiscard]] result<subscription> pass_on_lifecycle(node& of, lifecycle_options how,
                                                     duration patience = std::chrono::milliseconds{2'500});

/// Calls back with the events of all runs, in the order of the journal, and the place of each; on a thread of its own, until the
/// subscription is cancelled (not from the callback). Who keeps the last place goes on after it: then none is missed, whatever
/// dies. `after`: a place, 0 = all that the log has. An event may come again when only some of one place were taken; its id
/// tells.
[[nodiscard]] subscription subscribe_lifecycle(node& of, std::function<void(lsn_t place, const json::value& event)> on_event,
                                               lsn_t after = 0);
/// The place of what was recorded last.
[[nodiscard]] lsn_t last_place(const node& of);

}  // namespace perdure
