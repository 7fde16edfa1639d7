// The folder of a process job, as node and supervisor share it:
//
//   ROOT/<id>/request     what the supervisor needs, see job_request       the node; with it the job is accepted
//   ROOT/<id>/input       standard input, if any
//   ROOT/<id>/cancel      the job is to end                                the node
//   ROOT/<id>/started     who supervises it                                the supervisor; who links it first has the job
//   ROOT/<id>/progress    the latest progress                              the supervisor
//   ROOT/<id>/log.<hex>   what it wrote: frames, from this offset on       the supervisor
//   ROOT/<id>/ended       how it ended                                     the supervisor, last
//   ROOT/<id>/work/       the job's own folder
//   ROOT/ended/<id>       there is news of the job                         the supervisor; taken away by the node
//
// All of it is of one machine and one version of the program: plain structs, each with a number that says what it is.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/capabilities/fd.hpp"
#include "perdure/error.hpp"

namespace perdure::actors {

inline constexpr std::uint32_t job_files_format = 0x504A0002;
inline constexpr std::size_t job_id_size = 32;

/// Head of `request`. Then comes what is kept of the submission, JSON text {"key", "spec"} ("step": it is a step's program); then
/// strings, and here the file ends once the program runs, as they may hold secrets: candidates, arguments, environment, where the
/// job's control group is made (empty = it has none), where it runs (empty = in its own folder). Each has a NUL.
struct job_request {
  std::uint32_t format = job_files_format;
  std::uint32_t candidates = 0, arguments = 0, environment = 0;                     ///< how many
  std::uint64_t memory_bytes = 0, cpu_seconds = 0, open_files = 0, file_bytes = 0;  ///< 0 = no limit
  std::uint64_t processes = 0;                                                      ///< likewise
  std::uint64_t log_bytes = 0;                                                      ///< what is kept of its output
  std::int64_t wall_ms = 0;                                                         ///< 0 = no limit
  std::int64_t silent_ms = 0;                                                       ///< likewise
  std::int64_t grace_ms = 0;
  std::uint32_t has_input = 0;
  std::uint32_t kept_bytes = 0;  ///< without its NUL
};

/// Content of `started`. A process is this one when number, start and boot are the same.
struct job_started {
  std::uint32_t format = job_files_format;
  std::int32_t pid = 0;
  std::uint64_t start = 0;      ///< clock ticks after the boot, as the system keeps it
  std::array<char, 40> boot{};  ///< the boot's id
  std::int64_t at_us = 0;
};

enum class job_exit : std::uint32_t { exited = 1, signalled = 2, not_started = 3 };

/// Content of `ended`.
struct job_ending {
  std::uint32_t format = job_files_format;
  job_exit how = job_exit::exited;
  std::int32_t code = 0;       ///< exit code, signal, or errno
  std::int32_t stage = 0;      ///< not_started: what failed, as launch_failure::stage
  std::uint32_t asked = 0;     ///< it was asked to end before
  std::uint32_t overtime = 0;  ///< since its time was over; 2: since it said nothing for too long
  std::uint32_t limited = 0;   ///< what its control group limited, see cgroup_limit
  std::uint32_t grouped = 0;   ///< it had a control group
  std::int64_t started_us = 0, ended_us = 0;
  std::int64_t user_us = 0, system_us = 0, most_memory_bytes = 0;
  std::uint64_t lost_log_bytes = 0;     ///< could not be written
  std::uint64_t killed_for_memory = 0;  ///< processes that the group's limit ended
};

/// Content of `progress`.
struct job_progress_record {
  std::uint32_t format = job_files_format;
  std::uint32_t check = 0;  ///< sum of what follows: a record that is being written does not fit
  std::uint64_t done = 0, total = 0;
  std::array<char, 208> text{};  ///< with a NUL
  [[nodiscard]] std::uint32_t sum() const {
    std::uint32_t out = static_cast<std::uint32_t>(done * 31 + total * 17);
    for (const char each : text) out = out * 33 + static_cast<unsigned char>(each);
    return out;
  }
};

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

/// Process identity: whether `pid` is the process that wrote `started`, and alive.
[[nodiscard]] bool is_alive(const job_started& who);
/// Fields of a process that is there: clock ticks of its start, and whether it has ended but is not reaped.
struct process_facts {
  std::uint64_t start = 0;
  bool ended = false;
};
[[nodiscard]] std::optional<process_facts> facts_of(pid_t pid);
/// Async-signal-safe: the same of /proc/<pid>/stat's text.
[[nodiscard]] bool read_facts(const char* text, std::size_t size, process_facts& out);
/// The id of this boot.
[[nodiscard]] std::array<char, 40> boot_id();

/// Small files, relative to a folder. Errors name the file.
[[nodiscard]] result<std::string> read_small(int folder, const std::string& name, std::size_t limit);
[[nodiscard]] result<void> write_small(int folder, const std::string& name, std::string_view content);
/// The file appears whole, or not at all.
[[nodiscard]] result<void> put_small(int folder, const std::string& name, std::string_view content);
[[nodiscard]] bool exists(int folder, const std::string& name);
template <class T>
[[nodiscard]] std::optional<T> read_record(int folder, const std::string& name) {
  const auto bytes = read_small(folder, name, sizeof(T));
  if (!bytes || bytes->size() != sizeof(T)) return std::nullopt;
  T out;
  __builtin_memcpy(&out, bytes->data(), sizeof(T));
  if (out.format != job_files_format) return std::nullopt;
  return out;
}

/// A new `request`, as the supervisor reads it.
[[nodiscard]] std::string encode_request(job_request head, const std::vector<std::string>& candidates,
                                         const std::vector<std::string>& arguments, const std::vector<std::string>& environment,
                                         const std::string& cgroups, const std::string& directory, std::string_view kept);
/// What is kept of a submission; not_found: there is no request.
[[nodiscard]] result<std::string> read_kept(int folder);

}  // namespace perdure::actors
