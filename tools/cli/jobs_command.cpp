// jobs list | show | logs | cancel | artifacts | download | estimate, and backends list | check
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <charconv>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include "cluster/backend_set.hpp"
#include "cluster/job_verbs.hpp"
#include "tools/cli/client.hpp"
#include "tools/cli/command.hpp"
#include "tools/cli/interrupt.hpp"
#include "tools/cli/narrate.hpp"
#include "tools/cli/table.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/times.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::cli {

namespace {

constexpr std::chrono::milliseconds follow_pause{300};
constexpr std::size_t runs_at_once = 1'000;
constexpr std::size_t shown_id = 13, wide_terminal = 120;

struct job_command {
  common_options common;
  std::string job, cursor, name, output, backend, spec = "null", status;
  std::size_t limit = 100;
  bool follow = false, all = false;
  std::vector<std::string> names, files;
};

/// A job and where it is.
struct found_job {
  run_id run;
  json::object what;
  [[nodiscard]] std::string text(std::string_view name) const { return text_of(what, name); }
  [[nodiscard]] bool ended() const { return !text("ended_at").empty(); }
};

result<json::array> jobs_of(client& from, const run_id& run) {
  auto answer = from.about_jobs({{"do", "jobs"}, {"run_id", run.str()}});
  if (!answer) return answer.error();
  if (!answer->is_array()) return error{errc::internal, "the node's answer is not a list of jobs"};
  return std::move(answer->get_array());
}

/// "RUN/NUMBER", or "RUN" when the run has one job.
result<found_job> find_job(client& from, const std::string& text) {
  const auto slash = text.find('/');
  const auto run = resolve(from, text.substr(0, slash));
  if (!run) return run.error();
  std::uint64_t number = 0;
  if (slash != std::string::npos) {
    const auto* end = text.data() + text.size();
    const auto read = std::from_chars(text.data() + slash + 1, end, number);
    if (read.ec != std::errc{} || read.ptr != end || number == 0)
      return error{errc::invalid_argument, "\"" + text + "\" is no job; write RUN/NUMBER, or RUN alone when it has one job"};
  }
  auto jobs = jobs_of(from, *run);
  if (!jobs) return jobs.error();
  if (jobs->empty()) return error{errc::not_found, "run " + run->str() + " has no jobs"};
  if (number == 0 && jobs->size() > 1)
    return error{errc::invalid_argument,
                 "run " + run->str() + " has " + std::to_string(jobs->size()) + " jobs; write " + text + "/1 and so on"};
  for (auto& each : *jobs) {
    if (each.is_object() && (number == 0 || number_of(each.get_object(), "job") == number))
      return found_job{*run, std::move(each.get_object())};
  }
  return error{errc::not_found, "run " + run->str() + " has no job " + std::to_string(number)};
}

std::string percent(const json::value& progress) {
  if (!progress.is_object()) return {};
  const auto& object = progress.get_object();
  const auto done = number_of(object, "done"), total = number_of(object, "total");
  auto out = total == 0 ? std::to_string(done) : std::to_string(done * 100 / total) + "%";
  if (const auto text = text_of(object, "text"); !text.empty()) out += " " + text;
  return out;
}

std::string why_of(const json::object& job) {
  const auto& why = value_of(job, "error");
  return why.is_object() ? text_of(why.get_object(), "detail") : std::string{};
}

/// How much of a run's id is shown, so that the name of a job fits and no two are the same.
std::size_t distinct_digits(const std::vector<found_job>& of, bool whole) {
  constexpr std::size_t all = 36;
  std::set<run_id> runs;
  for (const auto& each : of) runs.insert(each.run);
  for (auto out = whole ? all : shown_id; out < all; ++out) {
    std::set<std::string> names;
    for (const auto& each : runs) names.insert(each.str().substr(0, out));
    if (names.size() == runs.size()) return out;
  }
  return all;
}

int list_jobs(const job_command& how) {
  auto runs = reach(how.common.data);
  if (!runs) return fail(how.common, runs.error());
  std::vector<found_job> found;
  const auto take = [&](const run_id& run) -> result<void> {
    auto jobs = jobs_of(**runs, run);
    if (!jobs) return jobs.error();
    for (auto& each : *jobs) {
      if (!each.is_object()) continue;
      found_job one{run, std::move(each.get_object())};
      const bool fits =
          (how.status.empty() || one.text("status") == how.status) && (how.backend.empty() || one.text("backend") == how.backend);
      if (fits && (how.all || !how.job.empty() || !how.status.empty() || !one.ended())) found.push_back(std::move(one));
    }
    return {};
  };
  if (!how.job.empty()) {
    const auto run = resolve(**runs, how.job);
    if (!run) return fail(how.common, run.error());
    if (auto taken = take(*run); !taken) return fail(how.common, taken.error());
  } else {
    list_options options{.limit = runs_at_once};
    do {
      const auto page = (*runs)->list(options);
      if (!page) return fail(how.common, page.error());
      for (const auto& each : page->runs) {
        if (found.size() >= how.limit) break;
        if (is_terminal(each.status) && !how.all && how.status.empty()) continue;
        if (auto taken = take(each.id); !taken && taken.error().code != errc::not_found) return fail(how.common, taken.error());
      }
      options.cursor = page->next_cursor;
    } while (!options.cursor.empty() && found.size() < how.limit);
  }
  if (found.size() > how.limit) found.resize(how.limit);
  if (how.common.json) {
    json::array all;
    for (auto& each : found) {
      each.what.emplace("run_id", each.run.str());
      all.push_back(std::move(each.what));
    }
    put_json(json::object{{"jobs", std::move(all)}});
    return exit_fine;
  }
  if (found.empty()) {
    put_line(how.all ? "no jobs" : "no jobs that go on; --all shows ended ones too");
    return exit_fine;
  }
  const auto digits = distinct_digits(found, terminal_width() >= wide_terminal);
  table out{{{"JOB"}, {"BACKEND", 8}, {"STATUS"}, {"PROGRESS", 8}, {"CREATED", 0, true}, {"NOTE", 8}}};
  for (const auto& each : found) {
    const auto created = parse_timestamp(each.text("created_at"));
    auto remark = why_of(each.what);
    if (remark.empty() && each.text("raw") != each.text("status")) remark = each.text("raw");
    out.add({{each.run.str().substr(0, digits) + "/" + std::to_string(number_of(each.what, "job")), colour::plain},
             {each.text("backend"), colour::plain},
             {each.text("status"), colour_of(each.text("status"))},
             {percent(value_of(each.what, "progress")), colour::plain},
             {created ? relative(*created, wall_clock()) : "-", colour::dim},
             {remark, colour::dim}});
  }
  put(out.text(terminal_width()));
  return exit_fine;
}

int show_job(const job_command& how) {
  auto runs = reach(how.common.data);
  if (!runs) return fail(how.common, runs.error());
  auto job = find_job(**runs, how.job);
  if (!job) return fail(how.common, job.error());
  job->what.emplace("run_id", job->run.str());
  put_line(how.common.json ? json_text(job->what) : pretty_json(job->what));
  return exit_fine;
}

/// One page; the cursor goes on. False: it is over for now.
result<bool> put_page(client& from, const job_command& how, const found_job& job, std::string& cursor) {
  const auto answer =
      from.about_jobs({{"do", "job_logs"}, {"backend", job.text("backend")}, {"id", job.text("id")}, {"cursor", cursor}});
  if (!answer) return answer.error();
  if (!answer->is_object()) return error{errc::internal, "the node's answer is not a page of a log"};
  const auto& page = answer->get_object();
  if (const auto cut = number_of(page, "cut_bytes"); cut > 0) {
    if (how.common.json) {
      put_json(json::object{{"cut_bytes", cut}});
    } else {
      note("(" + std::to_string(cut) + " bytes before this were cut off: the log is over its limit)");
    }
  }
  for (const auto& each : list_of(page, "lines")) {
    if (how.common.json) {
      put_json(each);
      continue;
    }
    const auto& line = each.get_object();
    const auto text = text_of(line, "text");
    if (flag_of(line, "continues")) {
      put(printable(text));
    } else {
      put_line(printable(text));
    }
  }
  cursor = text_of(page, "next_cursor");
  return flag_of(page, "has_more");
}

int show_logs(const job_command& how) {
  auto runs = reach(how.common.data);
  if (!runs) return fail(how.common, runs.error());
  auto job = find_job(**runs, how.job);
  if (!job) return fail(how.common, job.error());
  watch_interrupts();
  auto cursor = how.cursor;
  for (bool last = !how.follow; !interrupted().stop_requested();) {
    if (job->text("id").empty()) {
      if (!how.follow || job->ended())
        return fail(how.common, {errc::not_found, "the job was not accepted by its backend yet: there is no log"});
    } else {
      const auto more = put_page(**runs, how, *job, cursor);
      if (!more) return fail(how.common, more.error());
      if (*more) continue;
      // After its end there is one more look: what it wrote last.
      if (last) break;
      last = job->ended();
      if (last) continue;
    }
    std::this_thread::sleep_for(follow_pause);
    auto again = find_job(**runs, job->run.str() + "/" + std::to_string(number_of(job->what, "job")));
    if (!again) return fail(how.common, again.error());
    job = std::move(again);
  }
  if (how.common.json) put_json(json::object{{"next_cursor", cursor}});
  return exit_fine;
}

int cancel_job(const job_command& how) {
  auto runs = reach(how.common.data);
  if (!runs) return fail(how.common, runs.error());
  const auto job = find_job(**runs, how.job);
  if (!job) return fail(how.common, job.error());
  const auto number = static_cast<std::uint32_t>(number_of(job->what, "job"));
  const auto done = (*runs)->command({.what = "cancel_job", .run = job->run, .job = number});
  if (!done) return fail(how.common, done.error());
  const auto name = job->run.str() + "/" + std::to_string(number);
  if (how.common.json) {
    put_json(json::object{{"run_id", job->run.str()}, {"job", number}, {"command", "cancel_job"}, {"pending", done->pending}});
  } else {
    put_line("cancel of job " + name + (done->pending ? ": waits until a node opens the directory" : ": recorded"));
  }
  return exit_fine;
}

int list_artifacts(const job_command& how) {
  auto runs = reach(how.common.data);
  if (!runs) return fail(how.common, runs.error());
  const auto job = find_job(**runs, how.job);
  if (!job) return fail(how.common, job.error());
  const auto answer = (*runs)->about_jobs({{"do", "job_artifacts"}, {"backend", job->text("backend")}, {"id", job->text("id")}});
  if (!answer) return fail(how.common, answer.error());
  if (how.common.json) {
    put_json(json::object{{"run_id", job->run.str()}, {"job", number_of(job->what, "job")}, {"artifacts", *answer}});
    return exit_fine;
  }
  table out{{{"NAME", 12}, {"SIZE", 0, true}, {"TYPE", 8}, {"SHA-256", 12}}};
  if (answer->is_array()) {
    for (const auto& each : answer->get_array()) {
      const auto& one = each.get_object();
      out.add({{printable(text_of(one, "name")), colour::plain},
               {std::to_string(number_of(one, "size_bytes")), colour::plain},
               {text_of(one, "media_type"), colour::dim},
               {text_of(one, "sha256"), colour::dim}});
    }
  }
  if (out.empty()) {
    put_line("no artifacts");
  } else {
    put(out.text(terminal_width()));
  }
  return exit_fine;
}

int download(const job_command& how) {
  auto runs = reach(how.common.data);
  if (!runs) return fail(how.common, runs.error());
  const auto job = find_job(**runs, how.job);
  if (!job) return fail(how.common, job.error());
  const bool to_output = how.output == "-";
  const auto last = how.name.rfind('/');
  const auto path = how.output.empty() ? how.name.substr(last == std::string::npos ? 0 : last + 1) : how.output;
  std::ofstream file;
  std::uint64_t at = 0;
  for (bool more = true; more;) {
    const auto answer = (*runs)->about_jobs({{"do", "job_read"},
                                             {"run_id", job->run.str()},
                                             {"job", number_of(job->what, "job")},
                                             {"backend", job->text("backend")},
                                             {"id", job->text("id")},
                                             {"name", how.name},
                                             {"offset", at}});
    if (!answer) return fail(how.common, answer.error());
    const auto bytes =
        answer->is_object() ? cluster::from_base64(text_of(answer->get_object(), "data")) : error{errc::internal, "no data"};
    if (!bytes) return fail(how.common, bytes.error());
    // Nothing is made of a file that cannot be read.
    if (!to_output && at == 0) {
      file.open(path, std::ios::binary | std::ios::trunc);
      if (!file) return fail(how.common, {errc::io_error, path + ": cannot be written"});
    }
    at += bytes->size();
    more = !bytes->empty();
    if (to_output) {
      put(*bytes);
    } else {
      file.write(bytes->data(), static_cast<std::streamsize>(bytes->size()));
    }
  }
  if (to_output) return exit_fine;
  file.close();
  if (!file) return fail(how.common, {errc::io_error, path + ": cannot be written to its end"});
  if (how.common.json) {
    put_json(json::object{{"name", how.name}, {"file", path}, {"size_bytes", at}});
  } else {
    put_line(path + ": " + std::to_string(at) + " bytes");
  }
  return exit_fine;
}

int estimate(const job_command& how) {
  const auto spec = read_json_argument(how.spec, "--spec");
  if (!spec) return fail(how.common, spec.error(), exit_usage);
  auto runs = reach(how.common.data);
  if (!runs) return fail(how.common, runs.error());
  const auto answer = (*runs)->about_jobs({{"do", "job_estimate"}, {"backend", how.backend}, {"spec", *spec}});
  if (!answer) return fail(how.common, answer.error());
  put_line(how.common.json ? json_text(*answer) : pretty_json(*answer));
  return exit_fine;
}

result<json::array> backends_of(client& from) {
  auto answer = from.about_jobs({{"do", "backends"}});
  if (!answer) return answer.error();
  return answer->is_array() ? std::move(answer->get_array()) : json::array{};
}

int list_backends(const job_command& how) {
  auto runs = reach(how.common.data);
  if (!runs) return fail(how.common, runs.error());
  const auto all = backends_of(**runs);
  if (!all) return fail(how.common, all.error());
  if (how.common.json) {
    put_json(json::object{{"backends", *all}});
    return exit_fine;
  }
  table out{{{"BACKEND", 8}, {"IS"}, {"RUNNING", 0, true}, {"WAITING", 0, true}, {"CAN", 10}}};
  for (const auto& each : *all) {
    std::string can;
    for (const auto& [name, value] : value_of(each.get_object(), "capabilities").as_object()) {
      if (value.is_bool() && value.get_bool()) can += (can.empty() ? "" : ", ") + std::string{name};
    }
    const auto& one = each.get_object();
    // Without a node nobody knows.
    const bool asked = one.contains("up"), down = asked && !flag_of(one, "up");
    const std::string state = !asked ? "-" : down ? "down" : "up";
    out.add({{text_of(one, "name"), colour::plain},
             {state, down ? colour::red : colour::green},
             {asked ? std::to_string(number_of(one, "running")) : "-", colour::plain},
             {asked ? std::to_string(number_of(one, "waiting")) : "-", colour::plain},
             {can, colour::dim}});
    if (down) note(text_of(one, "name") + " is down: " + printable(text_of(one, "why")));
  }
  put(out.text(terminal_width()));
  return exit_fine;
}

bool put_check(const job_command& how, const std::string& name, const json::value& answer) {
  const bool ok = answer.is_object() && flag_of(answer.get_object(), "ok");
  if (!how.common.json) put_line(name + ": " + (ok ? "" : "not well: ") + printable(text_of(answer.get_object(), "text")));
  return ok;
}

/// Those of files, without a node.
int check_files(const job_command& how) {
  auto all = cluster::read_backends({}, how.files);
  if (!all) return fail(how.common, all.error());
  std::map<std::string, std::shared_ptr<backend>> by_name;
  for (const auto& each : *all) by_name.emplace(each.name, each.opened.what);
  const cluster::control_target self{.find_backend = [&](std::string_view name) { return by_name.at(std::string{name}); }};
  bool well = true;
  json::array told;
  for (const auto& [name, what] : by_name) {
    auto answer = cluster::answer_about_jobs(self, {{"do", "backend_check"}, {"backend", name}});
    if (!answer) return fail(how.common, answer.error());
    well = put_check(how, name, *answer) && well;
    told.push_back(std::move(*answer));
  }
  if (how.common.json) put_json(json::object{{"ok", well}, {"backends", std::move(told)}});
  return well ? exit_fine : exit_failed;
}

int check_backends(const job_command& how) {
  if (!how.files.empty()) return check_files(how);
  auto runs = reach(how.common.data);
  if (!runs) return fail(how.common, runs.error());
  auto names = how.names;
  if (names.empty()) {
    const auto all = backends_of(**runs);
    if (!all) return fail(how.common, all.error());
    for (const auto& each : *all) names.push_back(text_of(each.get_object(), "name"));
  }
  bool well = true;
  json::array told;
  for (const auto& name : names) {
    auto answer = (*runs)->about_jobs({{"do", "backend_check"}, {"backend", name}});
    if (!answer) return fail(how.common, answer.error());
    well = put_check(how, name, *answer) && well;
    told.push_back(std::move(*answer));
  }
  if (how.common.json) put_json(json::object{{"ok", well}, {"backends", std::move(told)}});
  return well ? exit_fine : exit_failed;
}

using action = int (*)(const job_command&);

std::pair<CLI::App*, std::shared_ptr<job_command>> add(CLI::App& to, chosen_command& chosen, const char* name, const char* what,
                                                       action run) {
  auto how = std::make_shared<job_command>();
  auto* command = to.add_subcommand(name, what);
  add_common_options(*command, how->common);
  command->callback([&chosen, how, run] { chosen = [how, run] { return run(*how); }; });
  return {command, how};
}

void take_job(CLI::App& command, job_command& how) {
  command.add_option("JOB", how.job, "RUN/NUMBER as list shows it; RUN or a unique beginning of it when it has one job")
      ->required();
}

}  // namespace

void add_jobs_commands(CLI::App& app, chosen_command& chosen) {
  auto& jobs = *app.add_subcommand("jobs", "Jobs on execution backends: look at them, read their logs, cancel them");
  jobs.require_subcommand(1);
  {
    const auto [command, how] = add(jobs, chosen, "list", "Jobs that go on, of runs that have not ended", list_jobs);
    command->add_option("RUN", how->job, "All jobs of this run");
    command->add_flag("--all", how->all, "Ended jobs too, also of ended runs");
    command
        ->add_option("--status", how->status,
                     "Only with this status (queued, running, succeeded, failed, cancelled, timed_out, lost)")
        ->check(CLI::IsMember({"queued", "running", "succeeded", "failed", "cancelled", "timed_out", "lost"}));
    command->add_option("--backend", how->backend, "Only on this backend");
    command->add_option("--limit", how->limit, "At most so many")->capture_default_str()->transform(to_whole_number(1, 100'000));
  }
  {
    const auto [command, how] = add(jobs, chosen, "show", "One job", show_job);
    take_job(*command, *how);
  }
  {
    const auto [command, how] =
        add(jobs, chosen, "logs", "What a job wrote; with --json one object a line, then the cursor", show_logs);
    take_job(*command, *how);
    command->add_flag("--follow", how->follow, "Go on with what comes, until the job ends");
    command->add_option("--cursor", how->cursor, "Go on from a cursor that was given before");
  }
  {
    const auto [command, how] = add(jobs, chosen, "cancel", "Asks a job to end", cancel_job);
    take_job(*command, *how);
  }
  {
    const auto [command, how] = add(jobs, chosen, "artifacts", "The files that a job left", list_artifacts);
    take_job(*command, *how);
  }
  {
    const auto [command, how] = add(jobs, chosen, "download", "Copies an artifact of a job", download);
    take_job(*command, *how);
    command->add_option("NAME", how->name, "The artifact's name")->required();
    command->add_option("--output,-o", how->output, "The file to write, or - for standard output (default: the name's last part)")
        ->type_name("FILE");
  }
  {
    const auto [command, how] = add(jobs, chosen, "estimate", "What a job would take; nothing is started", estimate);
    command->add_option("BACKEND", how->backend, "The backend's name")->required();
    command->add_option("--spec", how->spec, "The job: JSON, @FILE, or - for standard input")->required();
  }
  auto& backends = *app.add_subcommand("backends", "Execution backends of the node that holds the directory");
  backends.require_subcommand(1);
  add(backends, chosen, "list", "Their names, and what each can do", list_backends);
  {
    const auto [command, how] =
        add(backends, chosen, "check", "Whether they are there; exit code 1 when one is not", check_backends);
    command->add_option("NAME", how->names, "Only these");
    command
        ->add_option("--backend", how->files,
                     "One that the file describes, without a node; nothing is kept. May be given several times")
        ->type_name("NAME=FILE")
        ->expected(1)
        ->allow_extra_args(false);
  }
}

}  // namespace perdure::tools::cli
