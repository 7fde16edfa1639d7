// JSON-RPC 2.0 as MCP and A2A speak it: what is said, and what answers hold. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "perdure/error.hpp"
#include "perdure/payload.hpp"

namespace perdure::dsl {

/// What a client of an MCP server says, in this order; the request has the id 2.
struct mcp_messages {
  json::object initialize, initialized, request;
};
[[nodiscard]] mcp_messages mcp_conversation(const std::string& version, const json::value& client, const std::string& method,
                                            const json::value& parameters);

/// The message as one line of text, its end included.
[[nodiscard]] std::string line_of(const json::object& message);

/// The messages in an answer: one object, an array, lines of JSON, or the events of a text/event-stream. What is none is left
/// out.
[[nodiscard]] json::array rpc_answers(const json::value& content);

/// The result of the answer with the id; invalid_argument with the error it tells, or when there is none.
[[nodiscard]] result<json::value> rpc_result(const json::array& answers, std::int64_t id);

}  // namespace perdure::dsl
