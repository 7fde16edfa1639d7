// The files that a process job left in its folder, chosen by patterns.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "perdure/backend.hpp"

namespace perdure::actors {

/// Whether a relative path fits a pattern: *, ? and [...] within one name, ** for any number of folders.
[[nodiscard]] bool fits_pattern(const std::string& pattern, const std::string& path);
/// Regular files beneath `folder` that fit one of the patterns, by name. limit_exceeded: more than limits::job_artifacts.
[[nodiscard]] result<std::vector<job_artifact>> list_artifacts(int folder, const std::vector<std::string>& patterns);
/// not_found: no such file, or none that a pattern fits. invalid_argument: as open_beneath.
[[nodiscard]] result<std::shared_ptr<artifact_reader>> read_artifact(int folder, const std::vector<std::string>& patterns,
                                                                     const std::string& name);

}  // namespace perdure::actors
