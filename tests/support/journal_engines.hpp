// The journal engines as the conformance suite drives them: open, crash, damage, and a disk that is too small.
#pragma once

#include <lmdb.h>

#include <cstring>

#include "persistence/memory_journal.hpp"
#include "support/journal_records.hpp"
#include "support/temp_directory.hpp"

namespace perdure::test {

enum class engine_kind { memory, lmdb };

class journal_engine_under_test {
 public:
  virtual ~journal_engine_under_test() = default;
  [[nodiscard]] virtual result<std::unique_ptr<persistence::journal>> try_open(
      persistence::open_mode mode = persistence::open_mode::read_write) = 0;
  /// Bytes the journal may take at the next opening.
  virtual void set_capacity(std::size_t bytes) = 0;
  /// Inverts a bit of a stored record. The journal is not open.
  virtual void damage(lsn_t lsn, std::size_t byte) = 0;
  /// Inverts a bit of a stored row. The journal is not open.
  virtual void damage_row(const run_id& run, std::size_t byte) = 0;
  /// Inverts a bit of the first chunk of a run in the archive. The journal is not open.
  virtual void damage_chunk(const run_id& run, std::size_t byte) = 0;
  virtual void set_format(std::uint32_t version) = 0;
  /// What must not change when an opening is refused.
  [[nodiscard]] virtual std::string content() const = 0;

  [[nodiscard]] std::unique_ptr<persistence::journal> open(persistence::open_mode mode = persistence::open_mode::read_write) {
    auto opened = try_open(mode);
    INFO((opened ? std::string{} : opened.error().message));
    REQUIRE(opened.has_value());
    return std::move(*opened);
  }
  persistence::upkeep_options upkeep;  ///< of the next opening
  /// Ends the journal in order and opens it anew.
  void reopen(std::unique_ptr<persistence::journal>& journal) {
    REQUIRE(journal->flush().has_value());
    journal->mark_closed();
    journal.reset();
    journal = open();
  }
  /// Ends the journal as a killed process would.
  void crash(std::unique_ptr<persistence::journal>& journal) {
    journal.reset();
    after_crash();
    journal = open();
  }

 protected:
  virtual void after_crash() {}
};

class memory_engine : public journal_engine_under_test {
 public:
  result<std::unique_ptr<persistence::journal>> try_open(persistence::open_mode mode) override {
    return persistence::open_memory_journal(disk_, mode, upkeep);
  }
  void set_capacity(std::size_t bytes) override { disk_->set_capacity(bytes); }
  void damage(lsn_t lsn, std::size_t byte) override { REQUIRE(disk_->damage(lsn, byte)); }
  void damage_row(const run_id& run, std::size_t byte) override { REQUIRE(disk_->damage_row(run, byte)); }
  void damage_chunk(const run_id& run, std::size_t byte) override { REQUIRE(disk_->damage_chunk(run, byte)); }
  void set_format(std::uint32_t version) override { disk_->set_format(version); }
  [[nodiscard]] std::string content() const override { return std::to_string(disk_->commits()); }

 protected:
  void after_crash() override { disk_->crash(); }

 private:
  std::shared_ptr<persistence::memory_disk> disk_ = std::make_shared<persistence::memory_disk>();
};

inline auto flip(std::size_t byte) {
  return [byte](std::string& value) {
    REQUIRE(byte < value.size());
    value[byte] = static_cast<char>(value[byte] ^ 1);
  };
}

/// Changes one stored value of a directory whose journal is not open.
template <class F>
void change_stored(const std::filesystem::path& directory, const char* table, MDB_val key, MDB_cursor_op find, F&& how) {
  MDB_env* environment = nullptr;
  MDB_txn* transaction = nullptr;
  MDB_cursor* at = nullptr;
  MDB_dbi in = 0;
  MDB_val value{};
  REQUIRE(mdb_env_create(&environment) == 0);
  REQUIRE(mdb_env_set_maxdbs(environment, 32) == 0);
  REQUIRE(mdb_env_open(environment, (directory / "journal.mdb").c_str(), MDB_NOSUBDIR, 0600) == 0);
  REQUIRE(mdb_txn_begin(environment, nullptr, 0, &transaction) == 0);
  REQUIRE(mdb_dbi_open(transaction, table, 0, &in) == 0);
  REQUIRE(mdb_cursor_open(transaction, in, &at) == 0);
  REQUIRE(mdb_cursor_get(at, &key, &value, find) == 0);
  std::string changed{static_cast<const char*>(value.mv_data), value.mv_size};
  how(changed);
  value = {changed.size(), changed.data()};
  REQUIRE(mdb_cursor_put(at, &key, &value, MDB_CURRENT) == 0);
  mdb_cursor_close(at);
  REQUIRE(mdb_txn_commit(transaction) == 0);
  mdb_env_close(environment);
}

inline void damage_record(const std::filesystem::path& directory, lsn_t lsn, std::size_t byte) {
  change_stored(directory, "log", MDB_val{sizeof lsn, &lsn}, MDB_SET, flip(byte));
}

class lmdb_engine : public journal_engine_under_test {
 public:
  result<std::unique_ptr<persistence::journal>> try_open(persistence::open_mode mode) override {
    return persistence::open_lmdb_journal(directory_.path(), mode, capacity_, 0, upkeep);
  }
  void set_capacity(std::size_t bytes) override { capacity_ = bytes; }
  void damage(lsn_t lsn, std::size_t byte) override { damage_record(directory_.path(), lsn, byte); }
  void damage_row(const run_id& run, std::size_t byte) override {
    auto key = run.bytes;
    change("rows", MDB_val{key.size(), key.data()}, MDB_SET, flip(byte));
  }
  void damage_chunk(const run_id& run, std::size_t byte) override {
    auto key = run.bytes;
    change("archive", MDB_val{key.size(), key.data()}, MDB_SET_RANGE, flip(byte));
  }
  void set_format(std::uint32_t version) override {
    char key[] = "format";
    change("meta", MDB_val{6, key}, MDB_SET,
           [version](std::string& value) { std::memcpy(value.data(), &version, sizeof version); });
  }
  [[nodiscard]] std::string content() const override;
  [[nodiscard]] const std::filesystem::path& directory() const { return directory_.path(); }

 private:
  template <class F>
  void change(const char* table, MDB_val key, MDB_cursor_op find, F&& how) {
    change_stored(directory_.path(), table, key, find, std::forward<F>(how));
  }

  temp_directory directory_;
  std::size_t capacity_ = std::size_t{256} << 20;
};

inline std::string lmdb_engine::content() const {
  auto* file = std::fopen((directory_.path() / "journal.mdb").c_str(), "rb");
  REQUIRE(file != nullptr);
  std::string bytes(std::filesystem::file_size(directory_.path() / "journal.mdb"), '\0');
  REQUIRE(std::fread(bytes.data(), 1, bytes.size(), file) == bytes.size());
  std::fclose(file);
  return bytes;
}

inline std::unique_ptr<journal_engine_under_test> make_engine(engine_kind kind) {
  if (kind == engine_kind::memory) return std::make_unique<memory_engine>();
  return std::make_unique<lmdb_engine>();
}

}  // namespace perdure::test

/// Runs the rest of the test case once for each engine.
#define PERDURE_EACH_ENGINE()                                                                             \
  const auto engine_now = GENERATE(perdure::test::engine_kind::memory, perdure::test::engine_kind::lmdb); \
  CAPTURE(engine_now == perdure::test::engine_kind::memory ? "memory" : "lmdb");                          \
  const auto engine = perdure::test::make_engine(engine_now)
