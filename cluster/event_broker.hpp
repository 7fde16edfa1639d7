// The node's own run that events of a tenant's documents go through: it knows who listens, and gives each event to those it may
// be for.
//
// Operation: a run of the workflow "perdure.events" for each tenant, begun when a document first emits or listens, and never
// ended: it continues as new. Everything it is told comes as a signal, and what it tells others goes through its outbox; so an
// event that is emitted is on its way durably, and each listener gets it once. Who listens when an event arrives gets it; nothing
// is kept for later ones.
// Limitations: one run decides about all events of a tenant, in their order. limits::event_listeners listen at once.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/capabilities/capability.hpp"
#include "perdure/node.hpp"
#include "perdure/workflow.hpp"

namespace perdure::cluster {

inline constexpr std::string_view event_workflow = "perdure.events";
/// Workflows of the node itself: their runs do not end, and nobody waits for them.
[[nodiscard]] constexpr bool is_own_workflow(std::string_view name) { return name.starts_with("perdure."); }
/// Whose runs of the node itself are that are no tenant's, and do not count as anybody's: no tenant can have this name.
inline constexpr std::string_view own_tenant = "perdure.";
/// The signal that the broker waits for: an object with the member "event" (a CloudEvent), "events" (an array of
/// them), "subscribe" (a subscription) or "unsubscribe" (its id; with "correlated", the keys that it found, when it got what it
/// listened for).
inline constexpr std::string_view event_signal = "in";

/// Attributes of an event that must be there and equal. What a listener asks beyond them it asks itself.
struct event_filter {
  std::map<std::string, std::string> attributes;
};
BOOST_DESCRIBE_STRUCT(event_filter, (), (attributes))

/// Events that fit one of the filters go to the run, as signals {"event": …}; {"refused": text} when it cannot listen.
struct event_subscription {
  std::string id;  ///< also the signal's name
  std::string run;
  std::vector<event_filter> filters;
};
BOOST_DESCRIBE_STRUCT(event_subscription, (), (id, run, filters))

[[nodiscard]] workflow make_event_workflow();

/// Gives an event (a whole CloudEvent) to those of the tenant who listen. Durable when it returns; said again with the same
/// source and id it is taken once.
result<void> emit_for(const node& at, std::string_view tenant, json::object event);
/// Whether a run of that workflow with this key is the one of the node's own tenant (the empty one).
[[nodiscard]] bool is_own_broker(std::string_view key);

/// The capability "events": gives {"run": id of the broker of the run's tenant}, which it begins when there is none. A run of the
/// node's own names the tenant: {"tenant"}.
[[nodiscard]] std::shared_ptr<actors::capability> make_event_capability(std::weak_ptr<node::impl> of);

}  // namespace perdure::cluster
