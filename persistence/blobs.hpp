// Large payloads by content address. Two keepers: files, and memory for the in-memory journal.
//
//   DIR/blobs/ab/cdef…          the text whose SHA-256 is abcdef…
//   DIR/blobs/ab/cdef….P-N.new  being written, swept at the next start
//
// A text is durable under its name before `put` returns: temporary file, fsync, rename, fsync of the directory. Reading
// checks the hash again. Whoever knows that nothing refers to a blob may remove it; one that was put or touched lately stays,
// because an event that refers to it may be on its way.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <mutex>
#include <vector>

#include "core/record.hpp"

namespace perdure::persistence {

/// Any thread.
class blob_store : public core::blob_port {
 public:
  /// Those that were neither put nor touched for so long, by the system's clock.
  [[nodiscard]] virtual std::vector<core::digest> untouched_for(duration age) = 0;
  /// Removes one that was neither put nor touched for so long. False: it was, or it is not there.
  virtual bool remove(const core::digest& hash, duration age) = 0;
  /// Makes its age count anew.
  virtual void touch(const core::digest& hash) = 0;
};

/// Any thread.
class file_blobs : public blob_store {
 public:
  /// `directory` is made with the first blob. Sweeps unless `read_only`.
  file_blobs(std::filesystem::path directory, bool read_only);

  /// payload_too_large, disk_full, io_error; unsupported when read_only.
  result<core::digest> put(std::string_view text) override;
  /// not_found, corrupt, io_error.
  result<payload> get(const core::digest& hash) override;
  std::vector<core::digest> untouched_for(duration age) override;
  bool remove(const core::digest& hash, duration age) override;
  void touch(const core::digest& hash) override;

 private:
  [[nodiscard]] std::filesystem::path path_of(const core::digest& hash) const;
  void sweep() const;

  std::filesystem::path directory_;
  bool read_only_;
  std::mutex removing_;  ///< between looking at a blob and removing it, or relying on it
};

/// Any thread.
class memory_blobs : public blob_store {
 public:
  result<core::digest> put(std::string_view text) override;
  result<payload> get(const core::digest& hash) override;
  std::vector<core::digest> untouched_for(duration age) override;
  bool remove(const core::digest& hash, duration age) override;
  void touch(const core::digest& hash) override;

 private:
  using clock = std::chrono::steady_clock;
  struct kept {
    payload text;
    clock::time_point touched;
  };
  std::mutex mutex_;
  std::map<core::digest, kept> kept_;
};

}  // namespace perdure::persistence
