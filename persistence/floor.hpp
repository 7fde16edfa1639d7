// The floor that a journal is measured against: bare LMDB appends of the same bytes at the same batch.
#pragma once

#include <chrono>
#include <filesystem>

#include "perdure/error.hpp"

namespace perdure::persistence {

struct floor_result {
  double appends_per_s = 0;
  double commit_p50_us = 0;
};

/// Commits `batch` values of `bytes_per_record` under append-ordered keys, each commit synced, for about `length`, in a
/// fresh environment inside `directory`, which is removed again. io_error.
[[nodiscard]] result<floor_result> measure_append_floor(const std::filesystem::path& directory, std::size_t bytes_per_record,
                                                        std::size_t batch, std::chrono::duration<double> length);

}  // namespace perdure::persistence
