// run: executes a document to its end in this process.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <chrono>
#include <thread>

#include "tools/cli/attach.hpp"
#include "tools/cli/backend_option.hpp"
#include "tools/cli/command.hpp"
#include "tools/cli/interrupt.hpp"
#include "tools/cli/job_bar.hpp"
#include "tools/cli/lifecycle_arguments.hpp"
#include "tools/cli/narrate.hpp"
#include "tools/cli/node_client.hpp"
#include "tools/cli/outcome.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/wait.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::cli {

namespace {

/// A directory that another process holds is looked at again for so long, for the key's run.
constexpr std::chrono::seconds patience{1};
constexpr std::chrono::milliseconds pause_between{100};

struct run_command {
  common_options common;
  std::string file, input, key, timeout, keep_for;
  std::vector<std::string> with, backends;
  std::uint64_t keep_runs = 0;
  std::string log_level = "warning";
  bool follow = false;
  bool dry_run = false;
  bool log_json = false;
  lifecycle_options lifecycle;
};

/// How to go on with a run that this process leaves.
std::string how_to_go_on(const run_command& how, const run_id& run) {
  const auto data = " --data " + shell_quoted(how.common.data.string());
  if (how.key.empty()) return "perdure runs wait " + run.str() + data;
  std::string again = "perdure run " + shell_quoted(how.file) + " --key " + shell_quoted(how.key) + data;
  if (!how.input.empty()) again += " --input …";
  return again;
}

/// The key's run must be one of this very document.
result<void> same_document(const run_command& how, const run_ref& run, const cluster::document& given) {
  const auto first = run.events(0, 1);
  if (!first) return first.error();
  const auto began_with = first->empty() ? std::string{} : text_of(first->front().data, "definition_hash");
  if (began_with == given.definition.hash()) return {};
  return error{errc::already_exists, "the key \"" + how.key + "\" began run " + run.id().str() + " with another text of " +
                                         given.name + "; take another key, or the document as it was"};
}

/// What the run began and left to itself goes on in this process, which therefore does not end before it.
void wait_for_left(node_client& runs, const run_id& first) {
  std::vector<run_id> open{first};
  bool told = false;
  while (!open.empty() && !interrupted().stop_requested()) {
    const auto run = runs.engine().get(open.back());
    open.pop_back();
    const auto info = run ? run->status() : result<run_info>{run.error()};
    if (!info) continue;
    for (const auto& each : info->children) open.push_back(each.run);
    if (is_terminal(info->status)) continue;
    if (!std::exchange(told, true))
      note("waiting for what the run left to itself; it goes on at the next start if this is stopped");
    const auto end = watch(
        runs, run->id(), 0, [](const run_event&) { return true; }, interrupted());
    if (!end || *end == watch_end::stopped) return;
    open.push_back(run->id());  // it may have left something too
  }
}

/// The tasks in their order, and nothing done.
int outline(const run_command& how) {
  cluster::document_reader reader{how.common.data};
  const auto found = cluster::find_document(how.common.data, reader, how.file);
  if (!found) return fail(how.common, found.error());
  const auto lines = reader.outline_of(found->text, found->file);
  if (!lines) return fail(how.common, lines.error());
  json::array tasks;
  for (const auto& each : *lines) {
    if (how.common.json) {
      tasks.push_back(json::object{{"name", each.name},
                                   {"reference", each.reference},
                                   {"kind", each.kind},
                                   {"depth", each.depth},
                                   {"conditions", each.conditions}});
      continue;
    }
    auto line = std::string(2 * each.depth, ' ') + printable(each.name);
    if (!each.kind.empty()) line += "  " + printable(each.kind);
    if (!each.conditions.empty()) line += "  (" + printable(each.conditions) + ")";
    put_line(line);
  }
  if (how.common.json)
    put_json(json::object{{"workflow", found->name}, {"version", found->version}, {"tasks", std::move(tasks)}});
  return exit_fine;
}

int execute(const run_command& how) {
  if (how.dry_run) return outline(how);
  const auto input = read_json_argument(how.input, "--input");
  if (!input) return fail(how.common, input.error(), input.error().code == errc::invalid_argument ? exit_usage : exit_failed);
  start_options start{.key = how.key};
  if (!how.timeout.empty()) {
    const auto limit = read_time_limit(how.timeout, "--timeout");
    if (!limit) return fail(how.common, limit.error(), exit_usage);
    start.timeout = *limit;
  }
  retention_options retention{.ended_runs = how.keep_runs};
  if (!how.keep_for.empty()) {
    const auto age = read_duration(how.keep_for, "--keep-for");
    if (!age) return fail(how.common, age.error(), exit_usage);
    retention.age = *age;
  }
  const auto lifecycle = lifecycle_of(how.lifecycle);
  if (!lifecycle) return fail(how.common, lifecycle.error(), exit_usage);
  cluster::document_reader reader{how.common.data};
  auto found = cluster::find_document(how.common.data, reader, how.file);
  if (!found) return fail(how.common, found.error());
  std::vector<cluster::document> documents;
  for (const auto& file : how.with) {
    auto other = cluster::find_document(how.common.data, reader, file);
    if (!other) return fail(how.common, other.error());
    documents.push_back(std::move(*other));
  }
  documents.push_back(*found);
  watch_interrupts();
  const auto open = [&] {
    return node_client::open({.data = how.common.data,
                              .also = documents,
                              .log_level = how.log_level,
                              .log_json = how.log_json,
                              .retention = retention,
                              .backends = how.backends});
  };
  auto opened = open();
  // Who holds the directory may have the key's run, or be about to begin it.
  const auto until = std::chrono::steady_clock::now() + patience;
  while (!opened && opened.error().code == errc::locked && !how.key.empty()) {
    const auto code = attach_to_holder({.common = how.common,
                                        .key = how.key,
                                        .follow = how.follow,
                                        .workflow = found->name,
                                        .definition_hash = found->definition.hash(),
                                        .input = payload{*input}});
    if (code) return *code;
    if (interrupted().stop_requested() || std::chrono::steady_clock::now() > until) break;
    std::this_thread::sleep_for(pause_between);
    opened = open();
  }
  if (!opened) return fail(how.common, with_way_out(opened.error()));
  auto& runs = **opened;
  result<subscription> passing = subscription{};
  if (lifecycle->any()) passing = pass_on_lifecycle(runs.engine(), *lifecycle);
  if (!passing) return fail(how.common, passing.error());
  const bool attached = !how.key.empty() && runs.engine().find(how.key).has_value();
  const auto run = runs.engine().start(found->name, *input, start);
  if (!run) return fail(how.common, run.error());

  if (attached) {
    if (auto same = same_document(how, *run, *found); !same) return fail(how.common, same.error());
  }

  const auto tell = [&](const std::string& line) { how.common.json ? note(line) : put_line(line); };
  narrator told;
  run_seq after = 0;
  if (attached && how.follow) {
    // What happened before is not told again, but the narrator must know it.
    const auto seen = runs.stored(run->id(), 0, [&](const run_event& event) {
      told.tell(event);
      after = event.seq;
      return true;
    });
    if (!seen) return fail(how.common, seen.error());
    tell("attached to run " + run->id().str() + ", " + std::to_string(after) + " events");
  } else if (how.follow) {
    tell("run " + run->id().str());
  }
  const auto width = terminal_width();
  auto bar = std::make_unique<job_bar>(runs.engine(), run->id(), how.follow && !how.common.json);
  const auto end = watch(
      runs, run->id(), after,
      [&](const run_event& event) {
        if (!how.follow) return true;
        bar->hide();
        for (const auto& line : told.lines(event, width)) tell(line);
        bar->show();
        return true;
      },
      interrupted());
  bar.reset();
  if (!end) return fail(how.common, end.error());
  if (*end == watch_end::stopped) {
    note("stopping; the run goes on at the next start: " + how_to_go_on(how, run->id()));
    runs.close();
    return exit_failed;
  }
  const auto view = outcome_of(runs, run->id());
  if (!view) return fail(how.common, view.error());
  const auto code = tell_outcome(how.common, *view);
  wait_for_left(runs, run->id());
  return code;
}

}  // namespace

void add_run_command(CLI::App& app, chosen_command& chosen) {
  auto how = std::make_shared<run_command>();
  auto* command = app.add_subcommand("run", "Runs a Serverless Workflow document to its end in this process");
  command->footer(
      "The journal of the run is in the data directory. With --key, the same command after a crash or Ctrl-C goes on\n"
      "with the run that the key began; without one a new run starts, and unfinished ones go on beside it.");
  add_common_options(*command, how->common);
  command->add_option("FILE", how->file, "YAML or JSON document, or the name of one that ran in this directory")->required();
  command->add_option("--input", how->input, "Input: JSON text, @FILE, or - for standard input")->type_name("JSON");
  command->add_option("--with", how->with, "Another document that this one runs (run: workflow); may be given several times")
      ->type_name("FILE");
  add_backend_option(*command, how->backends);
  command->add_option("--key", how->key, "Idempotency key: the same key attaches to the run that it began");
  command
      ->add_option("--timeout", how->timeout,
                   "The run ends as timed_out when it has not ended so long after its start (30s, 15m, 2h), whether or not this "
                   "program runs; a run that the key began earlier keeps its limit")
      ->type_name("DURATION");
  command->add_option("--keep-for", how->keep_for, "While it runs, removes runs that ended so long ago (30d, 12h); 0 = none")
      ->type_name("DURATION");
  command
      ->add_option("--keep-runs", how->keep_runs,
                   "While it runs, removes ended runs beyond so many, the oldest first; 0 = none is removed")
      ->type_name("N")
      ->transform(to_whole_number());
  add_lifecycle_arguments(*command, how->lifecycle);
  command->add_flag("--dry-run", how->dry_run, "Check the document and list its tasks in their order; run nothing");
  command->add_flag("--follow", how->follow, "Print what happens as it happens");
  command->add_option("--log-level", how->log_level, "Least level of the log on standard error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  command->add_flag("--log-json", how->log_json, "Log lines as JSON");
  command->callback([&chosen, how] { chosen = [how] { return execute(*how); }; });
}

}  // namespace perdure::tools::cli
