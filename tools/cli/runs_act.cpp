// runs cancel | pause | resume | retry | fork | signal | respond
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "tools/cli/bulk_command.hpp"
#include "tools/cli/client.hpp"
#include "tools/cli/runs_parts.hpp"
#include "tools/cli/terminal.hpp"

namespace perdure::tools::cli {

namespace {

struct act_command {
  common_options common;
  std::string run;
  std::string value = "null";
  cluster::run_command what;
  bulk_command many;
};

std::string said(const act_command& how, const client::done& done) {
  const auto& verb = how.what.what;
  const auto id = how.what.run.str();
  if (verb == "retry") return done.run.is_nil() ? "retry of " + id : "run " + done.run.str() + " takes over from " + id;
  if (verb == "fork")
    return done.run.is_nil() ? "fork of " + id
                             : "run " + done.run.str() + " shares events 1 to " + std::to_string(how.what.from) + " of " + id;
  if (verb == "signal") return "signal " + how.what.name + " to " + id;
  if (verb == "respond") return "answer to request " + how.what.request_id + " of " + id;
  return verb + " of " + id;
}

int act(act_command& how) {
  if (how.run.empty()) {
    if (how.many.wanted()) return act_on_many(how.common, how.many, how.what);
    return fail_usage(how.common,
                      how.what.what + ": name a run, or choose runs with --all, --status, --workflow or --older-than");
  }
  if (how.many.wanted() || how.many.dry_run)
    return fail_usage(how.common,
                      "a run's id and a selection (--all, --status, --workflow, --older-than, --dry-run) exclude each other");
  auto value = read_json_argument(how.value, "--value");
  if (!value) return fail(how.common, value.error(), exit_usage);
  how.what.value = std::move(*value);
  auto runs = reach(how.common.data);
  if (!runs) return fail(how.common, runs.error());
  const auto id = resolve(**runs, how.run);
  if (!id) return fail(how.common, id.error());
  how.what.run = *id;
  const auto done = (*runs)->command(how.what);
  if (!done) return fail(how.common, done.error());
  if (how.common.json) {
    json::object out{{"run_id", done->run.is_nil() ? json::value(nullptr) : json::value(done->run.str())},
                     {"command", how.what.what},
                     {"pending", done->pending}};
    if (how.what.what == "retry") out.emplace("retry_of", id->str());
    if (how.what.what == "fork") out.emplace("fork_of", id->str());
    put_json(out);
  } else {
    put_line(printable(said(how, *done)) + (done->pending ? ": no node runs; taken in at the next open" : ": done"));
  }
  return exit_fine;
}

/// `many`: a selection may stand in the place of the run.
std::shared_ptr<act_command> add(CLI::App& runs, chosen_command& chosen, const std::string& verb, const std::string& help,
                                 bool many = false) {
  auto how = std::make_shared<act_command>();
  how->what.what = verb;
  auto* command = runs.add_subcommand(verb, help);
  add_common_options(*command, how->common);
  auto* id = command->add_option("ID", how->run, "Run id, or a unique beginning of it");
  if (many) {
    add_bulk_options(*command, how->many);
  } else {
    id->required();
  }
  command->callback([&chosen, how] { chosen = [how] { return act(*how); }; });
  return how;
}

}  // namespace

void add_runs_act(CLI::App& runs, chosen_command& chosen) {
  auto how = add(runs, chosen, "cancel", "Asks a run, or a selection, to cancel; handlers may clean up for a grace period", true);
  runs.get_subcommand("cancel")->add_option("--reason", how->what.reason, "Why, for the journal");
  add(runs, chosen, "pause", "No new attempts, steps or timers of a run, or a selection, until resume", true);
  add(runs, chosen, "resume", "Lets a paused run, or a selection, go on", true);
  add(runs, chosen, "retry",
      "Starts a linked run of a failed, cancelled or timed-out one, or of each of a selection; successful steps are kept", true);
  how = add(runs, chosen, "fork", "Starts a run that shares the events of another up to one, and goes on from there");
  runs.get_subcommand("fork")
      ->add_option("--from", how->what.from, "Last event (seq) that both share, as `runs events` lists them")
      ->transform(to_whole_number(1))
      ->required();

  how = add(runs, chosen, "signal", "Gives a run a signal");
  auto* command = runs.get_subcommand("signal");
  command->add_option("NAME", how->what.name, "Name of the signal")->required();
  command->add_option("--value", how->value, "JSON text, @FILE, or - for standard input")->type_name("JSON");
  command->add_option("--command-id", how->what.command_id, "The same id is taken once, however often it is sent");

  how = add(runs, chosen, "respond", "Answers a request of a run");
  command = runs.get_subcommand("respond");
  command->add_option("REQUEST", how->what.request_id, "The request's id, as `runs show` lists it")->required();
  command->add_option("--value", how->value, "JSON text, @FILE, or - for standard input")->type_name("JSON")->required();
  command->add_option("--command-id", how->what.command_id, "The same id is taken once, however often it is sent");
}

void add_runs_commands(CLI::App& app, chosen_command& chosen) {
  auto* runs = app.add_subcommand("runs", "Look at runs and act on them");
  runs->require_subcommand(1);
  add_runs_look(*runs, chosen);
  add_runs_act(*runs, chosen);
}

}  // namespace perdure::tools::cli
