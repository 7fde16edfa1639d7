// Where and how an operation of an AsyncAPI document is called over HTTP or WebSockets: documents of 3.x and 2.x. Pure.
#pragma once

#include <string>
#include <vector>

#include "perdure/error.hpp"
#include "perdure/payload.hpp"

namespace perdure::dsl {

struct asyncapi_wish {
  std::string operation;   ///< of 3.x
  std::string channel;     ///< of 2.x
  bool publishes = true;   ///< else it subscribes
  std::string server;      ///< by name; empty = the first that fits
  json::object variables;  ///< of the server
  std::string protocol;    ///< "http" or "ws" of the server, when none is named; empty = any that can be called
};

struct asyncapi_target {
  std::string url;     ///< http, https, ws or wss
  std::string method;  ///< POST to publish and GET to subscribe, unless the operation's HTTP binding says otherwise
  std::vector<std::string> correlations;  ///< where its messages have their correlation id: "$message.payload#/a/b"
};

/// What is at such a place of a message; null: nothing.
[[nodiscard]] json::value value_at(const std::string& location, const json::value& payload, const json::value& headers);

/// `from` is where the document is. not_found: no such operation, channel or server. unsupported: no server of HTTP or
/// WebSockets. invalid_argument: the document is none, or does not fit the wish.
[[nodiscard]] result<asyncapi_target> find_asyncapi_target(const json::value& document, const asyncapi_wish& wish,
                                                           const std::string& from);

}  // namespace perdure::dsl
