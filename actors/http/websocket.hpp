// The capability "websocket": messages over WebSockets (RFC 6455), by Boost.Beast.
//
// Operation: the spec is an object: url (ws or wss), headers, public (only addresses of the internet), authentication ({basic,
// bearer, oauth2, oidc: as for "http"}). With `body` one message is sent, and the connection closed: {"content": null}. With
// `subscription`, a name of the run's own, the connection stays open from one piece of work to the next: {"content": [message,
// …]} is what came since the last one, at least one; with `close` it is closed. A subscription that nobody knows is opened anew.
// A message is its JSON, else its text, of a binary one base64.
// Failures: "communication", "authentication", "configuration", "cancelled" as of "http".
// Concurrency: any thread; one thread of its own carries out all, from the first piece of work on.
// Limitations: what a server sends while no connection is open (after a crash, say) is lost. A connection that nobody asks for
// ten minutes is closed. Messages that wait for being asked for are at most a mebibyte or so; then no more is read.
#pragma once

#include <memory>

#include "actors/capabilities/capability.hpp"
#include "actors/http/oauth2.hpp"

namespace perdure::actors {

[[nodiscard]] std::shared_ptr<capability> make_websocket_capability(std::shared_ptr<oauth2_tokens> tokens);

}  // namespace perdure::actors
