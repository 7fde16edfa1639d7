// disk_reserve: room on the disk that is given up when the disk is full, so that a cancel can still be recorded.
//
// Operation: a file beside the journal that is as large as the room; it holds nothing. `release` cuts it off, `keep` makes it
// again once there is room for it and for what the owner wants to stay free.
// Concurrency: one thread at a time.
// Limitations: whoever else fills the disk may take what is given up before the journal does.
#pragma once

#include <cstddef>
#include <filesystem>

namespace perdure::persistence {

class disk_reserve {
 public:
  /// Nothing is made yet. `bytes` 0: there never is one.
  disk_reserve(std::filesystem::path file, std::size_t bytes) : file_(std::move(file)), bytes_(bytes) {}
  /// Makes it, unless less than `stays_free` bytes of the disk were left then. Fails silently: it is an extra.
  void keep(std::size_t stays_free);
  /// False when there was nothing to give up.
  [[nodiscard]] bool release();

 private:
  std::filesystem::path file_;
  std::size_t bytes_;
};

}  // namespace perdure::persistence
