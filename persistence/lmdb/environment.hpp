// Thin owners of LMDB's handles. Not for other folders: <lmdb.h> stays in here.
//
// Operation: one environment per process and directory; whoever opens the directory a second time to read gets the same.
// Concurrency: any thread may begin a read; writes are one thread's at a time (LMDB's own mutex sees to it).
// Limitations: a reader's transaction keeps pages from being used again, so readers are short.
#pragma once

#include <lmdb.h>

#include <array>
#include <filesystem>
#include <memory>
#include <mutex>
#include <vector>

#include "persistence/journal.hpp"
#include "persistence/lmdb/directory_lock.hpp"
#include "persistence/store.hpp"

namespace perdure::persistence {

[[nodiscard]] error lmdb_error(int code, std::string_view doing);

class lmdb_environment {
 public:
  /// not_found (read_only and nothing there), locked, newer_format, io_error.
  [[nodiscard]] static result<std::shared_ptr<lmdb_environment>> open(const std::filesystem::path& directory, open_mode mode,
                                                                      std::size_t max_map_bytes);
  lmdb_environment(const lmdb_environment&) = delete;
  ~lmdb_environment();

  [[nodiscard]] MDB_env* get() const { return env_; }
  [[nodiscard]] MDB_dbi log() const { return log_; }
  /// Of a directory that has no such table, and is open for reading only: `no_table`.
  [[nodiscard]] MDB_dbi in(table which) const { return tables_[static_cast<std::size_t>(which)]; }
  static constexpr MDB_dbi no_table = ~MDB_dbi{0};

  /// A read transaction of the present moment. Throws store_failure.
  [[nodiscard]] MDB_txn* begin_read();
  void end_read(MDB_txn* transaction);

 private:
  lmdb_environment() = default;
  [[nodiscard]] static result<void> make_readers(const std::filesystem::path& file);
  [[nodiscard]] result<void> map(const std::filesystem::path& file, open_mode mode, std::size_t max_map_bytes);
  [[nodiscard]] result<void> open_tables(open_mode mode);
  /// The code of LMDB; MDB_NOTFOUND when a table is missing and `flags` do not say to make it.
  [[nodiscard]] int open_tables_in(MDB_txn* transaction, unsigned flags);

  directory_lock lock_;
  MDB_env* env_ = nullptr;
  MDB_dbi log_ = no_table;
  std::array<MDB_dbi, table_count> tables_{};
  std::mutex idle_mutex_;
  std::vector<MDB_txn*> idle_;  ///< ended read transactions: beginning one of these again is cheaper
};

}  // namespace perdure::persistence
