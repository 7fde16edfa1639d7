// What is told of a Slurm job: from the states of its tasks, and from what its folder keeps. Pure, but for the folder's files.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/backends/slurm_commands.hpp"
#include "actors/capabilities/fd.hpp"
#include "perdure/slurm_job.hpp"

namespace perdure::actors {

/// What a job's folder keeps of it.
struct kept_job {
  std::string key, name;
  std::string owner;  ///< the directory whose runs submitted it
  slurm_job spec;
};
BOOST_DESCRIBE_STRUCT(kept_job, (), (key, name, owner, spec))

/// A job's folder, and Slurm's number of the submit that does its work.
struct slurm_place {
  unique_fd folder;
  std::uint64_t number = 0;
  kept_job kept;
};

[[nodiscard]] bool goes_on(const slurm_task& task);
/// It waits for a person, because its node would not begin it.
[[nodiscard]] bool is_held_launch(const slurm_task& task);
/// What a task said of its own end. LOST: nothing.
[[nodiscard]] slurm_task own_word(const slurm_place& job, std::optional<std::uint64_t> index);
[[nodiscard]] job_report open_report(const slurm_place& job, const std::vector<slurm_task>& tasks);
[[nodiscard]] job_report end_report(const slurm_place& job, const std::vector<slurm_task>& tasks);

/// How a job ended stays as it was seen first.
[[nodiscard]] result<void> keep_end(int folder, const job_report& what);
[[nodiscard]] std::optional<job_report> kept_end_of(int folder);

/// Without line breaks at its end, not too long, UTF-8.
[[nodiscard]] std::string trimmed(std::string text);
[[nodiscard]] bool is_number(std::string_view text);

}  // namespace perdure::actors
