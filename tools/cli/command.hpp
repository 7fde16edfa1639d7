// What all commands share: exit codes, common options, how results and errors are printed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "perdure/error.hpp"
#include "perdure/payload.hpp"

namespace CLI {
class App;
}

namespace perdure::tools::cli {

inline constexpr int exit_fine = 0;
inline constexpr int exit_failed = 1;  ///< the thing failed
inline constexpr int exit_usage = 2;   ///< wrong usage

struct common_options {
  bool json = false;
  std::filesystem::path data;  ///< --data, else $PERDURE_DATA, else ./perdure-data
};

/// The command that was chosen on the command line; run after parsing.
using chosen_command = std::function<int()>;

/// --json.
void add_json_option(CLI::App& command, common_options& to);
/// --json and --data.
void add_common_options(CLI::App& command, common_options& to);

/// Compact JSON text of a value, which may envelop stored ones.
[[nodiscard]] std::string json_text(const json::value& value);
/// The same on several lines, for people.
[[nodiscard]] std::string pretty_json(const json::value& value);
/// One line of JSON on standard output.
void put_json(const json::value& value);

/// Prints the error ("perdure: …", or {"error": …} with --json) on standard error and gives the exit code back.
int fail(const common_options& options, const error& why, int exit_code = exit_failed);
/// For arguments that are wrong in themselves: exit_usage.
int fail_usage(const common_options& options, const std::string& message);

/// --input: JSON text, @FILE, or - for standard input; empty text is null. The error says where the JSON is malformed.
[[nodiscard]] result<json::value> read_json_argument(const std::string& argument, std::string_view option);
/// "90", "90s", "15m", "2h", "1d", "250ms"; a bare number is seconds.
[[nodiscard]] result<duration> read_duration(const std::string& text, std::string_view option);
/// The same, and not 0.
[[nodiscard]] result<duration> read_time_limit(const std::string& text, std::string_view option);
/// Option::transform for whole numbers: the parser itself takes -1 for a huge one, 010 for 8 and nothing for 0.
[[nodiscard]] std::function<std::string(std::string)> to_whole_number(std::uint64_t least = 0,
                                                                      std::uint64_t most = 1'000'000'000'000'000);
/// Adds what to do when another process holds the directory.
[[nodiscard]] error with_way_out(error why);
/// The whole file; io_error says why not, not_found that there is none.
[[nodiscard]] result<std::string> read_file(const std::filesystem::path& path);
/// io_error says why it cannot be written.
[[nodiscard]] result<void> write_file(const std::filesystem::path& path, std::string_view text);

void add_run_command(CLI::App& app, chosen_command& chosen);
void add_schedule_command(CLI::App& app, chosen_command& chosen);
void add_emit_command(CLI::App& app, chosen_command& chosen);
void add_runs_commands(CLI::App& app, chosen_command& chosen);
void add_journal_commands(CLI::App& app, chosen_command& chosen);
void add_jobs_commands(CLI::App& app, chosen_command& chosen);
void add_validate_command(CLI::App& app, chosen_command& chosen);
void add_graph_command(CLI::App& app, chosen_command& chosen);
void add_serve_command(CLI::App& app, chosen_command& chosen);
void add_keys_commands(CLI::App& app, chosen_command& chosen);
void add_bench_commands(CLI::App& app, chosen_command& chosen);

}  // namespace perdure::tools::cli
