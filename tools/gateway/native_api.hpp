// The native API, /api/v1: what the command line can do, shaped as resources. Same JSON as the command line's --json.
#pragma once

#include "perdure/node.hpp"
#include "tools/gateway/file_store.hpp"
#include "tools/gateway/http_limits.hpp"
#include "tools/gateway/router.hpp"
#include "tools/gateway/signing_key.hpp"
#include "tools/gateway/ticker.hpp"
#include "tools/gateway/webhook_book.hpp"
#include "tools/gateway/workflow_shelf.hpp"

namespace perdure::tools::gateway {

/// What the APIs work on; all outlive the router.
struct api_parts {
  node& engine;
  workflow_shelf& shelf;
  const tenant_policies& policies;
  http_limits limits;
  const signing_key& signer;
  ticker& later;
  webhook_book& webhooks;
  file_store& files;
  bool traces = false;  ///< spans are wanted: runs without a client's trace get one of their own
};

void add_workflow_routes(router& to, const api_parts& parts);
void add_run_routes(router& to, const api_parts& parts);
void add_run_event_routes(router& to, const api_parts& parts);
void add_journal_routes(router& to, const api_parts& parts);
void add_callback_routes(router& to, const api_parts& parts);
void add_event_routes(router& to, const api_parts& parts);
void add_schedule_routes(router& to, const api_parts& parts);
void add_webhook_routes(router& to, const api_parts& parts);

/// Of the Idempotency-Key header, checked; empty when there is none.
[[nodiscard]] result<std::string> idempotency_key(const request& in);

/// What a start takes from its request's headers, beside the key: the client's trace.
[[nodiscard]] std::string trace_of(const api_parts& parts, const request& in);

/// The run that a route names by its id, when the caller may know of it; not_found otherwise.
[[nodiscard]] result<run_summary> run_of(const api_parts& parts, const call& of);
[[nodiscard]] result<run_summary> run_called(const api_parts& parts, const call& of, const std::string& id);

}  // namespace perdure::tools::gateway
