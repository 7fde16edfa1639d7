#include "actors/backends/slurm_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "actors/backends/beneath.hpp"
#include "actors/backends/slurm_commands.hpp"
#include "core/record.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

namespace {

constexpr std::size_t hash_digits = 32;
constexpr std::size_t shown_key = 200;
constexpr std::size_t window = 256U << 10;
constexpr std::size_t progress_window = 16U << 10;
static_assert(window > limits::job_log_line_bytes);

/// Options of sbatch that are this backend's own, or would let a job out of its hands.
constexpr std::array<std::string_view, 22> own_options{
    "array",     "chdir", "clusters", "comment",  "error",     "export", "export-file", "get-user-env",
    "gid",       "help",  "input",    "job-name", "open-mode", "output", "parsable",    "quiet",
    "test-only", "uid",   "version",  "wait",     "wrap",      "usage"};

std::string shell_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string{"'\\''"} : std::string{c};
  return out + "'";
}

bool has_nul(const std::string& text) { return text.find('\0') != std::string::npos; }

/// What may stand in Slurm's own listings without being taken for something else.
std::string plain(std::string_view text, std::size_t most) {
  std::string out;
  for (const char c : text.substr(0, most)) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                      c == '.' || c == '/' || c == ':';
    out += good ? c : '_';
  }
  return out;
}

bool is_variable(const std::string& name) {
  return !name.empty() && (name.front() < '0' || name.front() > '9') && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

bool is_option(const std::string& name) {
  return name.size() > 1 && name.size() < 64 && name.front() != '-' && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

std::string clock_text(std::uint64_t seconds) {
  const auto minutes = (seconds + 59) / 60;
  return std::to_string(std::max<std::uint64_t>(1, minutes));
}

}  // namespace

std::string slurm_hash(const std::string& key) { return core::to_hex(core::sha256({key})).substr(0, hash_digits); }

bool is_slurm_hash(std::string_view text) {
  return text.size() == hash_digits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string problem_of(const slurm_job& spec) {
  if (spec.script.empty() == spec.program.empty()) return "it needs either a script or a program";
  if (!spec.script.empty() && !spec.script.starts_with("#!")) return "its script does not begin with \"#!\"";
  if (spec.script.find("\n#SBATCH") != std::string::npos)
    return "its script has #SBATCH lines, which nobody would read here: they are members of the spec, or of its options";
  if (has_nul(spec.program) || std::any_of(spec.arguments.begin(), spec.arguments.end(), has_nul))
    return "program and arguments must not contain NUL characters";
  for (const auto& [name, value] : spec.environment) {
    if (!is_variable(name) || has_nul(value))
      return "the environment variable \"" + plain(name, 100) + "\" has a bad name or value";
  }
  std::size_t bytes = spec.script.size();
  for (const auto& [name, content] : spec.files) {
    if (!is_plain_name(name)) return "\"" + name.substr(0, 200) + "\" is no name of a file beneath the job's folder";
    bytes += content.size();
  }
  if (bytes > limits::process_job_bytes)
    return "its script and files have " + std::to_string(bytes) + " bytes; the limit process_job_bytes is " +
           std::to_string(limits::process_job_bytes);
  if (!spec.array.empty() && read_array(spec.array, limits::run_jobs).empty())
    return "\"" + plain(spec.array, 100) + "\" is no array of at most " + std::to_string(limits::run_jobs) +
           " tasks, like 0-9 or 1,5,7-9:2%4";
  if (has_nul(spec.partition)) return "its partition has a bad name";
  for (const auto& [name, value] : spec.options) {
    if (!is_option(name) || has_nul(value)) return "\"" + plain(name, 100) + "\" is no long option of sbatch, without \"--\"";
    // sbatch takes beginnings of names, too.
    if (std::any_of(own_options.begin(), own_options.end(), [&](auto own) { return own.starts_with(name); }))
      return "the option \"" + name + "\" of sbatch is this backend's own";
  }
  return {};
}

std::string batch_script(const std::filesystem::path& folder, const std::string& key, const slurm_job& spec) {
  const auto at = shell_quoted(folder.string());
  std::string out =
      "#!/bin/sh\n"
      "# Made by perdure for one job; see docs/jobs.md.\n"
      "job=${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}\n"
      "folder=" +
      at +
      "\n"
      "ln -s \"$job\" \"$folder/claim\" 2>/dev/null\n"
      "[ \"$(readlink \"$folder/claim\")\" = \"$job\" ] || exit 0\n"
      "task=${SLURM_ARRAY_TASK_ID:+.$SLURM_ARRAY_TASK_ID}\n"
      "leave() { echo \"$1\" > \"$folder/exit$task.$$\" && mv -f \"$folder/exit$task.$$\" \"$folder/exit$task\"; }\n"
      "cd \"$folder/work\" || { leave 72; exit 72; }\n"
      "rm -f \"$folder/exit$task\"\n";
  out += "export PERDURE_JOB_KEY=" + shell_quoted(key) + "\nexport PERDURE_JOB_DIR=" + shell_quoted((folder / "work").string()) +
         "\n";
  for (const auto& [name, value] : spec.environment) out += "export " + name + "=" + shell_quoted(value) + "\n";
  out += spec.script.empty() ? shell_quoted(spec.program) : std::string{"\"$folder/script\""};
  for (const auto& each : spec.arguments) out += " " + shell_quoted(each);
  // In the background, so that the shell can take a SIGTERM while it runs.
  out +=
      " < /dev/null &\n"
      "child=$!\n"
      "trap 'trap \"\" TERM; leave term; kill -TERM $child 2>/dev/null; wait $child; exit 143' TERM\n"
      "wait $child\n"
      "code=$?\n"
      "leave $code\n"
      "exit $code\n";
  return out;
}

std::string slurm_name(const std::string& hash, const std::string& name) {
  const auto shown = plain(name, 60);
  return (shown.empty() ? "perdure" : shown) + "." + hash.substr(0, 16);
}

std::string slurm_comment(const std::string& hash, const std::string& key) {
  return "perdure:" + hash + ":" + plain(key, shown_key);
}

std::vector<std::string> sbatch_arguments(const std::filesystem::path& folder, const std::string& hash,
                                          const job_submission& what, const slurm_job& spec,
                                          const std::map<std::string, std::string>& defaults) {
  std::vector<std::string> out{"--parsable",
                               "--job-name=" + slurm_name(hash, what.name),
                               "--comment=" + slurm_comment(hash, what.key),
                               "--output=" + (folder / (spec.array.empty() ? "log" : "log.%a")).string(),
                               "--open-mode=append",
                               "--chdir=" + (folder / "work").string(),
                               "--export=ALL"};
  auto more = defaults;
  for (const auto& [name, value] : spec.options) more[name] = value;
  const auto set = [&](const char* name, const auto& value) {
    if (value) more[name] = std::to_string(*value);
  };
  set("nodes", spec.nodes);
  set("ntasks", spec.tasks);
  set("cpus-per-task", spec.cpus_per_task);
  if (spec.memory_mb) more["mem"] = std::to_string(*spec.memory_mb) + "M";
  if (spec.time_limit_s) more["time"] = clock_text(*spec.time_limit_s);
  if (!spec.partition.empty()) more["partition"] = spec.partition;
  if (!spec.array.empty()) more["array"] = spec.array;
  for (const auto& [name, value] : more) out.push_back("--" + name + (value.empty() ? "" : "=" + value));
  out.push_back((folder / "batch").string());
  return out;
}

result<job_log_page> read_slurm_log(int folder, const std::vector<slurm_log>& files, const log_query& which) {
  std::size_t number = 0;
  std::uint64_t offset = 0;
  if (!which.cursor.empty()) {
    const error bad{errc::invalid_argument, "\"" + plain(which.cursor, 100) + "\" is not a cursor of this log"};
    const auto* end = which.cursor.data() + which.cursor.size();
    if (which.cursor.front() != 's') return bad;
    const auto first = std::from_chars(which.cursor.data() + 1, end, number);
    if (first.ec != std::errc{} || first.ptr == end || *first.ptr != '.') return bad;
    const auto second = std::from_chars(first.ptr + 1, end, offset, 16);
    if (second.ec != std::errc{} || second.ptr != end || number >= files.size()) return bad;
  }
  job_log_page out;
  const auto limit = std::clamp<std::size_t>(which.limit, 1, limits::job_log_page_lines);
  std::size_t bytes = 0;
  std::string piece;
  for (bool goes_on = true; goes_on;) {
    const auto& from = files[number];
    auto file = open_beneath(folder, from.name);
    bool over = true;  // nothing more is there now
    if (file) {
      piece.resize(window);
      const auto got = pread(file->get(), piece.data(), piece.size(), static_cast<off_t>(offset));
      if (got < 0) return error{errc::io_error, "the log cannot be read: " + std::string{std::strerror(errno)}};
      piece.resize(static_cast<std::size_t>(got));
      over = piece.size() < window;
    } else if (file.error().code != errc::not_found) {
      return file.error();
    } else {
      piece.clear();
    }
    std::string_view rest{piece};
    bool full = false;
    while (!rest.empty()) {
      const auto end = rest.find('\n');
      // A line that is not complete yet waits for its end, unless there will be none.
      const auto size = std::min({end, rest.size(), limits::job_log_line_bytes});
      const bool complete = end == size, last = over && from.whole && size == rest.size();
      if (!complete && !last && size < limits::job_log_line_bytes) break;
      full = out.lines.size() == limit || (bytes + size > limits::job_log_page_bytes && !out.lines.empty());
      if (full) break;
      bytes += size;
      const bool continues = !complete && !last;
      out.lines.push_back({.time = {}, .stream = from.stream, .text = std::string{rest.substr(0, size)}, .continues = continues});
      offset += size + (complete ? 1 : 0);
      rest.remove_prefix(size + (complete ? 1 : 0));
    }
    out.has_more = full;
    if (full) break;
    goes_on = !over;
    if (over && from.whole && number + 1 < files.size()) {
      ++number;
      offset = 0;
      goes_on = true;
    }
  }
  std::array<char, 24> hex{};
  const auto end = std::to_chars(hex.data(), hex.data() + hex.size(), offset, 16).ptr;
  out.next_cursor = "s" + std::to_string(number) + "." + std::string{hex.data(), end};
  return out;
}

std::optional<told_progress> last_progress(int folder, const std::string& log) {
  const auto file = open_beneath(folder, log);
  struct stat what {};
  if (!file || fstat(file->get(), &what) != 0 || what.st_size == 0) return std::nullopt;
  const auto size = std::min<std::size_t>(progress_window, static_cast<std::size_t>(what.st_size));
  std::string tail(size, '\0');
  const auto got = pread(file->get(), tail.data(), size, what.st_size - static_cast<off_t>(size));
  tail.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  constexpr std::string_view mark = "::progress ";
  for (auto at = tail.rfind(mark); at != std::string::npos; at = at == 0 ? std::string::npos : tail.rfind(mark, at - 1)) {
    const auto end = tail.find('\n', at);
    if (end == std::string::npos || (at > 0 && tail[at - 1] != '\n')) continue;
    const auto* to = tail.data() + end;
    told_progress out;
    const auto done = std::from_chars(tail.data() + at + mark.size(), to, out.done);
    if (done.ec != std::errc{} || done.ptr == to || *done.ptr != '/') continue;
    const auto total = std::from_chars(done.ptr + 1, to, out.total);
    if (total.ec != std::errc{} || (total.ptr != to && *total.ptr != ' ')) continue;
    if (total.ptr != to) out.text.assign(total.ptr + 1, std::min<const char*>(to, total.ptr + 1 + limits::name_bytes));
    if (out.total > 0) out.done = std::min(out.done, out.total);
    return out;
  }
  return std::nullopt;
}

}  // namespace perdure::actors
