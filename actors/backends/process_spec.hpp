// What a process_job asks for, and what its end means.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "actors/backends/job_files.hpp"
#include "perdure/backend.hpp"

namespace perdure::actors {

[[nodiscard]] bool has_nul(const std::string& text);
/// The paths to try, as execvp would.
[[nodiscard]] std::vector<std::string> candidates_of(const std::string& program, const std::string& path);
/// A member that a process_job does not have: a limit that is misspelt would not be kept.
[[nodiscard]] std::optional<std::string> strange_member(const json::value& spec);
/// Why it can never be accepted, in words.
[[nodiscard]] std::optional<std::string> problem_of(const process_job& spec);
[[nodiscard]] job_report report_of(const job_ending& end, const process_job& spec);

}  // namespace perdure::actors
