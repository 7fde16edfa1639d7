// Large payloads by content address. Two keepers: files, and memory for the in-memory journal.
//
//   DIR/blobs/ab/cdef…      the text whose SHA-256 is abcdef…
//   DIR/blobs/ab/cdef….N    being written, swept at the next start
//
// A text is durable under its name before `put` returns: temporary file, fsync, rename, fsync of the directory. Reading
// checks the hash again. Nothing is deleted here.
#pragma once

#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>

#include "core/record.hpp"

namespace perdure::persistence {

/// Any thread.
class file_blobs : public core::blob_port {
 public:
  /// `directory` is made with the first blob. Sweeps unless `read_only`.
  file_blobs(std::filesystem::path directory, bool read_only);

  /// payload_too_large, disk_full, io_error; unsupported when read_only.
  result<core::digest> put(std::string_view text) override;
  /// not_found, corrupt, io_error.
  result<payload> get(const core::digest& hash) override;

 private:
  [[nodiscard]] std::filesystem::path path_of(const core::digest& hash) const;
  void sweep() const;

  std::filesystem::path directory_;
  bool read_only_;
  std::atomic<std::uint64_t> next_temporary_{1};
};

/// Any thread.
class memory_blobs : public core::blob_port {
 public:
  result<core::digest> put(std::string_view text) override;
  result<payload> get(const core::digest& hash) override;

 private:
  std::mutex mutex_;
  std::map<core::digest, payload> kept_;
};

}  // namespace perdure::persistence
