// Jobs and backends over the native API: what its files have in common.
#pragma once

#include <optional>
#include <string>

#include "tools/gateway/native_api.hpp"

namespace perdure::tools::gateway {

/// A job by its id here, RUN.NUMBER, and where it is.
struct known_job {
  run_id run;
  std::string id;      ///< RUN.NUMBER
  json::object shown;  ///< as answers have it
  std::string backend, backend_id;
  bool ended = false;
};
/// The job that the route names, when the caller may know of it; by a signature anybody may. not_found.
[[nodiscard]] result<known_job> job_of(const api_parts& parts, const call& of);
/// What the node says to a verb about jobs (job_verbs.hpp).
[[nodiscard]] result<json::value> ask_about_jobs(const api_parts& parts, json::object request);

/// Submit, list, get, cancel; backends.
void add_job_routes(router& to, const api_parts& parts);
/// Logs, as text, JSON or a stream.
void add_job_log_routes(router& to, const api_parts& parts);
/// Files that jobs left.
void add_job_artifact_routes(router& to, const api_parts& parts);

}  // namespace perdure::tools::gateway
