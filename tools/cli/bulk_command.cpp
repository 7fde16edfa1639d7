#include "tools/cli/bulk_command.hpp"

#include <unistd.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <iostream>

#include "tools/cli/interrupt.hpp"
#include "tools/cli/progress.hpp"
#include "tools/cli/table.hpp"
#include "tools/cli/times.hpp"

namespace perdure::tools::cli {

namespace {

std::string runs(std::uint64_t count) { return std::to_string(count) + (count == 1 ? " run" : " runs"); }

json::object to_wire(const bulk_plan& plan, const bulk_outcome& outcome, const std::string& verb, bool dry_run) {
  json::array groups, errors;
  for (const auto& [each, count] : plan.groups)
    groups.push_back(json::object{{"workflow", each.workflow}, {"status", to_string(each.status)}, {"runs", count}});
  for (const auto& each : outcome.errors) {
    auto why = cluster::to_wire(each.why);
    why["run_id"] = each.run.str();
    errors.push_back(std::move(why));
  }
  return {{"command", verb},
          {"dry_run", dry_run},
          {"matched", plan.matched},
          {"eligible", plan.eligible},
          {"groups", std::move(groups)},
          {"done", outcome.done},
          {"pending", outcome.pending},
          {"skipped", outcome.skipped},
          {"failed", outcome.failed},
          {"interrupted", outcome.interrupted},
          {"errors", std::move(errors)}};
}

void show_plan(const bulk_plan& plan) {
  table out{{{"WORKFLOW", 10}, {"STATUS"}, {"RUNS", 0, true}}};
  for (const auto& [each, count] : plan.groups) {
    const auto status = std::string{to_string(each.status)};
    out.add({{each.workflow, colour::plain}, {status, colour_of(status)}, {std::to_string(count), colour::plain}});
  }
  put(out.text(terminal_width()));
}

/// "y" or "yes" on standard input.
bool agreed(const std::string& question) {
  put(question + " [y/N] ");
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

void tell(const std::string& verb, const bulk_outcome& outcome) {
  std::string said = verb + ": " + std::to_string(outcome.done) + " done";
  if (outcome.pending > 0)
    said += ", " + std::to_string(outcome.pending) + " in the inbox (no node runs; they are taken in at the next open)";
  if (outcome.skipped > 0) said += ", " + std::to_string(outcome.skipped) + " left alone";
  if (outcome.failed > 0) said += ", " + std::to_string(outcome.failed) + " failed";
  if (outcome.interrupted) said += "; interrupted, the same command goes on";
  put_line(said);
  for (const auto& each : outcome.errors) note("  " + each.run.str() + ": " + printable(each.why.message));
  if (outcome.failed > outcome.errors.size()) note("  and " + std::to_string(outcome.failed - outcome.errors.size()) + " more");
}

}  // namespace

void add_bulk_options(CLI::App& command, bulk_command& to) {
  add_filter_options(command, to.filter);
  command.add_flag("--all", to.all, "Every run that the command changes");
  command.add_flag("--dry-run", to.dry_run, "Only say what would be done");
  command.add_flag("--yes", to.yes, "Do not ask");
}

int act_on_many(const common_options& common, const bulk_command& how, const cluster::run_command& what) {
  const auto now = wall_clock();
  const auto which = read_filter(how.filter, now);
  if (!which) return fail(common, which.error(), exit_usage);
  const bool asks = !how.dry_run && !how.yes;
  if (asks && (common.json || ::isatty(STDIN_FILENO) != 1)) {
    return fail_usage(common, "this may concern many runs, and nobody can be asked here: look with --dry-run, then say --yes");
  }
  auto reached = reach(common.data);
  if (!reached) return fail(common, reached.error());
  bulk many{**reached, *which, what, now};
  const auto plan = many.look();
  if (!plan) return fail(common, plan.error());
  if (how.dry_run || plan->eligible == 0) {
    if (common.json) {
      put_json(to_wire(*plan, {}, what.what, how.dry_run));
    } else {
      put_line((how.dry_run ? "would " : "nothing to ") + what.what +
               (plan->eligible > 0 ? " " + runs(plan->eligible)
                : how.dry_run      ? " nothing"
                                   : "") +
               "; " + runs(plan->matched) + (plan->matched == 1 ? " fits" : " fit") + " the selection");
      if (plan->eligible > 0) show_plan(*plan);
    }
    return exit_fine;
  }
  if (asks) {
    show_plan(*plan);
    if (!agreed(what.what + " " + runs(plan->eligible) + "?")) {
      put_line("nothing was done");
      return exit_failed;
    }
  }
  watch_interrupts();
  progress shown{common.json ? progress::kind::none : progress::fitting(), what.what, plan->eligible};
  const auto outcome = many.act([&](const bulk_outcome& so_far) { shown.at(so_far.tried(), so_far.failed); }, interrupted());
  shown.end();
  if (!outcome) return fail(common, outcome.error());
  if (common.json) {
    put_json(to_wire(*plan, *outcome, what.what, false));
  } else {
    tell(what.what, *outcome);
  }
  return outcome->failed > 0 || outcome->interrupted ? exit_failed : exit_fine;
}

}  // namespace perdure::tools::cli
