// schedule: begins the schedule of a document and carries it out until it is interrupted.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <set>
#include <thread>

#include "tools/cli/command.hpp"
#include "tools/cli/interrupt.hpp"
#include "tools/cli/node_client.hpp"
#include "tools/cli/terminal.hpp"

namespace perdure::tools::cli {

namespace {

struct schedule_command {
  common_options common;
  std::string file, missed = "once", log_level = "warning";
  std::vector<std::string> with;
  bool detach = false;
};

constexpr std::chrono::milliseconds look_again{200};

/// Tells of each run that the schedule began, once it has ended.
void follow(node_client& runs, const std::string& workflow, bool as_json) {
  std::set<std::string> told;
  if (const auto before = runs.list({.workflow = workflow, .limit = 1'000})) {
    for (const auto& each : before->runs) {
      if (is_terminal(each.status)) told.insert(each.id.str());
    }
  }
  const auto stop = interrupted();
  while (!stop.stop_requested()) {
    const auto page = runs.list({.workflow = workflow, .limit = 1'000});
    if (!page) return;
    for (const auto& each : page->runs) {
      if (!is_terminal(each.status) || cluster::is_schedule(each)) continue;
      if (!told.insert(each.id.str()).second) continue;
      if (as_json) {
        put_json(json::object{{"run_id", each.id.str()}, {"status", to_string(each.status)}});
      } else {
        put_line("run " + each.id.str() + " " + std::string{to_string(each.status)});
      }
    }
    std::this_thread::sleep_for(look_again);
  }
}

int execute(const schedule_command& how) {
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
  auto opened = node_client::open({.data = how.common.data, .also = std::move(documents), .log_level = how.log_level});
  if (!opened) return fail(how.common, opened.error());
  const auto run = cluster::begin_schedule((*opened)->engine(), *found, how.missed);
  if (!run) return fail(how.common, run.error());
  if (how.common.json) {
    put_json(json::object{{"run_id", run->id().str()}, {"workflow", found->name}, {"version", found->version}});
  } else {
    put_line("schedule of " + found->name + " " + found->version + ": run " + run->id().str() +
             "; `perdure runs cancel` ends it");
  }
  if (how.detach) return exit_fine;
  follow(**opened, found->name, how.common.json);
  note("stopping; the schedule goes on whenever a node opens the directory");
  return exit_fine;
}

}  // namespace

void add_schedule_command(CLI::App& app, chosen_command& chosen) {
  auto how = std::make_shared<schedule_command>();
  auto* command = app.add_subcommand("schedule", "Begins the schedule of a document and carries it out until Ctrl-C");
  command->footer(
      "The schedule is a run of its own in the data directory: any node that opens the directory carries it on. Said again,\n"
      "the command attaches to it; `perdure runs cancel` ends it.");
  add_common_options(*command, how->common);
  command->add_option("FILE", how->file, "YAML or JSON document, or the name of one that ran in this directory")->required();
  command->add_option("--with", how->with, "Another document that this one runs (run: workflow); may be given several times")
      ->type_name("FILE");
  command->add_option("--missed", how->missed, "What is done about times at which no node ran: nothing, one run, or all of them")
      ->check(CLI::IsMember({"skip", "once", "all"}))
      ->capture_default_str();
  command->add_flag("--detach", how->detach, "Only begin it; another command or program carries it out");
  command->add_option("--log-level", how->log_level, "Least level of the log on standard error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  command->callback([&chosen, how] { chosen = [how] { return execute(*how); }; });
}

}  // namespace perdure::tools::cli
