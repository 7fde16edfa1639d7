// The workflow service API, /v1, that clients of this field already speak: a key stands for one workflow, which runs blocking,
// streaming or in the background.
#pragma once

#include "tools/gateway/native_api.hpp"

namespace perdure::tools::gateway {

/// POST …/run
void add_service_start_routes(router& to, const api_parts& parts);
/// Run detail, stop, events, logs.
void add_service_run_routes(router& to, const api_parts& parts);
/// parameters and info
void add_service_info_routes(router& to, const api_parts& parts);
/// Forms that answer a run's questions.
void add_service_form_routes(router& to, const api_parts& parts);

/// 400 invalid_param.
[[nodiscard]] response invalid_param(const std::string& message, const std::string& member);
/// The workflow that the caller's key stands for: its own, else the only one that it sees. invalid_argument when there are
/// several.
[[nodiscard]] result<cluster::workflow_facts> workflow_of(const api_parts& parts, const call& of);
/// Streams the run's events in the form of this API.
void stream_service_events(const api_parts& parts, const std::shared_ptr<exchange>& at, const run_ref& run, bool until_pause);

}  // namespace perdure::tools::gateway
