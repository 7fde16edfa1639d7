// Slurm's commands, and what they print: sbatch, squeue, scontrol, sacct, scancel, sinfo.
//
// Operation: each runs as a child process with an environment of its own, and is waited for. What they print is text for people
// with a form that has stayed; it is read by names, never by width.
// Concurrency: any thread; calls wait.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/capabilities/spawner.hpp"
#include "perdure/backend.hpp"

namespace perdure::actors {

/// One task of a job, as Slurm tells of it.
struct slurm_task {
  std::uint64_t job = 0;                  ///< of an array: of all of it
  std::optional<std::uint64_t> index;     ///< in an array
  std::string state;                      ///< Slurm's word: "RUNNING"
  std::string reason;                     ///< why it waits
  std::optional<std::int32_t> exit_code;  ///< 128 + signal number when a signal ended it
};

/// What a state means for a job; none = it is not known.
[[nodiscard]] std::optional<job_status> status_of_slurm(std::string_view state);
/// "3:0" is 3, "0:9" is 137.
[[nodiscard]] std::optional<std::int32_t> exit_of_slurm(std::string_view text);
/// Lines of `squeue --format=%F|%K|%T|%r`.
[[nodiscard]] std::vector<slurm_task> read_squeue(std::string_view text);
/// Lines of `scontrol --oneliner show job`.
[[nodiscard]] std::vector<slurm_task> read_scontrol(std::string_view text);
/// Lines of `sacct --parsable2 --format=JobID,State,ExitCode`.
[[nodiscard]] std::vector<slurm_task> read_sacct(std::string_view text);
/// The numbers of an array: "1,5,7-9:2%4". Empty: it is none, or has more than `most`.
[[nodiscard]] std::vector<std::uint64_t> read_array(std::string_view text, std::size_t most);
/// Whether Slurm's message says that the controller was not reached, or is too busy: it may be later.
[[nodiscard]] bool is_out_of_reach(std::string_view message);
[[nodiscard]] bool is_unknown_job(std::string_view message);

class slurm_commands {
 public:
  struct options {
    std::filesystem::path folder;                    ///< of the commands; empty = PATH
    std::map<std::string, std::string> environment;  ///< all of it
  };
  explicit slurm_commands(options how);

  struct printed {
    int code = 0;
    std::string out, err;
  };
  /// overloaded: it cannot be started. timeout, shutting_down: it was ended. A code other than 0 is no error.
  [[nodiscard]] result<printed> run(const std::string& command, std::vector<std::string> arguments, const backend_call& how);
  void stop() { children_.stop_all(); }

 private:
  options how_;
  spawner children_;
};

}  // namespace perdure::actors
