// The folder of a process job, as node and supervisor share it:
//
//   ROOT/<id>/job         records of the job, see job_records.hpp: with it the job is accepted. Who supervises it holds a lock
//                         on it, writes into it who it is, and last how it ended
//   ROOT/<id>/input       standard input, if any
//   ROOT/<id>/cancel      the job is to end                                the node
//   ROOT/<id>/log.<hex>   what it wrote: frames, from this offset on       the supervisor
//   ROOT/<id>/work/       the job's own folder
//   ROOT/ended/<id>       there is news of the job                         the supervisor; taken away by the node
#pragma once

#include <sys/types.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/backends/job_records.hpp"
#include "actors/capabilities/fd.hpp"
#include "perdure/error.hpp"

namespace perdure::actors {

/// Process identity: whether `pid` is the process that wrote `started`, and alive.
[[nodiscard]] bool is_alive(const job_started& who);
[[nodiscard]] std::optional<process_facts> facts_of(pid_t pid);
/// The id of this boot.
[[nodiscard]] std::array<char, 40> boot_id();

/// Small files, relative to a folder. Errors name the file.
[[nodiscard]] result<std::string> read_small(int folder, const std::string& name, std::size_t limit);
[[nodiscard]] result<void> write_small(int folder, const std::string& name, std::string_view content);
/// The file appears whole, or not at all.
[[nodiscard]] result<void> put_small(int folder, const std::string& name, std::string_view content);
[[nodiscard]] bool exists(int folder, const std::string& name);
/// How a job's file begins. None: there is none that is whole, so the job was not accepted.
[[nodiscard]] std::optional<job_head> read_head(int folder);

/// A new `job`, as the supervisor reads it.
[[nodiscard]] std::string encode_job(job_request head, const std::vector<std::string>& candidates,
                                     const std::vector<std::string>& arguments, const std::vector<std::string>& environment,
                                     const std::string& cgroups, const std::string& directory, std::string_view kept);
/// What is kept of a submission; not_found: there is none.
[[nodiscard]] result<std::string> read_kept(int folder);

}  // namespace perdure::actors
