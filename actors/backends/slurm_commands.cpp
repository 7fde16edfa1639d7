#include "actors/backends/slurm_commands.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <set>

namespace perdure::actors {

namespace {

constexpr std::chrono::seconds patience{30};

struct meaning {
  std::string_view state;
  job_status is;
};
constexpr std::array<meaning, 24> meanings{
    {{"PENDING", job_status::queued},       {"REQUEUED", job_status::queued},      {"REQUEUE_FED", job_status::queued},
     {"REQUEUE_HOLD", job_status::queued},  {"RESV_DEL_HOLD", job_status::queued}, {"SPECIAL_EXIT", job_status::queued},
     {"CONFIGURING", job_status::running},  {"RUNNING", job_status::running},      {"COMPLETING", job_status::running},
     {"SUSPENDED", job_status::running},    {"STOPPED", job_status::running},      {"SIGNALING", job_status::running},
     {"RESIZING", job_status::running},     {"STAGE_OUT", job_status::running},    {"COMPLETED", job_status::succeeded},
     {"FAILED", job_status::failed},        {"BOOT_FAIL", job_status::failed},     {"NODE_FAIL", job_status::failed},
     {"OUT_OF_MEMORY", job_status::failed}, {"PREEMPTED", job_status::failed},     {"LAUNCH_FAILED", job_status::failed},
     {"CANCELLED", job_status::cancelled},  {"TIMEOUT", job_status::timed_out},    {"DEADLINE", job_status::timed_out}}};

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t out = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || read.ec != std::errc{} || read.ptr != text.data() + text.size()) return std::nullopt;
  return out;
}

template <class F>
void each_piece(std::string_view text, char border, F take) {
  while (!text.empty()) {
    const auto end = std::min(text.find(border), text.size());
    if (end > 0 || border != '\n') take(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::vector<std::string_view> cells_of(std::string_view line) {
  std::vector<std::string_view> out;
  each_piece(line, '|', [&](std::string_view cell) { out.push_back(cell); });
  return out;
}

/// "CANCELLED by 0" and "CANCELLED+" are "CANCELLED".
std::string plain_state(std::string_view text) { return std::string{text.substr(0, text.find_first_of(" +"))}; }

/// The value of NAME=… in a line; the first one.
std::string_view value_in(std::string_view line, std::string_view name) {
  for (std::size_t at = 0; (at = line.find(name, at)) != std::string_view::npos; at += name.size()) {
    if (at > 0 && line[at - 1] != ' ') continue;
    const auto value = line.substr(at + name.size());
    return value.substr(0, value.find(' '));
  }
  return {};
}

}  // namespace

std::optional<job_status> status_of_slurm(std::string_view state) {
  const auto* found = std::find_if(meanings.begin(), meanings.end(), [&](const meaning& each) { return each.state == state; });
  return found == meanings.end() ? std::nullopt : std::optional{found->is};
}

std::optional<std::int32_t> exit_of_slurm(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto code = number_of(text.substr(0, colon)), signal = number_of(text.substr(colon + 1));
  if (!code || !signal || *code > 255 || *signal > 127) return std::nullopt;
  return static_cast<std::int32_t>(*signal > 0 ? 128 + *signal : *code);
}

std::vector<slurm_task> read_squeue(std::string_view text) {
  std::vector<slurm_task> out;
  each_piece(text, '\n', [&](std::string_view line) {
    const auto cells = cells_of(line);
    const auto job = cells.size() < 3 ? std::nullopt : number_of(cells[0]);
    if (!job) return;
    out.push_back({.job = *job,
                   .index = number_of(cells[1]),
                   .state = plain_state(cells[2]),
                   .reason = cells.size() > 3 ? std::string{cells[3]} : std::string{},
                   .exit_code = std::nullopt});
  });
  return out;
}

std::vector<slurm_task> read_scontrol(std::string_view text) {
  std::vector<slurm_task> out;
  each_piece(text, '\n', [&](std::string_view line) {
    const auto array = value_in(line, "ArrayJobId=");
    const auto job = number_of(array.empty() ? value_in(line, "JobId=") : array);
    const auto state = value_in(line, "JobState=");
    if (!job || state.empty()) return;
    out.push_back({.job = *job,
                   .index = number_of(value_in(line, "ArrayTaskId=")),
                   .state = plain_state(state),
                   .reason = std::string{value_in(line, "Reason=")},
                   .exit_code = exit_of_slurm(value_in(line, "ExitCode="))});
  });
  return out;
}

std::vector<slurm_task> read_sacct(std::string_view text) {
  std::vector<slurm_task> out;
  each_piece(text, '\n', [&](std::string_view line) {
    const auto cells = cells_of(line);
    if (cells.size() < 3) return;
    const auto border = cells[0].find('_');
    const auto job = number_of(cells[0].substr(0, border));
    if (!job) return;
    out.push_back({.job = *job,
                   .index = border == std::string_view::npos ? std::nullopt : number_of(cells[0].substr(border + 1)),
                   .state = plain_state(cells[1]),
                   .reason = {},
                   .exit_code = exit_of_slurm(cells[2])});
  });
  return out;
}

std::vector<std::uint64_t> read_array(std::string_view text, std::size_t most) {
  std::set<std::uint64_t> out;
  if (const auto limit = text.find('%'); limit != std::string_view::npos) {
    if (!number_of(text.substr(limit + 1))) return {};
    text = text.substr(0, limit);
  }
  bool good = !text.empty() && text.back() != ',';
  each_piece(text, ',', [&](std::string_view part) {
    const auto dash = part.find('-'), colon = part.find(':');
    const auto first = number_of(part.substr(0, std::min(dash, colon)));
    const auto last = dash == std::string_view::npos
                          ? first
                          : number_of(part.substr(dash + 1, colon == std::string_view::npos ? colon : colon - dash - 1));
    const auto pace = colon == std::string_view::npos ? std::optional<std::uint64_t>{1} : number_of(part.substr(colon + 1));
    good = good && first && last && pace && *pace > 0 && *first <= *last &&
           (dash != std::string_view::npos || colon == std::string_view::npos) && (*last - *first) / *pace < most;
    for (auto at = good ? *first : 1; good && at <= *last; at += *pace) out.insert(at);
    good = good && out.size() <= most;
  });
  if (!good) return {};
  return {out.begin(), out.end()};
}

bool is_out_of_reach(std::string_view message) {
  static constexpr std::array<std::string_view, 12> words{"contact slurm controller",
                                                          "timed out",
                                                          "Connection refused",
                                                          "Communication",
                                                          "temporarily",
                                                          "Zero Bytes",
                                                          "uthentication",
                                                          "standby mode",
                                                          "Unexpected message",
                                                          "onfiguration file",
                                                          "onfiguration source",
                                                          "onnection"};
  return std::any_of(words.begin(), words.end(), [&](auto each) { return message.find(each) != std::string_view::npos; });
}

bool is_unknown_job(std::string_view message) { return message.find("Invalid job id") != std::string_view::npos; }

slurm_commands::slurm_commands(options how) : how_(std::move(how)), children_({}) {}

result<slurm_commands::printed> slurm_commands::run(const std::string& command, std::vector<std::string> arguments,
                                                    const backend_call& how) {
  struct box {
    std::mutex mutex;
    std::condition_variable came;
    std::optional<child_end> end;
  };
  const auto held = std::make_shared<box>();
  std::stop_source stop;
  const std::stop_callback unwanted{how.stop, [&stop] { stop.request_stop(); }};
  child_request request;
  request.what.program = how_.folder.empty() ? command : (how_.folder / command).string();
  request.what.arguments = std::move(arguments);
  request.what.environment = how_.environment;
  request.grace = std::chrono::seconds{1};
  request.stop = stop.get_token();
  request.done = [held](child_end end) {
    const std::lock_guard lock{held->mutex};
    held->end.emplace(std::move(end));
    held->came.notify_all();
  };
  children_.start(std::move(request));
  const auto set = how.deadline != std::chrono::steady_clock::time_point{};
  const auto until = set ? how.deadline : std::chrono::steady_clock::now() + patience;
  std::unique_lock lock{held->mutex};
  const bool in_time = held->came.wait_until(lock, until, [&] { return held->end.has_value(); });
  if (!in_time) {
    stop.request_stop();
    held->came.wait(lock, [&] { return held->end.has_value(); });
  }
  if (const auto* why = std::get_if<launch_failure>(&*held->end))
    return error{errc::overloaded, command + " cannot be started: " + std::strerror(why->error)};
  if (std::holds_alternative<child_refused>(*held->end))
    return error{errc::shutting_down, command + " was not started: the node is closing"};
  auto* end = std::get_if<child_exit>(&*held->end);
  if (end == nullptr) return error{errc::io_error, command + " ended, and nobody can tell how"};
  if (!in_time) return error{errc::timeout, command + " took too long and was ended"};
  if (end->stopped) return error{errc::shutting_down, command + " was ended: its answer is not wanted any more"};
  if (end->by_signal) return error{errc::io_error, command + " was ended by signal " + std::to_string(end->code)};
  if (end->cut_output > 0)
    return error{errc::io_error, command + " printed more than " + std::to_string(end->output.size()) + " bytes"};
  return printed{end->code, std::move(end->output), std::move(end->error)};
}

}  // namespace perdure::actors
