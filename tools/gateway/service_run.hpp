// A run as the workflow service API (/v1) shows it: its names for statuses, Unix seconds, and what it keeps in the inputs.
#pragma once

#include <string>
#include <string_view>

#include "cluster/tenants.hpp"
#include "tools/view/run_view.hpp"

namespace perdure::tools::gateway {

/// What the service knows of a run beside its inputs travels with them, as members with these names; workflows may read them.
namespace system_member {
inline constexpr std::string_view user = "sys.user_id";
inline constexpr std::string_view files = "sys.files";
inline constexpr std::string_view origin = "sys.triggered_from";  ///< app-run or api-async
}  // namespace system_member

/// A workflow's id in this API: a UUID made of its name, version and hash.
[[nodiscard]] std::string service_workflow_id(std::string_view name, std::string_view version, std::string_view hash);
[[nodiscard]] std::string service_workflow_id(const run_view& run);

/// scheduled, running, paused, succeeded, partial-succeeded, failed, stopped
[[nodiscard]] std::string service_status(const run_view& run);
/// Tasks whose error was handled: of a run that succeeded, those that failed.
[[nodiscard]] std::size_t handled_errors(const run_view& run);
/// {id, workflow_id, status, outputs, error, elapsed_time, total_tokens, total_steps, created_at, finished_at}
[[nodiscard]] json::object service_data(const run_view& run);
/// {task_id, workflow_run_id, data}
[[nodiscard]] json::object service_envelope(const std::string& run, json::object data);
/// The inputs as they were given, without the service's own members.
[[nodiscard]] json::object service_inputs(const json::value& input);
/// One of the service's own members, as text; empty when it is not there.
[[nodiscard]] std::string service_member(const json::value& input, std::string_view name);
/// Whole seconds since 1970, null for empty text. RFC 3339 in.
[[nodiscard]] json::value unix_seconds(const std::string& at);
[[nodiscard]] std::string error_text(const json::value& error);

[[nodiscard]] result<run_view> read_view(node& at, const run_id& run);
/// Where a run is now.
struct run_place {
  lsn_t live_from = 0;  ///< pauses that began in an event before this one are over
  std::string workflow, version;
};
[[nodiscard]] result<run_place> place_of(node& at, const run_id& run);

}  // namespace perdure::tools::gateway
