// The in-memory journal and the disk it stands on, for tests and simulations: the disk outlives the journal, so a crash is
// "drop the journal, tell the disk, open another one".
//
// Faults of memory_disk, and what a journal may be expected to survive:
//   fair      a commit that fails with nothing stored, or with all of it stored, whether or not the journal can find out;
//             no room; a crash at any moment; a damaged record (its run is lost, the others are not)
//   not fair  defer_sync: a disk that answers before it is durable. For tests of those who check for such loss.
#pragma once

#include <memory>

#include "persistence/journal.hpp"

namespace perdure::persistence {

enum class commit_fault : std::uint8_t {
  lost,          ///< nothing is stored, an error comes back, the journal can see that
  stored,        ///< everything is stored, an error comes back, the journal can see that
  lost_blind,    ///< as `lost`, and the disk cannot be read until the crash
  stored_blind,  ///< as `stored`, and the disk cannot be read until the crash
};

/// Any thread. One journal at a time stands on it.
class memory_disk {
 public:
  memory_disk();
  ~memory_disk();
  /// Another disk with the same durable content and no faults. Cheap: records are shared.
  [[nodiscard]] std::shared_ptr<memory_disk> copy() const;

  /// Call when the journal is gone: drops what is not durable but the first `kept_commits` commits of it, ends all faults.
  void crash(std::size_t kept_commits = 0);
  /// The commit after `after` others fails.
  void fail_commit(commit_fault how, std::size_t after = 0);
  /// No commit fails that has not failed yet.
  void spare_commits();
  /// Commits wait for `sync` to become durable.
  void defer_sync();
  void sync();
  /// Bytes the disk can hold; what is over is refused. The journal's own limits are percents of it.
  void set_capacity(std::size_t bytes);
  [[nodiscard]] std::size_t used_bytes() const;
  /// Inverts one bit of a stored record. False: there is no such record or byte.
  bool damage(lsn_t lsn, std::size_t byte, unsigned bit = 0);
  /// Inverts one bit of the stored row of a run. False: it has none.
  bool damage_row(const run_id& run, std::size_t byte);
  /// Inverts one bit of the first chunk of a run in the archive. False: it has none.
  bool damage_chunk(const run_id& run, std::size_t byte);
  /// Tells as which version the journal's format is known.
  void set_format(std::uint32_t version);
  [[nodiscard]] std::uint32_t stored_format() const;
  [[nodiscard]] std::uint64_t commits() const;
  [[nodiscard]] std::string stored_record(lsn_t lsn) const;

  struct content;
  [[nodiscard]] content& inside() { return *content_; }

 private:
  std::unique_ptr<content> content_;
};

/// A journal on the disk. newer_format, corrupt.
[[nodiscard]] result<std::unique_ptr<journal>> open_memory_journal(std::shared_ptr<memory_disk> disk,
                                                                   open_mode mode = open_mode::read_write,
                                                                   const upkeep_options& upkeep = {});

}  // namespace perdure::persistence
