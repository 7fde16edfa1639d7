#include "tools/cli/usage.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>
#include <string_view>

#include "tools/cli/command.hpp"
#include "tools/cli/terminal.hpp"

namespace perdure::tools::cli {

namespace {

using app_filter = std::function<bool(const CLI::App*)>;

/// "list, show and wait".
std::string names_of(const CLI::App& app) {
  std::string out;
  // What has no group is not for people.
  const auto shown = app.get_subcommands(app_filter{[](const CLI::App* each) { return !each->get_group().empty(); }});
  for (std::size_t i = 0; i < shown.size(); ++i)
    out += (i == 0 ? "" : i + 1 == shown.size() ? " and " : ", ") + shown[i]->get_name();
  return out;
}

/// Where the description of an option or command begins: after the first wide gap, else as far in as the line does.
std::size_t hanging(std::string_view line, std::size_t width) {
  constexpr std::size_t narrowest = 24;
  const auto begin = std::min(line.find_first_not_of(' '), line.size());
  const auto gap = begin == 0 ? std::string_view::npos : line.find("  ", begin);
  const auto at = gap == std::string_view::npos ? begin : line.find_first_not_of(' ', gap);
  return at == std::string_view::npos || at + narrowest > width ? std::min(begin + 2, width / 2) : at;
}

}  // namespace

std::string fit(std::string_view help, std::size_t width) {
  std::string out;
  while (!help.empty()) {
    const auto end = std::min(help.find('\n'), help.size());
    const auto line = help.substr(0, end);
    help.remove_prefix(std::min(end + 1, help.size()));
    if (display_width(line) <= width) {
      out.append(line).append("\n");
      continue;
    }
    const auto indent = hanging(line, width);
    const auto text = std::max(indent, std::min(line.find_first_not_of(' '), line.size()));
    bool first = true;
    for (const auto& each : wrap(line.substr(text), width - indent)) {
      out += first ? std::string{line.substr(0, indent)} : std::string(indent, ' ');
      out.append(each).append("\n");
      first = false;
    }
  }
  return out;
}

bool wants_json(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word{argv[i]};
    if (word == "--") return false;
    if (word == "--json") return true;
  }
  return false;
}

std::optional<std::string> wrong_command(const CLI::App& app, int argc, const char* const* argv) {
  const auto* at = &app;
  std::string path;
  for (int i = 1; at->get_require_subcommand_min() > 0; ++i) {
    if (i == argc)
      return path + (path.empty() ? "what to do? There are " : ": which of its commands? There are ") + names_of(*at);
    const std::string word{argv[i]};
    if (word.starts_with('-')) return std::nullopt;  // an option: the parser's
    const auto named = at->get_subcommands(app_filter{[&](const CLI::App* each) { return each->get_name() == word; }});
    path += (path.empty() ? "" : " ") + word;
    if (named.empty()) return "there is no command \"" + path + "\"; there are " + names_of(*at);
    at = named.front();
  }
  return std::nullopt;
}

void refuse_empty_values(CLI::App& app) {
  for (auto* each : app.get_options([](CLI::Option* option) { return option->get_items_expected_max() > 0; }))
    each->check([](const std::string& text) { return std::string{text.empty() ? "has an empty value" : ""}; });
  for (auto* each : app.get_subcommands(std::function<bool(CLI::App*)>{})) refuse_empty_values(*each);
}

int not_to_run(const CLI::App& app, const CLI::ParseError& why, bool json) {
  if (why.get_exit_code() != static_cast<int>(CLI::ExitCodes::Success)) return wrong_usage(why.what(), json);
  if (dynamic_cast<const CLI::CallForVersion*>(&why) != nullptr) {
    put_line(why.what());
  } else {
    put(fit(app.help(), terminal_width()));
  }
  return exit_fine;
}

int wrong_usage(const std::string& message, bool json) {
  common_options how;
  how.json = json;
  const auto code = fail_usage(how, message);
  if (!json) note("Run with --help for more.");
  return code;
}

}  // namespace perdure::tools::cli
