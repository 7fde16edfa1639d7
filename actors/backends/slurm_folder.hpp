// The folder of a Slurm job, on a file system that the cluster shares:
//
//   ROOT/<hash>/spec.json   what was submitted: {"key", "name", "spec"}     written by the node, last: with it the job is wanted
//   ROOT/<hash>/script      the job's own script, if it has one
//   ROOT/<hash>/batch       what Slurm starts: see batch_script             before
//   ROOT/<hash>/number      Slurm's number of the job                       when sbatch has answered
//   ROOT/<hash>/claim       a link to nowhere that names that number        by the job, when it begins: who makes it does the
//   work ROOT/<hash>/exit[.n]    the exit code, or "term"                        by the job, when it ends ROOT/<hash>/log[.n]
//   what it wrote, both streams                     by Slurm ROOT/<hash>/cancel      the job is to end by the node
//   ROOT/<hash>/ended       how it ended, as it was seen first              by the node
//   ROOT/<hash>/work/       the job's own folder
//
// A job is named by a hash of its submit key. Should it be submitted twice (a node died while sbatch ran), the second job finds
// the claim of the first and ends without doing anything.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "actors/capabilities/fd.hpp"
#include "perdure/backend.hpp"
#include "perdure/slurm_job.hpp"

namespace perdure::actors {

[[nodiscard]] std::string slurm_hash(const std::string& key);
[[nodiscard]] bool is_slurm_hash(std::string_view text);

/// What is wrong with a spec; empty = nothing.
[[nodiscard]] std::string problem_of(const slurm_job& spec);
/// The shell script that Slurm starts.
[[nodiscard]] std::string batch_script(const std::filesystem::path& folder, const std::string& key, const slurm_job& spec);
/// The arguments of sbatch. `defaults`: options that the spec does not have.
[[nodiscard]] std::vector<std::string> sbatch_arguments(const std::filesystem::path& folder, const std::string& hash,
                                                        const job_submission& what, const slurm_job& spec,
                                                        const std::map<std::string, std::string>& defaults);
/// The name that Slurm knows the job by: one of its kind, also for look-ups.
[[nodiscard]] std::string slurm_name(const std::string& hash, const std::string& name);
[[nodiscard]] std::string slurm_comment(const std::string& hash, const std::string& key);

/// Lines of log files, one task after the other. invalid_argument: not a cursor of such a log.
struct slurm_log {
  std::string name;  ///< of the file
  std::string stream;
  bool whole = false;  ///< nothing is added any more
};
[[nodiscard]] result<job_log_page> read_slurm_log(int folder, const std::vector<slurm_log>& files, const log_query& which);

/// The last line "::progress 3/10 text" near the end of a log.
struct told_progress {
  std::uint64_t done = 0, total = 0;
  std::string text;
};
[[nodiscard]] std::optional<told_progress> last_progress(int folder, const std::string& log);

}  // namespace perdure::actors
