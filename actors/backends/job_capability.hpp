// The capability "job": what a handler reads of jobs and backends: logs, artifacts, estimates. And keeping artifacts.
#pragma once

#include <memory>

#include "actors/backends/artifact_store.hpp"
#include "actors/backends/job_service.hpp"
#include "actors/capabilities/capability.hpp"

namespace perdure::actors {

/// `store` may be null: then nothing can be kept. `exists` tells of a run whether it is still there, on a thread of the
/// capability's, until stop_all(): what was kept for others is removed, at the start and then each hour.
[[nodiscard]] std::shared_ptr<capability> make_job_capability(std::shared_ptr<job_service> jobs,
                                                              std::shared_ptr<artifact_store> store = nullptr,
                                                              std::function<bool(const run_id&)> exists = {});

/// Lines as JSON can hold them: what is not UTF-8 becomes U+FFFD.
[[nodiscard]] job_log_page as_text(job_log_page page);

}  // namespace perdure::actors
