// The files that a process job left in its folder, chosen by patterns.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "perdure/backend.hpp"

namespace perdure::actors {

/// Whether a relative path fits a pattern: *, ? and [...] within one name, ** for any number of folders.
[[nodiscard]] bool fits_pattern(const std::string& pattern, const std::string& path);
/// Hashes of files as they were: a file that has not changed since is not read again. Any thread.
class known_hashes {
 public:
  /// Of an open file; size and hash are filled in.
  [[nodiscard]] result<void> describe(int file, job_artifact& what);

 private:
  struct identity {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t written_ns = 0, changed_ns = 0;
    auto operator<=>(const identity&) const = default;
  };
  std::mutex mutex_;
  std::map<identity, std::string> known_;
};

/// Regular files beneath `folder` that fit one of the patterns, by name. limit_exceeded: more than limits::job_artifacts.
[[nodiscard]] result<std::vector<job_artifact>> list_artifacts(int folder, const std::vector<std::string>& patterns,
                                                               known_hashes& hashes);
/// not_found: no such file, or none that a pattern fits. invalid_argument: as open_beneath.
[[nodiscard]] result<std::shared_ptr<artifact_reader>> read_artifact(int folder, const std::vector<std::string>& patterns,
                                                                     const std::string& name, known_hashes& hashes);

}  // namespace perdure::actors
