#include "tools/cli/command.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>

#include "cluster/control_protocol.hpp"
#include "core/json_text.hpp"
#include "tools/cli/terminal.hpp"

namespace perdure::tools::cli {

namespace {

/// Objects and arrays over several lines; short ones stay on one.
void write_pretty(std::string& out, const json::value& value, std::size_t indent) {
  constexpr std::size_t short_enough = 60;
  const bool nested = value.is_object() ? !value.get_object().empty() : value.is_array() && !value.get_array().empty();
  const auto flat = json_text(value);
  if (!nested || flat.size() <= short_enough) {
    out += flat;
    return;
  }
  const std::string pad(indent + 2, ' ');
  bool first = true;
  const auto begin_item = [&] {
    if (!std::exchange(first, false)) out += ',';
    out += '\n' + pad;
  };
  out += value.is_object() ? '{' : '[';
  if (value.is_object()) {
    for (const auto& [key, item] : value.get_object()) {
      begin_item();
      out += json_text(json::value(key)) + ": ";
      write_pretty(out, item, indent + 2);
    }
  } else {
    for (const auto& item : value.get_array()) {
      begin_item();
      write_pretty(out, item, indent + 2);
    }
  }
  out += '\n' + std::string(indent, ' ');
  out += value.is_object() ? '}' : ']';
}

/// Not more than a payload may have, however long the source is.
result<std::string> read_all(std::istream& in, const std::string& where) {
  std::string text;
  std::array<char, 65536> part;
  while (in.read(part.data(), part.size()) || in.gcount() > 0) {
    text.append(part.data(), static_cast<std::size_t>(in.gcount()));
    if (text.size() > limits::payload_bytes) {
      return error{errc::payload_too_large,
                   where + ": over the limit payload_bytes of " + std::to_string(limits::payload_bytes) + " bytes"};
    }
  }
  return text;
}

}  // namespace

void add_json_option(CLI::App& command, common_options& to) {
  command.add_flag("--json", to.json, "Machine-readable output, see docs/cli.md");
}

void add_common_options(CLI::App& command, common_options& to) {
  const char* set = std::getenv("PERDURE_DATA");
  to.data = set != nullptr && *set != '\0' ? set : "perdure-data";
  command.add_option("--data", to.data, "Data directory (default: $PERDURE_DATA, else ./perdure-data)")
      ->type_name("DIR")
      ->check([](const std::string& text) { return std::string{text.empty() ? "names no directory" : ""}; });
  add_json_option(command, to);
}

std::string json_text(const json::value& value) {
  std::string out;
  core::write_json_text(out, value, limits::json_depth + core::envelope_depth);
  return out;
}

std::string pretty_json(const json::value& value) {
  std::string out;
  write_pretty(out, value, 0);
  return out;
}

void put_json(const json::value& value) { put_line(json_text(value)); }

int fail(const common_options& options, const error& why, int exit_code) {
  if (options.json) {
    note(json_text(json::object{{"error", cluster::to_wire(why)}}));
  } else {
    note("perdure: " + printable_lines(why.message));
  }
  return exit_code;
}

int fail_usage(const common_options& options, const std::string& message) {
  return fail(options, {errc::invalid_argument, message}, exit_usage);
}

result<json::value> read_json_argument(const std::string& argument, std::string_view option) {
  std::string text = argument;
  std::string where = std::string{option};
  if (argument == "-") {
    where += " (standard input)";
    auto read = read_all(std::cin, where);
    if (!read) return read.error();
    text = std::move(*read);
  } else if (argument.starts_with('@')) {
    auto read = read_file(argument.substr(1));
    if (!read) return read.error();
    text = std::move(*read);
    where += " " + argument;
  }
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) return json::value(nullptr);
  if (text.size() > limits::payload_bytes) {
    return error{errc::payload_too_large, where + ": " + std::to_string(text.size()) +
                                              " bytes are over the limit payload_bytes of " +
                                              std::to_string(limits::payload_bytes)};
  }
  auto value = core::read_json_text(text);
  if (!value) return error{value.error().code, where + ": " + value.error().message};
  return value;
}

result<duration> read_time_limit(const std::string& text, std::string_view option) {
  auto limit = read_duration(text, option);
  if (limit && *limit == duration{0})
    return error{errc::invalid_argument,
                 std::string{option} + ": \"" + text + "\" is no time limit; without the option there is none"};
  return limit;
}

result<duration> read_duration(const std::string& text, std::string_view option) {
  double amount = 0;
  const auto [rest, bad] = std::from_chars(text.data(), text.data() + text.size(), amount);
  const std::string_view unit{rest, static_cast<std::size_t>(text.data() + text.size() - rest)};
  double seconds = 0;
  if (unit.empty() || unit == "s") seconds = 1;
  if (unit == "ms") seconds = 0.001;
  if (unit == "m") seconds = 60;
  if (unit == "h") seconds = 3600;
  if (unit == "d") seconds = 86400;
  if (bad != std::errc{} || seconds == 0 || !(amount >= 0) || amount * seconds > 1e11) {
    return error{errc::invalid_argument,
                 std::string{option} + ": \"" + text + "\" is no duration; write 30s, 250ms, 15m, 2h or 1d"};
  }
  return duration{static_cast<duration::rep>(amount * seconds * 1e6)};
}

std::function<std::string(std::string)> to_whole_number(std::uint64_t least, std::uint64_t most) {
  return [least, most](const std::string& text) {
    std::uint64_t value = 0;
    const auto* end = text.data() + text.size();
    const auto [rest, bad] = std::from_chars(text.data(), end, value);
    if (bad == std::errc{} && rest == end && value >= least && value <= most) return std::to_string(value);
    throw CLI::ValidationError("\"" + text + "\" is no whole number from " + std::to_string(least) + " to " +
                               std::to_string(most));
  };
}

error with_way_out(error why) {
  if (why.code == errc::locked)
    why.message += ": wait for its runs (perdure runs wait), take another --data, or stop that process";
  return why;
}

result<std::string> read_file(const std::filesystem::path& path) {
  std::error_code bad;
  if (!std::filesystem::exists(path, bad)) return error{errc::not_found, path.string() + ": no such file"};
  if (std::filesystem::is_directory(path, bad)) return error{errc::io_error, path.string() + ": is a directory"};
  std::ifstream in{path, std::ios::binary};
  auto text = in ? read_all(in, path.string()) : error{errc::io_error, path.string() + ": cannot be read"};
  if (in.bad()) return error{errc::io_error, path.string() + ": cannot be read"};
  return text;
}

result<void> write_file(const std::filesystem::path& path, std::string_view text) {
  const auto failed = [&] { return error{errc::io_error, path.string() + ": cannot be written: " + std::strerror(errno)}; };
  std::FILE* out = std::fopen(path.c_str(), "wbe");
  if (out == nullptr) return failed();
  const bool whole = std::fwrite(text.data(), 1, text.size(), out) == text.size() && std::fflush(out) == 0;
  const auto why = failed();
  if (std::fclose(out) != 0 || !whole) return whole ? failed() : why;
  return {};
}

}  // namespace perdure::tools::cli
