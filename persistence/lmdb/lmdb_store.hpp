// The ordered store in LMDB.
//
// Operation: the log is a table of integer keys that is only appended to; the other tables are ordered bytes. A batch is one
// LMDB transaction, and its commit is durable when it returns.
// Concurrency: as `store` says.
#pragma once

#include <atomic>

#include "persistence/lmdb/disk_reserve.hpp"
#include "persistence/lmdb/environment.hpp"

namespace perdure::persistence {

class lmdb_store : public store {
 public:
  /// `min_free_disk_bytes`: what has to be free beside the reserve, 0 = no reserve is made.
  lmdb_store(std::shared_ptr<lmdb_environment> environment, std::filesystem::path directory, std::size_t min_free_disk_bytes)
      : environment_(std::move(environment)), directory_(std::move(directory)), min_free_disk_bytes_(min_free_disk_bytes),
        reserve_(directory_ / "reserve", limits::disk_reserve_bytes) {}
  [[nodiscard]] std::unique_ptr<read_view> view() const override;
  [[nodiscard]] std::unique_ptr<write_batch> begin() override;
  [[nodiscard]] store_space space() const override;
  [[nodiscard]] std::size_t log_bytes() const override;
  [[nodiscard]] std::size_t free_bytes() const override;
  void keep_reserve() override {
    if (min_free_disk_bytes_ > 0) reserve_.keep(min_free_disk_bytes_);
  }
  [[nodiscard]] bool release_reserve() override { return reserve_.release(); }

 private:
  [[nodiscard]] std::size_t free_pages() const;

  std::shared_ptr<lmdb_environment> environment_;
  std::filesystem::path directory_;
  std::size_t min_free_disk_bytes_;
  disk_reserve reserve_;
  mutable std::atomic<std::int64_t> disk_asked_at_ns_{0};
  mutable std::atomic<std::size_t> free_disk_bytes_{0};
};

}  // namespace perdure::persistence
