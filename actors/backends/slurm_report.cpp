#include "actors/backends/slurm_report.hpp"

#include <algorithm>
#include <array>

#include "actors/backends/job_files.hpp"
#include "actors/backends/slurm_folder.hpp"
#include "core/json_text.hpp"
#include "perdure/json.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

namespace {

constexpr std::size_t word_bytes = 64;
/// Our own word, where Slurm has none.
constexpr std::string_view lost_state = "LOST";
constexpr std::size_t shown_tasks = 100;

/// How it ended, as it was seen first.
struct kept_end {
  std::string status, raw, message;
  std::optional<std::int32_t> exit_code;
  json::value result;
};
BOOST_DESCRIBE_STRUCT(kept_end, (), (status, raw, message, exit_code, result))

}  // namespace

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return core::valid_utf8(text.substr(0, limits::failure_text_bytes));
}

bool is_number(std::string_view text) {
  return !text.empty() && text.size() < 20 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool goes_on(const slurm_task& task) {
  if (task.state == lost_state) return false;
  const auto status = status_of_slurm(task.state);
  return !status || !is_terminal(*status);
}

bool is_held_launch(const slurm_task& task) {
  // squeue writes it with blanks, scontrol without.
  return task.state == "PENDING" &&
         (task.reason == "launch failed requeued held" || task.reason == "launch_failed_requeued_held");
}

slurm_task own_word(const slurm_place& job, std::optional<std::uint64_t> index) {
  slurm_task out{.job = job.number, .index = index, .state = std::string{lost_state}, .reason = {}, .exit_code = std::nullopt};
  const auto text = read_small(job.folder.get(), index ? "exit." + std::to_string(*index) : "exit", word_bytes);
  const auto word = text ? trimmed(*text) : std::string{};
  if (word == "term") {
    out.state = exists(job.folder.get(), "cancel") ? "CANCELLED" : "FAILED";
    out.exit_code = 143;
  } else if (is_number(word) && word.size() <= 3) {
    out.exit_code = std::stoi(word);
    out.state = *out.exit_code == 0 ? "COMPLETED" : "FAILED";
  }
  return out;
}

job_report open_report(const slurm_place& job, const std::vector<slurm_task>& tasks) {
  job_report out;
  const auto count = read_array(job.kept.spec.array, limits::run_jobs).size();
  std::size_t ended = 0;
  for (const auto& each : tasks) {
    const auto status = status_of_slurm(each.state);
    if (status && is_terminal(*status)) {
      ++ended;
      continue;
    }
    // The most lively one tells how it is.
    const bool livelier = out.raw.empty() || (out.status == job_status::queued && status == job_status::running);
    if (!livelier) continue;
    out.status = status;
    out.raw = each.state;
    if (status == job_status::queued && each.reason != "None") out.text = core::valid_utf8(each.reason.substr(0, word_bytes));
  }
  if (count > 0) {
    if (ended > 0 && out.status == job_status::queued) out.status = job_status::running;
    out.done = ended;
    out.total = count;
  } else if (const auto told = last_progress(job.folder.get(), "log")) {
    out.done = told->done;
    out.total = told->total;
    out.text = core::valid_utf8(told->text);
  }
  return out;
}

job_report end_report(const slurm_place& job, const std::vector<slurm_task>& tasks) {
  job_report out{.status = job_status::succeeded, .raw = "COMPLETED"};
  // The worst of its tasks is how it ended.
  constexpr std::array<job_status, 5> worst{job_status::succeeded, job_status::lost, job_status::cancelled, job_status::timed_out,
                                            job_status::failed};
  const auto rank = [&](job_status status) { return std::find(worst.begin(), worst.end(), status) - worst.begin(); };
  json::array told;
  std::size_t bad = 0;
  for (const auto& each : tasks) {
    const auto status = each.state == lost_state ? job_status::lost : status_of_slurm(each.state).value_or(job_status::failed);
    if (rank(status) > rank(*out.status)) {
      out.status = status;
      out.raw = each.state;
    }
    if (each.exit_code && (!out.exit_code || *each.exit_code > *out.exit_code)) out.exit_code = each.exit_code;
    if (status == job_status::succeeded) continue;
    ++bad;
    if (!each.index || told.size() >= shown_tasks) continue;
    json::object one{{"task", *each.index}, {"state", each.state}};
    if (each.exit_code) one.emplace("exit_code", *each.exit_code);
    told.push_back(std::move(one));
  }
  json::object result{{"slurm_job_id", job.number}, {"state", out.raw}};
  const auto count = read_array(job.kept.spec.array, limits::run_jobs).size();
  if (count > 0) {
    result.emplace("tasks", count);
    result.emplace("not_completed", std::move(told));
    if (bad > 0) out.message = std::to_string(bad) + " of " + std::to_string(count) + " tasks did not complete";
  } else if (out.status == job_status::lost) {
    out.message = "Slurm does not know job " + std::to_string(job.number) + " any more, and it left no word of its end";
  } else if (!tasks.empty() && bad > 0) {
    out.message =
        tasks.front().reason.empty() || tasks.front().reason == "None" ? std::string{} : core::valid_utf8(tasks.front().reason);
  }
  out.result = payload{json::value(std::move(result))};
  return out;
}

result<void> keep_end(int folder, const job_report& what) {
  kept_end out{.status = boost::describe::enum_to_string(*what.status, "failed"),
               .raw = what.raw,
               .message = what.message,
               .exit_code = what.exit_code,
               .result = what.result.value()};
  std::string text;
  core::write_json_text(text, to_json(out));
  return put_small(folder, "ended", text);
}
std::optional<job_report> kept_end_of(int folder) {
  const auto text = read_small(folder, "ended", 1U << 20);
  const auto read = text ? core::read_json_text(*text) : result<json::value>{text.error()};
  const auto end = read ? from_json<kept_end>(*read) : result<kept_end>{read.error()};
  job_status status{};
  if (!end || !boost::describe::enum_from_string(end->status.c_str(), status)) return std::nullopt;
  return job_report{
      .status = status, .raw = end->raw, .exit_code = end->exit_code, .result = payload{end->result}, .message = end->message};
}

}  // namespace perdure::actors
