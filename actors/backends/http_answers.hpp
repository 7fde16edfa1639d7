// What a job service's answers say: a job's status, a page of its log, its artifacts, an estimate. Nothing in them is believed
// further than it can be: ids and names that could lead elsewhere are refused, numbers and texts are bounded.
#pragma once

#include <string>
#include <vector>

#include "actors/backends/http_service.hpp"
#include "perdure/backend.hpp"

namespace perdure::actors {

/// Why a text cannot be the id of a job (it becomes a part of an address); empty when it can.
[[nodiscard]] std::string problem_of_id(const std::string& id);

/// io_error: there is no status in it.
[[nodiscard]] result<job_report> report_in(const json::value& answer, const http_service::status_call& how);

/// The key of `find` in one page of jobs: its id when it is there.
[[nodiscard]] result<std::optional<std::string>> job_in(const json::value& answer, const http_service::find_call& how,
                                                        const std::string& key);

/// Where a page of a log begins: what the service calls it, and how many of its lines come before.
struct log_place {
  std::string cursor;
  std::size_t skip = 0;
};
[[nodiscard]] std::string to_cursor(const log_place& of);
/// invalid_argument: not one of ours.
[[nodiscard]] result<log_place> read_cursor(const std::string& text);
[[nodiscard]] job_log_page lines_in(const json::value& answer, const http_service::logs_call& how, const log_place& at,
                                    std::size_t limit);

struct remote_file {
  job_artifact what;
  std::string id;
};
/// Those that are ready and whose names are files beneath a folder; how many others there were is added to `refused`.
[[nodiscard]] std::vector<remote_file> files_in(const json::value& answer, const http_service::artifacts_call& how,
                                                std::size_t& refused);

[[nodiscard]] job_estimate estimate_in(const json::value& answer, const http_service::estimate_call& how);

}  // namespace perdure::actors
