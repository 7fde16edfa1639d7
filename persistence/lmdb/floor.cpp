#include "persistence/floor.hpp"

#include <lmdb.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "persistence/lmdb/environment.hpp"

namespace perdure::persistence {

result<floor_result> measure_append_floor(const std::filesystem::path& directory, std::size_t bytes_per_record, std::size_t batch,
                                          std::chrono::duration<double> length) {
  using clock = std::chrono::steady_clock;
  const auto place = directory / "floor";
  std::error_code failed;
  std::filesystem::remove_all(place, failed);
  if (!std::filesystem::create_directories(place, failed)) return error{errc::io_error, place.string() + ": " + failed.message()};
  struct cleanup {
    std::filesystem::path what;
    MDB_env* env = nullptr;
    ~cleanup() {
      if (env != nullptr) mdb_env_close(env);
      std::error_code ignored;
      std::filesystem::remove_all(what, ignored);
    }
  } held{place};
  int code = mdb_env_create(&held.env);
  if (code == 0) code = mdb_env_set_mapsize(held.env, std::size_t{1} << 36);
  if (code == 0) code = mdb_env_open(held.env, place.c_str(), 0, 0600);
  if (code != 0) return lmdb_error(code, "opening the floor's environment");

  const std::string value(bytes_per_record, 'x');
  std::vector<double> commits;
  std::uint64_t key = 0;
  MDB_dbi log = 0;
  const auto began = clock::now();
  while (clock::now() - began < length || commits.size() < 3) {
    const auto start = clock::now();
    MDB_txn* transaction = nullptr;
    code = mdb_txn_begin(held.env, nullptr, 0, &transaction);
    if (code == 0) code = mdb_dbi_open(transaction, nullptr, MDB_INTEGERKEY, &log);
    for (std::size_t i = 0; i < batch && code == 0; ++i) {
      ++key;
      MDB_val at{sizeof key, &key}, data{value.size(), nullptr};
      code = mdb_put(transaction, log, &at, &data, MDB_APPEND | MDB_RESERVE);
      if (code == 0) std::memcpy(data.mv_data, value.data(), value.size());
    }
    if (code == 0) {
      code = mdb_txn_commit(transaction);
    } else if (transaction != nullptr) {
      mdb_txn_abort(transaction);
    }
    if (code != 0) return lmdb_error(code, "appending to the floor's environment");
    commits.push_back(std::chrono::duration<double, std::micro>(clock::now() - start).count());
  }
  const double seconds = std::chrono::duration<double>(clock::now() - began).count();
  std::nth_element(commits.begin(), commits.begin() + static_cast<std::ptrdiff_t>(commits.size() / 2), commits.end());
  return floor_result{static_cast<double>(key) / seconds, commits[commits.size() / 2]};
}

}  // namespace perdure::persistence
