#include "persistence/lmdb/environment.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>

#include "persistence/keys.hpp"
#include "persistence/lmdb/damaged_page.hpp"
#include "persistence/lmdb/file_error.hpp"

namespace perdure::persistence {

namespace fs = std::filesystem;

namespace {

constexpr unsigned max_tables = 32;
constexpr unsigned max_readers = 1022;
/// A cache line for each, and as much for the head.
constexpr off_t readers_file_bytes = (max_readers + 2) * 64;
constexpr std::size_t least_map_bytes = std::size_t{256} << 10;
constexpr std::size_t room_for_others = std::size_t{1} << 30;  ///< of the address space
constexpr std::size_t share_of_others = 4;                     ///< where there is less, so many times what the map takes

/// In the order of `table`. The log's name is "log". Stored; never change one.
constexpr std::array<const char*, table_count> table_names = {
    "meta",  "rows",    "wakeups", "keys",          "active",       "by_status", "by_workflow", "tenants",     "snapshots",
    "inbox", "damaged", "archive", "archive_order", "archive_ends", "blob_refs", "removals",    "checkpoints", "remains"};

/// The environments of this process. LMDB must not open a file twice in one process: closing one would drop the other's locks.
struct registry {
  using identity = std::pair<dev_t, ino_t>;
  std::mutex mutex;
  std::map<identity, std::weak_ptr<lmdb_environment>> known;

  static registry& of_process() {
    static registry one;
    return one;
  }
};

result<void> sync_directory(const fs::path& path) {
  const file_descriptor directory{::open(path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!directory || ::fsync(directory.get()) != 0)
    return error{errc::io_error, "cannot sync " + path.string() + ": " + std::strerror(errno)};
  return {};
}

/// Whether there is as much address space besides: the map must not take what threads and memory need.
bool leaves_room(std::size_t bytes) {
  void* probe = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return probe != MAP_FAILED && ::munmap(probe, bytes) == 0;
}

std::atomic<int> damaged_page_exit{0};

/// LMDB aborts the process after this: it holds locks, and nobody knows what else of the file is wrong.
void on_damaged_page(MDB_env* /*env*/, const char* what) {
  if (const int code = damaged_page_exit) ::_exit(code);
  std::fprintf(stderr,
               "perdure: a page of the journal is damaged (%s). The process ends. Restore the directory from a copy; a disk that "
               "damages files should be replaced.\n",
               what);
}

}  // namespace

void exit_on_damaged_page(int code) { damaged_page_exit = code; }

error lmdb_error(int code, std::string_view doing) {
  const bool full = code == MDB_MAP_FULL || code == ENOSPC || code == EDQUOT || code == EFBIG;
  const bool damaged = code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND || code == MDB_INVALID;
  return {full ? errc::disk_full : damaged ? errc::corrupt : errc::io_error, std::string{doing} + ": " + mdb_strerror(code)};
}

result<std::shared_ptr<lmdb_environment>> lmdb_environment::open(const fs::path& directory, open_mode mode,
                                                                 std::size_t max_map_bytes) {
  const auto file = directory / "journal.mdb";
  std::error_code failed;
  if (mode == open_mode::read_only) {
    const bool there = fs::exists(file, failed) && fs::file_size(file, failed) != 0;
    if (failed == std::errc::permission_denied) return file_error("cannot open", file, EACCES);
    if (!there) return error{errc::not_found, "there is no journal in " + directory.string()};
  } else {
    const bool made = fs::create_directories(directory, failed);
    if (failed) return file_error("cannot make", directory, failed.value());
    if (made) {
      if (auto synced = sync_directory(fs::absolute(directory).lexically_normal().parent_path()); !synced) return synced.error();
    }
  }
  struct stat known {};
  if (::stat(directory.c_str(), &known) != 0) return file_error("cannot read", directory, errno);
  auto& environments = registry::of_process();
  const std::lock_guard lock{environments.mutex};
  const registry::identity identity{known.st_dev, known.st_ino};
  if (auto open_already = environments.known[identity].lock()) {
    if (mode == open_mode::read_only) return open_already;
    return error{errc::locked, directory.string() + " is already open in this process"};
  }
  auto environment = std::shared_ptr<lmdb_environment>{new lmdb_environment};
  const bool is_new = mode == open_mode::read_write && !fs::exists(file, failed);
  if (mode == open_mode::read_write) {
    auto taken = directory_lock::take(directory);
    if (!taken) return taken.error();
    environment->lock_ = std::move(*taken);
  }
  if (mode == open_mode::read_write) {
    if (auto made = make_readers(file); !made) return made.error();
  }
  if (auto mapped = environment->map(file, mode, max_map_bytes); !mapped) return mapped.error();
  if (auto opened = environment->open_tables(mode); !opened) return opened.error();
  if (mode == open_mode::read_write) environment->lock_.sign();
  if (is_new) {
    if (auto synced = sync_directory(directory); !synced) return synced.error();
  }
  environments.known[identity] = environment;
  return environment;
}

lmdb_environment::~lmdb_environment() {
  for (auto* transaction : idle_) mdb_txn_abort(transaction);
  if (env_ != nullptr) mdb_env_close(env_);
}

/// LMDB makes its table of readers as long as it has to be and maps it; on a disk without room for its pages the first touch
/// of one would end the process by a signal. So the room is taken before.
result<void> lmdb_environment::make_readers(const fs::path& file) {
  const auto path = fs::path{file.string() + "-lock"};
  const file_descriptor readers{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  if (!readers) return file_error("cannot open", path, errno);
  if (const int code = ::posix_fallocate(readers.get(), 0, readers_file_bytes); code != 0)
    return file_error("cannot take the room of", path, code);
  return {};
}

/// Reserves address space, not disk: as much as the system grants, less what it leaves to the rest of the process.
result<void> lmdb_environment::map(const fs::path& file, open_mode mode, std::size_t max_map_bytes) {
  const unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | (mode == open_mode::read_only ? MDB_RDONLY : 0);
  // A reader takes the size from the file, unless the system grants it less than the writer had. Then it sees what fits; once
  // the file has grown beyond that, its next view fails.
  bool sized = mode == open_mode::read_write;
  for (auto bytes = std::max(max_map_bytes, least_map_bytes);; bytes /= 2) {
    int code = mdb_env_create(&env_);
    if (code == 0) code = mdb_env_set_assert(env_, on_damaged_page);
    if (code == 0) code = mdb_env_set_maxdbs(env_, max_tables);
    if (code == 0) code = mdb_env_set_maxreaders(env_, max_readers);
    if (code == 0 && sized) code = mdb_env_set_mapsize(env_, bytes & ~(least_map_bytes - 1));
    if (code == 0) code = mdb_env_open(env_, file.c_str(), flags, 0600);
    const bool fits =
        code == 0 && (bytes / 2 < least_map_bytes || leaves_room(std::min(share_of_others * bytes, room_for_others)));
    if (fits) break;
    if (env_ != nullptr) mdb_env_close(env_);
    env_ = nullptr;
    const bool too_large = code == 0 || code == ENOMEM || code == EAGAIN || code == EFBIG;
    if (!too_large || bytes / 2 < least_map_bytes) {
      auto why = lmdb_error(code, "cannot open " + file.string());
      why.message += owner_of(file, code);
      return why;
    }
    sized = true;
  }
  int dead = 0;
  mdb_reader_check(env_, &dead);
  return {};
}

result<void> lmdb_environment::open_tables(open_mode mode) {
  tables_.fill(no_table);
  MDB_txn* transaction = nullptr;
  if (int code = mdb_txn_begin(env_, nullptr, MDB_RDONLY, &transaction); code != 0)
    return lmdb_error(code, "cannot read the journal");
  // The format comes first: what a newer version wrote must not be touched, not even by making tables.
  MDB_dbi meta = no_table;
  if (mdb_dbi_open(transaction, table_names[static_cast<std::size_t>(table::meta)], 0, &meta) == 0) {
    MDB_val key{format_key.size(), const_cast<char*>(format_key.data())}, value{};
    if (mdb_get(transaction, meta, &key, &value) == 0) {
      byte_reader in{{static_cast<const char*>(value.mv_data), value.mv_size}};
      if (const auto format = in.number<std::uint32_t>(); format > store_format) {
        mdb_txn_abort(transaction);
        return error{errc::newer_format, "the journal was written by a newer version (format " + std::to_string(format) +
                                             "); this one knows " + std::to_string(store_format) + ". Nothing was changed."};
      }
    }
  }
  int code = open_tables_in(transaction, 0);
  if (code == 0 || (code == MDB_NOTFOUND && mode == open_mode::read_only)) {
    code = mdb_txn_commit(transaction);
    if (code != 0) return lmdb_error(code, "cannot read the journal");
    return {};
  }
  mdb_txn_abort(transaction);
  if (code != MDB_NOTFOUND) return lmdb_error(code, "cannot open the journal's tables");
  if (code = mdb_txn_begin(env_, nullptr, 0, &transaction); code != 0) return lmdb_error(code, "cannot write the journal");
  if (code = open_tables_in(transaction, MDB_CREATE); code != 0) {
    mdb_txn_abort(transaction);
    return lmdb_error(code, "cannot make the journal's tables");
  }
  if (code = mdb_txn_commit(transaction); code != 0) return lmdb_error(code, "cannot make the journal's tables");
  return {};
}

int lmdb_environment::open_tables_in(MDB_txn* transaction, unsigned flags) {
  int missing = 0;
  const auto open = [&](const char* name, unsigned more, MDB_dbi& to) {
    const int code = mdb_dbi_open(transaction, name, flags | more, &to);
    if (code != MDB_NOTFOUND) return code;
    to = no_table;
    missing = code;
    return 0;
  };
  if (const int code = open("log", MDB_INTEGERKEY, log_); code != 0) return code;
  for (std::size_t i = 0; i < table_count; ++i) {
    if (const int code = open(table_names[i], 0, tables_[i]); code != 0) return code;
  }
  return missing;
}

MDB_txn* lmdb_environment::begin_read() {
  MDB_txn* transaction = nullptr;
  {
    const std::lock_guard lock{idle_mutex_};
    if (!idle_.empty()) {
      transaction = idle_.back();
      idle_.pop_back();
    }
  }
  const int code = transaction != nullptr ? mdb_txn_renew(transaction) : mdb_txn_begin(env_, nullptr, MDB_RDONLY, &transaction);
  if (code == 0) return transaction;
  if (transaction != nullptr) mdb_txn_abort(transaction);
  throw store_failure{lmdb_error(code, "cannot read the journal")};
}

void lmdb_environment::end_read(MDB_txn* transaction) {
  mdb_txn_reset(transaction);
  const std::lock_guard lock{idle_mutex_};
  idle_.push_back(transaction);
}

}  // namespace perdure::persistence
