#include "persistence/lmdb/lmdb_store.hpp"

#include <sys/statvfs.h>

#include <array>
#include <chrono>
#include <cstring>

#include "core/assert.hpp"

namespace perdure::persistence {

namespace {

/// So little room is none.
constexpr std::size_t full_disk_bytes = std::size_t{64} << 10;

/// Asking the file system costs a system call; so often is often enough.
constexpr std::chrono::milliseconds between_disk_questions{100};
/// Used pages of the map, in percent, from which the free list is counted too: counting takes time, and before nobody cares.
constexpr std::size_t count_free_from_percent = 80;

MDB_val value_of(std::string_view bytes) { return {bytes.size(), const_cast<char*>(bytes.data())}; }
std::string_view view_of(const MDB_val& value) { return {static_cast<const char*>(value.mv_data), value.mv_size}; }

/// Says whether something was found.
bool check_read(int code) {
  if (code == 0) return true;
  if (code == MDB_NOTFOUND) return false;
  throw store_failure{lmdb_error(code, "cannot read the journal")};
}

class lmdb_cursor : public table_cursor {
 public:
  lmdb_cursor(MDB_txn* transaction, MDB_dbi in) {
    if (in != lmdb_environment::no_table) check_read(mdb_cursor_open(transaction, in, &cursor_));
  }
  lmdb_cursor(const lmdb_cursor&) = delete;
  ~lmdb_cursor() override {
    if (cursor_ != nullptr) mdb_cursor_close(cursor_);
  }
  bool seek(std::string_view from) override {
    key_ = value_of(from);
    return move(from.empty() ? MDB_FIRST : MDB_SET_RANGE);
  }
  bool seek_before(std::string_view before) override { return seek(before) ? move(MDB_PREV) : move(MDB_LAST); }
  bool next() override { return move(MDB_NEXT); }
  bool previous() override { return move(MDB_PREV); }
  [[nodiscard]] std::string_view key() const override { return view_of(key_); }
  [[nodiscard]] std::string_view value() const override { return view_of(value_); }

 private:
  bool move(MDB_cursor_op how) { return cursor_ != nullptr && check_read(mdb_cursor_get(cursor_, &key_, &value_, how)); }

  MDB_cursor* cursor_ = nullptr;
  MDB_val key_{}, value_{};
};

std::optional<std::string_view> find(MDB_txn* transaction, MDB_dbi in, MDB_val key) {
  MDB_val value{};
  if (in == lmdb_environment::no_table || !check_read(mdb_get(transaction, in, &key, &value))) return std::nullopt;
  return view_of(value);
}

class lmdb_view : public read_view {
 public:
  explicit lmdb_view(std::shared_ptr<lmdb_environment> of) : of_(std::move(of)), transaction_(of_->begin_read()) {}
  ~lmdb_view() override { of_->end_read(transaction_); }
  std::optional<std::string_view> get(table in, std::string_view key) override {
    return find(transaction_, of_->in(in), value_of(key));
  }
  std::unique_ptr<table_cursor> walk(table in) override { return std::make_unique<lmdb_cursor>(transaction_, of_->in(in)); }
  std::optional<std::string_view> log(lsn_t lsn) override { return find(transaction_, of_->log(), {sizeof lsn, &lsn}); }
  void each_log(lsn_t from, const std::function<bool(lsn_t, std::string_view)>& take) override {
    lmdb_cursor at{transaction_, of_->log()};
    std::optional<lsn_t> before;
    for (bool more = at.seek({reinterpret_cast<const char*>(&from), sizeof from}); more; more = at.next()) {
      lsn_t lsn = 0;
      if (at.key().size() == sizeof lsn) std::memcpy(&lsn, at.key().data(), sizeof lsn);
      // A damaged page may lead back to where the walk has been.
      if (lsn < from || (before && lsn <= *before)) {
        throw store_failure{{errc::corrupt, "a page of the journal is damaged: LSN " + std::to_string(lsn) + " follows " +
                                                std::to_string(before.value_or(from))}};
      }
      before = lsn;
      if (!take(lsn, at.value())) return;
    }
  }

 private:
  std::shared_ptr<lmdb_environment> of_;
  MDB_txn* transaction_;
};

class lmdb_batch : public write_batch {
 public:
  explicit lmdb_batch(lmdb_environment& of) : of_(of) { code_ = mdb_txn_begin(of_.get(), nullptr, 0, &transaction_); }
  lmdb_batch(const lmdb_batch&) = delete;
  ~lmdb_batch() override { abort(); }

  char* log(lsn_t lsn, std::size_t size) override {
    if (code_ == 0 && log_ == nullptr) code_ = mdb_cursor_open(transaction_, of_.log(), &log_);
    if (code_ != 0) return nullptr;
    MDB_val key{sizeof lsn, &lsn}, value{size, nullptr};
    code_ = mdb_cursor_put(log_, &key, &value, MDB_APPEND | MDB_RESERVE);
    return code_ == 0 ? static_cast<char*>(value.mv_data) : nullptr;
  }

  void cut_log(lsn_t through) override {
    if (code_ != 0) return;
    MDB_cursor* at = nullptr;
    code_ = mdb_cursor_open(transaction_, of_.log(), &at);
    while (code_ == 0) {
      MDB_val key{}, value{};
      lsn_t lsn = 0;
      code_ = mdb_cursor_get(at, &key, &value, MDB_FIRST);
      if (code_ != 0) break;
      std::memcpy(&lsn, key.mv_data, sizeof lsn);
      if (lsn > through) break;
      code_ = mdb_cursor_del(at, 0);
    }
    if (code_ == MDB_NOTFOUND) code_ = 0;
    if (at != nullptr) mdb_cursor_close(at);
  }

  void put(table in, std::string_view key, std::string_view value) override {
    auto& at = place_in(in);
    if (code_ != 0) return;
    auto stored_key = value_of(key), stored_value = value_of(value);
    // What follows the table's last entry is appended: most tables grow in the order of ids or times, and their pages are filled.
    const bool is_last = key > at.last;
    code_ = mdb_cursor_put(at.cursor, &stored_key, &stored_value, is_last ? MDB_APPEND : 0);
    if (is_last) at.last = key;
  }

  void erase(table in, std::string_view key) override {
    auto& at = place_in(in);
    if (code_ != 0) return;
    auto stored_key = value_of(key);
    MDB_val value{};
    code_ = mdb_cursor_get(at.cursor, &stored_key, &value, MDB_SET);
    if (code_ == 0) code_ = mdb_cursor_del(at.cursor, 0);
    if (code_ == MDB_NOTFOUND) code_ = 0;
  }

  std::optional<std::string_view> get(table in, std::string_view key) override {
    if (code_ != 0) return std::nullopt;
    return find(transaction_, of_.in(in), value_of(key));
  }
  std::unique_ptr<table_cursor> walk(table in) override {
    return std::make_unique<lmdb_cursor>(transaction_, code_ == 0 ? of_.in(in) : lmdb_environment::no_table);
  }

  write_result commit() override {
    if (code_ == 0) {
      code_ = mdb_txn_commit(transaction_);
      transaction_ = nullptr;
    } else {
      abort();
    }
    if (code_ == 0) return write_result::done;
    // A disk that takes a part of what is written is full; LMDB says EIO then, before it makes anything of the batch count.
    if (code_ == EIO && disk_is_full()) return write_result::full;
    return lmdb_error(code_, {}).code == errc::disk_full ? write_result::full : write_result::failed;
  }
  std::string problem() const override { return mdb_strerror(code_); }

 private:
  /// Where the batch is in a table. Entries come sorted, so most are on the page of the one before, and no search is needed.
  struct table_place {
    MDB_cursor* cursor = nullptr;  ///< ends with the transaction
    std::string last;              ///< no key of the table is after it
  };
  table_place& place_in(table in) {
    auto& at = places_[static_cast<std::size_t>(in)];
    if (code_ != 0 || at.cursor != nullptr) return at;
    code_ = mdb_cursor_open(transaction_, of_.in(in), &at.cursor);
    MDB_val key{}, value{};
    const int code = code_ == 0 ? mdb_cursor_get(at.cursor, &key, &value, MDB_LAST) : MDB_NOTFOUND;
    if (code == 0) at.last = view_of(key);
    if (code_ == 0 && code != MDB_NOTFOUND) code_ = code;
    return at;
  }
  [[nodiscard]] bool disk_is_full() const {
    mdb_filehandle_t file = -1;
    struct statvfs disk {};
    return mdb_env_get_fd(of_.get(), &file) == 0 && ::fstatvfs(file, &disk) == 0 &&
           disk.f_bavail * disk.f_frsize < full_disk_bytes;
  }
  void abort() {
    if (transaction_ != nullptr) mdb_txn_abort(transaction_);
    transaction_ = nullptr;
  }

  lmdb_environment& of_;
  MDB_txn* transaction_ = nullptr;
  MDB_cursor* log_ = nullptr;  // ends with the transaction
  int code_ = 0;
  std::array<table_place, table_count> places_;
};

}  // namespace

std::unique_ptr<read_view> lmdb_store::view() const { return std::make_unique<lmdb_view>(environment_); }
std::unique_ptr<write_batch> lmdb_store::begin() { return std::make_unique<lmdb_batch>(*environment_); }

store_space lmdb_store::space() const {
  MDB_envinfo info{};
  MDB_stat stat{};
  PERDURE_ASSERT(mdb_env_info(environment_->get(), &info) == 0 && mdb_env_stat(environment_->get(), &stat) == 0);
  store_space space;
  space.map_bytes = info.me_mapsize;
  auto used_pages = info.me_last_pgno + 1;
  if (used_pages * stat.ms_psize * 100 >= info.me_mapsize * count_free_from_percent)
    used_pages -= std::min(used_pages, free_pages());
  space.used_bytes = used_pages * stat.ms_psize;
  const auto now =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
  const auto asked_at = disk_asked_at_ns_.load();
  if (asked_at == 0 || now - asked_at > std::chrono::nanoseconds{between_disk_questions}.count()) {
    struct statvfs disk {};
    // A file system that does not answer is taken for one with room: commits will tell.
    free_disk_bytes_ = ::statvfs(directory_.c_str(), &disk) == 0 ? disk.f_bavail * disk.f_frsize : ~std::size_t{0};
    disk_asked_at_ns_ = now;
  }
  space.free_disk_bytes = free_disk_bytes_;
  return space;
}

std::size_t lmdb_store::log_bytes() const {
  MDB_stat stat{};
  auto* transaction = environment_->begin_read();
  const int code = mdb_stat(transaction, environment_->log(), &stat);
  environment_->end_read(transaction);
  return code == 0 ? (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages) * stat.ms_psize : 0;
}

std::size_t lmdb_store::free_bytes() const {
  MDB_stat stat{};
  PERDURE_ASSERT(mdb_env_stat(environment_->get(), &stat) == 0);
  return free_pages() * stat.ms_psize;
}

/// Pages in the free list, which is a table of its own: id of the transaction that freed them, count and page numbers.
std::size_t lmdb_store::free_pages() const {
  constexpr MDB_dbi free_list = 0;
  auto* transaction = environment_->begin_read();
  std::size_t pages = 0;
  try {
    lmdb_cursor at{transaction, free_list};
    for (bool more = at.seek({}); more; more = at.next()) {
      std::size_t count = 0;
      if (at.value().size() >= sizeof count) std::memcpy(&count, at.value().data(), sizeof count);
      pages += count;
    }
  } catch (...) {
    environment_->end_read(transaction);
    throw;
  }
  environment_->end_read(transaction);
  return pages;
}

}  // namespace perdure::persistence
