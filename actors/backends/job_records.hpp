// What node and supervisor tell each other about a process job, as plain structs at fixed places of one file, ROOT/<id>/job.
// All of it is of one machine and one version of the program.
//
// Operation: the node writes the file whole, with the request; the supervisor writes the other records into it later, each with
// one call. A record is there when its format and its sum fit: one that is being written, or that a power cut left half, is not.
// No file is made for them, so a full disk does not keep a job's end from being written.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace perdure::actors {

inline constexpr std::uint32_t job_files_format = 0x504A0003;
inline constexpr std::size_t job_id_size = 32;

/// What the supervisor needs. After the records comes what is kept of the submission, JSON text {"key", "spec"} ("step": it is a
/// step's program); then strings, and here the file ends once the program runs, as they may hold secrets: candidates, arguments,
/// environment, where the job's control group is made (empty = it has none), where it runs (empty = in its own folder). Each has
/// a NUL.
struct job_request {
  std::uint32_t format = job_files_format;
  std::uint32_t check = 0;
  std::uint32_t candidates = 0, arguments = 0, environment = 0;  ///< how many
  std::uint32_t has_input = 0;
  std::uint64_t memory_bytes = 0, cpu_seconds = 0, open_files = 0, file_bytes = 0;  ///< 0 = no limit
  std::uint64_t processes = 0;                                                      ///< likewise
  std::uint64_t log_bytes = 0;                                                      ///< what is kept of its output
  std::int64_t wall_ms = 0;                                                         ///< 0 = no limit
  std::int64_t silent_ms = 0;                                                       ///< likewise
  std::int64_t grace_ms = 0;
  std::uint64_t kept_bytes = 0;  ///< without its NUL
};

/// Who supervises it. A process is this one when number, start and boot are the same.
struct job_started {
  std::uint32_t format = job_files_format;
  std::uint32_t check = 0;
  std::uint64_t start = 0;      ///< clock ticks after the boot, as the system keeps it
  std::array<char, 40> boot{};  ///< the boot's id
  std::int64_t at_us = 0;
  std::int64_t pid = 0;
};

enum class job_exit : std::uint32_t { exited = 1, signalled = 2, not_started = 3 };

/// How it ended.
struct job_ending {
  std::uint32_t format = job_files_format;
  std::uint32_t check = 0;
  job_exit how = job_exit::exited;
  std::int32_t code = 0;       ///< exit code, signal, or errno
  std::int32_t stage = 0;      ///< not_started: what failed, as launch_failure::stage
  std::uint32_t asked = 0;     ///< it was asked to end before
  std::uint32_t overtime = 0;  ///< since its time was over; 2: since it said nothing for too long; 3: processor time
  std::uint32_t limited = 0;   ///< what its control group limited, see cgroup_limit
  std::uint64_t grouped = 0;   ///< it had a control group
  std::int64_t started_us = 0, ended_us = 0;
  std::int64_t user_us = 0, system_us = 0, most_memory_bytes = 0;
  std::uint64_t lost_log_bytes = 0;     ///< could not be written
  std::uint64_t killed_for_memory = 0;  ///< processes that the group's limit ended
};

/// The latest progress.
struct job_progress_record {
  std::uint32_t format = job_files_format;
  std::uint32_t check = 0;
  std::uint64_t done = 0, total = 0;
  std::array<char, 208> text{};  ///< with a NUL
};

/// How the file begins.
struct job_head {
  job_request request;
  job_started started;
  job_ending ending;
  job_progress_record progress;
};

/// FNV-1a of what follows the sum.
template <class Record>
[[nodiscard]] std::uint32_t sum_of(const Record& what) {
  static_assert(std::has_unique_object_representations_v<Record>, "bytes that nobody sets would be summed");
  static_assert(offsetof(Record, check) == sizeof(std::uint32_t));
  std::uint32_t out = 2'166'136'261U;
  const auto* bytes = reinterpret_cast<const unsigned char*>(&what);
  for (std::size_t at = 2 * sizeof(std::uint32_t); at < sizeof(Record); ++at) out = (out ^ bytes[at]) * 16'777'619U;
  return out;
}
template <class Record>
[[nodiscard]] bool is_there(const Record& what) {
  return what.format == job_files_format && what.check == sum_of(what);
}

/// Head of a piece of the log: `size` bytes follow.
struct job_log_frame {
  static constexpr std::uint16_t is_one = 0x4A4C;
  std::uint16_t magic = is_one;
  std::uint8_t stream = 1;     ///< 1 or 2
  std::uint8_t continues = 0;  ///< 1: the line goes on in the next frame of its stream; 2: it has no end, it is the last
  std::uint32_t size = 0;
  std::int64_t at_us = 0;
};

/// Twelve digits are enough for what a log may become.
inline constexpr std::size_t log_name_digits = 16;

/// Fields of a process that is there: clock ticks of its start, and whether it has ended but is not reaped.
struct process_facts {
  std::uint64_t start = 0;
  bool ended = false;
};

}  // namespace perdure::actors
