// The capability "job": what a handler reads of jobs and backends without changing anything: logs, artifacts, estimates.
#pragma once

#include <memory>

#include "actors/backends/job_service.hpp"
#include "actors/capabilities/capability.hpp"

namespace perdure::actors {

[[nodiscard]] std::shared_ptr<capability> make_job_capability(std::shared_ptr<job_service> jobs);

/// Lines as JSON can hold them: what is not UTF-8 becomes U+FFFD.
[[nodiscard]] job_log_page as_text(job_log_page page);

}  // namespace perdure::actors
