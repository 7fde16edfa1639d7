// Says whose the data directory is: an flock on DIR/lock, with the holder's process id as its text.
#pragma once

#include <filesystem>

#include "perdure/error.hpp"
#include "persistence/file_descriptor.hpp"

namespace perdure::persistence {

/// Held until destroyed, or until the process ends, however it ends.
class directory_lock {
 public:
  directory_lock() = default;
  /// `locked` names the holder. Waits a moment first: children of a killed holder may still be on their way out.
  [[nodiscard]] static result<directory_lock> take(const std::filesystem::path& directory);

  /// Writes the holder's process id, which is what others are told. Not part of take(): a directory that turns out to be of a
  /// newer format stays as it was.
  void sign() const;

 private:
  explicit directory_lock(file_descriptor file) : file_(std::move(file)) {}
  file_descriptor file_;
};

}  // namespace perdure::persistence
