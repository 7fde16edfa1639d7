#include "actors/backends/process_spec.hpp"

#include <algorithm>
#include <cstring>

#include "actors/backends/beneath.hpp"
#include "actors/backends/job_group.hpp"
#include "actors/capabilities/child.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

namespace {

std::string text_of(const launch_failure::stage stage, int code, const std::string& program) {
  const std::string why = std::strerror(code);
  switch (stage) {
    case launch_failure::stage::directory: return "\"" + program + "\" was not started: its folder cannot be entered: " + why;
    case launch_failure::stage::exec: return "\"" + program + "\" cannot be executed: " + why;
    default: return "\"" + program + "\" was not started: " + why;
  }
}

}  // namespace

bool has_nul(const std::string& text) { return text.find('\0') != std::string::npos; }

/// The paths to try, as execvp would.
std::vector<std::string> candidates_of(const std::string& program, const std::string& path) {
  if (program.find('/') != std::string::npos) return {program};
  std::vector<std::string> out;
  for (std::size_t at = 0; at <= path.size();) {
    auto end = path.find(':', at);
    if (end == std::string::npos) end = path.size();
    if (end > at) out.push_back(path.substr(at, end - at) + "/" + program);
    at = end + 1;
  }
  return out;
}

std::optional<std::string> strange_member(const json::value& spec) {
  if (!spec.is_object()) return std::nullopt;
  for (const auto& [name, value] : spec.get_object()) {
    bool known = false;
    boost::mp11::mp_for_each<boost::describe::describe_members<process_job, boost::describe::mod_public>>(
        [&, &key = name](auto member) { known = known || key == member.name; });
    if (!known) return std::string{name}.substr(0, 200);
  }
  return std::nullopt;
}

std::optional<std::string> problem_of(const process_job& spec) {
  if (spec.program.empty()) return "it names no program";
  if (has_nul(spec.program) || std::any_of(spec.arguments.begin(), spec.arguments.end(), has_nul))
    return "program and arguments must not contain NUL characters; pass binary data as input or as a file";
  for (const auto& [name, value] : spec.environment) {
    if (name.empty() || name.find('=') != std::string::npos || has_nul(name) || has_nul(value))
      return "the environment variable \"" + name.substr(0, name.find('\0')) +
             "\" has a bad name, or a NUL character in its value";
  }
  if (spec.directory && (spec.directory->empty() || has_nul(*spec.directory)))
    return "its directory is empty or contains a NUL character";
  std::size_t bytes = spec.input ? spec.input->size() : 0;
  for (const auto& [name, content] : spec.files) {
    if (!is_plain_name(name)) return "\"" + name.substr(0, 200) + "\" is no name of a file beneath the job's folder";
    bytes += content.size();
  }
  if (bytes > limits::process_job_bytes)
    return "its input and files have " + std::to_string(bytes) + " bytes; the limit process_job_bytes is " +
           std::to_string(limits::process_job_bytes);
  return std::nullopt;
}

job_report report_of(const job_ending& end, const process_job& spec) {
  job_report out;
  const auto user_s = static_cast<double>(end.user_us) / 1e6, system_s = static_cast<double>(end.system_us) / 1e6;
  json::object result{{"limits", end.limited != 0 ? "cgroup" : "rlimit"},
                      {"group", end.grouped != 0 ? "cgroup" : "process group"},
                      {"started_at", to_string(timestamp{duration{end.started_us}})},
                      {"ended_at", to_string(timestamp{duration{end.ended_us}})},
                      {"user_s", user_s},
                      {"system_s", system_s},
                      {"most_memory_bytes", end.most_memory_bytes}};
  // A limit that nobody holds is told.
  if (spec.processes && (end.limited & limits_processes) == 0)
    result.emplace("not_limited", json::array{json::value("processes")});
  if (end.lost_log_bytes > 0) result.emplace("lost_log_bytes", end.lost_log_bytes);
  out.result = payload{json::value(std::move(result))};
  switch (end.how) {
    case job_exit::not_started:
      out.status = job_status::failed;
      out.raw = "not started";
      out.message = text_of(static_cast<launch_failure::stage>(end.stage), end.code, spec.program);
      return out;
    case job_exit::signalled:
      out.exit_code = 128 + end.code;
      out.raw = "killed by signal " + std::to_string(end.code);
      break;
    case job_exit::exited:
      out.exit_code = end.code;
      out.raw = "exited " + std::to_string(end.code);
      break;
  }
  const bool well = end.how == job_exit::exited && end.code == 0;
  out.status = end.overtime != 0 ? job_status::timed_out
               : end.asked != 0  ? job_status::cancelled
               : well            ? job_status::succeeded
                                 : job_status::failed;
  if (end.overtime == 1) out.message = "it took longer than wall_ms";
  if (end.overtime == 2) out.message = "there was no word of it for silent_ms";
  if (end.overtime == 3) out.message = "its processes took more than cpu_seconds";
  if (end.killed_for_memory > 0) out.message = "it took more memory than memory_bytes";
  return out;
}

}  // namespace perdure::actors
