// Reads the log of a process job: pieces of frames, see job_files.hpp. A cursor is the offset of a frame.
#pragma once

#include <string>

#include "perdure/backend.hpp"

namespace perdure::actors {

/// Lines from the cursor on. invalid_argument: not a cursor of such a log. What was cut off at its beginning is counted.
[[nodiscard]] result<job_log_page> read_job_log(int folder, const log_query& which);

/// The bytes that a job wrote, each stream for itself, from the beginning.
struct job_output {
  std::string out, error;
  std::uint64_t cut_out = 0, cut_error = 0;  ///< what did not fit, or was cut off
};
[[nodiscard]] result<job_output> read_job_output(int folder, std::size_t limit_bytes);

}  // namespace perdure::actors
