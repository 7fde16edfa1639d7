// What is wrong with a command line, said in one way before any command runs.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace perdure::tools::cli {

/// Help whose long lines are broken between words; what goes on stands beneath where its text begins.
[[nodiscard]] std::string fit(std::string_view help, std::size_t width);
/// The words ask for --json: errors are objects then, also when the line cannot be parsed.
[[nodiscard]] bool wants_json(int argc, const char* const* argv);
/// A command is missing or unknown ("runs bogus"); empty when the commands are known.
[[nodiscard]] std::optional<std::string> wrong_command(const CLI::App& app, int argc, const char* const* argv);
/// An option or argument that is given with empty text is an error, not one that was left out. Call after all were added.
void refuse_empty_values(CLI::App& app);
/// Prints help or version when these were asked for, else what is wrong; the exit code.
[[nodiscard]] int not_to_run(const CLI::App& app, const CLI::ParseError& why, bool json);
/// Prints what is wrong; exit_usage.
[[nodiscard]] int wrong_usage(const std::string& message, bool json);

}  // namespace perdure::tools::cli
