// What a process job's file keeps of its submission: whose it is, and what of its spec is needed after it has begun. Functions
// with a folder read it there; they give nothing of one that is damaged.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "perdure/backend.hpp"

namespace perdure::actors {

/// What is kept. `of_step`: the job is the program of a step of a document.
[[nodiscard]] payload keep_job(const std::string& key, process_job spec, bool of_step);

/// The submit key.
[[nodiscard]] std::string key_of(int folder);
/// The same, if the job is a step's program.
[[nodiscard]] std::optional<std::string> step_of(int folder);
/// Without its input, files, arguments and environment.
[[nodiscard]] process_job spec_of(int folder);
/// Of its artifacts.
[[nodiscard]] std::vector<std::string> patterns_of(int folder);

}  // namespace perdure::actors
