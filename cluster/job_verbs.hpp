// What is asked about jobs and backends over the control socket, and of a directory that no node holds.
//
// The answers: `jobs` a list of jobs as to_wire(job_info) gives them; `job_logs` {"lines": [{"time", "stream", "text",
// "continues"}], "next_cursor", "has_more", "cut_bytes"}; `job_artifacts` a list of {"name", "media_type", "size_bytes",
// "sha256"}; `job_read` {"data" (base64), "size_bytes"}, without data at the end; `job_estimate` as perdure::job_estimate;
// `backends` a list of {"name", "capabilities", "up", "why", "running", "waiting"}, without a node of the first two;
// `backend_check` {"name", "ok", "text"}.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "cluster/control_protocol.hpp"

namespace perdure::persistence {
class journal;
}

namespace perdure::cluster {

[[nodiscard]] bool is_job_verb(std::string_view verb);
/// It is about backends themselves, not about a job of theirs.
[[nodiscard]] bool is_backend_verb(std::string_view verb);
/// Waits for the backend's answer, at most a few seconds.
[[nodiscard]] result<json::value> answer_about_jobs(const control_target& node, const json::object& request);
/// The jobs that a journal knows of a run, as the verb `jobs` gives them.
[[nodiscard]] result<json::value> stored_jobs(persistence::journal& journal, const run_id& run);
/// The process backend of a directory that no node holds, to read what its jobs left; null when it has had none, unless
/// `also_none`.
[[nodiscard]] std::shared_ptr<backend> stored_processes(const std::filesystem::path& data, bool also_none);

[[nodiscard]] result<std::string> from_base64(std::string_view text);

}  // namespace perdure::cluster
