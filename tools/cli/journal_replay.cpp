// journal replay: does the code still do what the journal says it did?
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "cluster/documents.hpp"
#include "cluster/replay_all.hpp"
#include "tools/cli/journal_parts.hpp"
#include "tools/cli/journal_reader.hpp"
#include "tools/cli/offline_client.hpp"
#include "tools/cli/terminal.hpp"

namespace perdure::tools::cli {

namespace {

struct replay_command {
  common_options common;
  std::string run, file;
  run_seq until = 0;
  bool all = false, ended = false;
};

json::value or_null(bool known, std::uint64_t number) { return known ? json::value(number) : json::value(nullptr); }

json::object report_json(const cluster::replay_report& report, run_seq until) {
  const auto& state = report.state;
  json::array live;
  for (const auto& [id, in] : state.activations) {
    json::array pending;
    for (const auto& [ordinal, step] : in.pending) {
      pending.push_back(json::object{{"step", ordinal},
                                     {"kind", boost::describe::enum_to_string(step.kind, "?")},
                                     {"name", step.name},
                                     {"due", step.due ? json::value(to_string(*step.due)) : json::value(nullptr)}});
    }
    live.push_back(json::object{{"activation", id},
                                {"executor", in.executor},
                                {"attempt", in.attempt},
                                {"outcomes", in.history.size()},
                                {"pending", std::move(pending)}});
  }
  json::object values;
  for (const auto& [key, value] : state.values) values.emplace(key, value.value());
  json::array outputs;
  for (const auto& each : state.outputs) outputs.push_back(each.value());
  json::array partings;
  for (const auto& each : report.partings) {
    partings.push_back(json::object{{"seq", each.seq},
                                    {"activation", or_null(each.activation != 0, each.activation)},
                                    {"attempt", or_null(each.attempt != 0, each.attempt)},
                                    {"step", each.step ? json::value(*each.step) : json::value(nullptr)},
                                    {"recorded", each.recorded},
                                    {"replayed", each.replayed}});
  }
  return {{"run_id", state.id.str()},
          {"workflow", state.workflow},
          {"version", state.version},
          {"status", to_string(state.status)},
          {"events", state.seq},
          {"until", or_null(until != 0, until)},
          {"agrees", report.partings.empty()},
          {"attempts", report.attempts},
          {"unchecked_attempts", report.unchecked},
          {"snapshot_compared", report.snapshot_compared},
          {"row_compared", report.row_compared},
          {"partings", std::move(partings)},
          {"state", {{"activations", std::move(live)}, {"values", std::move(values)}, {"outputs", std::move(outputs)}}}};
}

void print(const cluster::replay_report& report) {
  const auto& state = report.state;
  put_line("run " + state.id.str() + " " + printable(state.workflow + " " + state.version) + ": " + std::to_string(state.seq) +
           " events give status " + paint(colour_of(to_string(state.status)), to_string(state.status)));
  put_line("  snapshot  " + std::string{report.snapshot_compared ? "compared" : "none to compare"});
  put_line("  row       " + std::string{report.row_compared ? "compared" : "not compared"});
  put_line("  attempts  " + std::to_string(report.attempts) + " run again over their records" +
           (report.unchecked == 0 ? "" : ", " + std::to_string(report.unchecked) + " not: their code is not registered here"));
  if (report.partings.empty()) return put_line(paint(colour::green, "live state, replayed state and recorded outcomes agree"));
  for (const auto& each : report.partings) {
    auto where = "parts at seq " + std::to_string(each.seq);
    if (each.activation != 0)
      where += ", activation " + std::to_string(each.activation) + " attempt " + std::to_string(each.attempt);
    if (each.step) where += ", step " + std::to_string(*each.step);
    put_line(paint(colour::red, where));
    put_line("  recorded  " + printable(each.recorded));
    put_line("  replayed  " + printable(each.replayed));
  }
}

/// What a run is replayed with: the kept documents, and before them the one that is given by hand.
struct code {
  std::vector<cluster::document> documents;
  const cluster::document* given = nullptr;
  bool given_used = false;

  const detail::definition* find(const core::run_state& state) {
    for (const auto& each : documents) {
      if (each.name != state.workflow || each.version != state.version) continue;
      // A document given by hand is tried whatever its hash: that is what it is given for.
      if (given == nullptr && each.definition.hash() != state.definition_hash) continue;
      given_used = given_used || &each == given;
      return &each.definition.definition();
    }
    return nullptr;
  }
};

int replay_all(const replay_command& how, persistence::journal& journal, code& with) {
  const auto summary = cluster::replay_all(journal, how.ended, [&](const core::run_state& state) { return with.find(state); });
  if (!summary) return fail(how.common, summary.error());
  if (with.given != nullptr && !with.given_used) {
    return fail(how.common,
                {errc::invalid_argument, how.file + " was not used: none of the " + std::to_string(summary->runs) +
                                             " runs looked at is of " + with.given->name + " " + with.given->version});
  }
  if (how.common.json) {
    json::array broken;
    for (const auto& each : summary->broken) {
      broken.push_back(json::object{{"run_id", each.run.str()},
                                    {"workflow", each.workflow},
                                    {"version", each.version},
                                    {"seq", each.seq},
                                    {"what", each.what}});
    }
    put_json(json::object{{"runs", summary->runs},
                          {"agreeing", summary->agreeing},
                          {"unregistered", summary->unregistered},
                          {"broken", std::move(broken)}});
  } else {
    for (const auto& each : summary->broken) {
      put_line(paint(colour::red, "run " + each.run.str()) + " " + printable(each.workflow + " " + each.version));
      put_line("  " + printable(each.what));
    }
    put_line(std::to_string(summary->runs) + " runs looked at: " + std::to_string(summary->agreeing) + " agree, " +
             std::to_string(summary->broken.size()) + " part, " + std::to_string(summary->unregistered) + " have no code here");
  }
  return summary->broken.empty() ? exit_fine : exit_failed;
}

/// What was asked for must have been looked at: an answer about something else would be taken for one about this.
result<void> fits_the_run(const replay_command& how, const cluster::document* given, const core::run_state& run) {
  if (how.until > run.seq) {
    return error{errc::not_found, "run " + run.id.str() + " has no event " + std::to_string(how.until) +
                                      "; its events are 1 to " + std::to_string(run.seq)};
  }
  if (given == nullptr || (given->name == run.workflow && given->version == run.version)) return {};
  return error{errc::invalid_argument, how.file + " was not used: it has " + given->name + " " + given->version + ", run " +
                                           run.id.str() + " is of " + run.workflow + " " + run.version};
}

int replay(const replay_command& how) {
  if (how.all != how.run.empty()) return fail_usage(how.common, "either a run's ID, or --all");
  if (how.all && how.until != 0) return fail_usage(how.common, "--until is for one run: it and --all exclude each other");
  if (how.ended && !how.all) return fail_usage(how.common, "--ended goes with --all");
  auto opened = offline_client::open(how.common.data);
  if (!opened) return fail(how.common, opened.error());
  cluster::document_reader reader;
  std::vector<error> unread;
  code with;
  with.documents = cluster::kept_documents(how.common.data, reader, &unread);
  for (const auto& each : unread) note("perdure: " + printable_lines(cluster::unread_document(each)));
  if (!how.file.empty()) {
    auto found = cluster::find_document(how.common.data, reader, how.file);
    if (!found) return fail(how.common, found.error());
    with.documents.insert(with.documents.begin(), std::move(*found));
    with.given = &with.documents.front();
  }
  if (how.all) return replay_all(how, (*opened)->journal(), with);
  const auto run = resolve(**opened, how.run);
  if (!run) return fail(how.common, run.error());
  const auto report =
      cluster::replay_run((*opened)->journal(), *run, how.until, [&](const core::run_state& state) { return with.find(state); });
  if (!report) return fail(how.common, report.error());
  if (auto fits = fits_the_run(how, with.given, report->state); !fits) return fail(how.common, fits.error());
  if (how.common.json) {
    put_json(report_json(*report, how.until));
  } else {
    print(*report);
  }
  return report->partings.empty() ? exit_fine : exit_failed;
}

}  // namespace

void add_journal_replay(CLI::App& journal, chosen_command& chosen) {
  auto how = std::make_shared<replay_command>();
  auto* command = journal.add_subcommand("replay", "Rebuilds a run from its events and compares code, state and journal");
  add_common_options(*command, how->common);
  command->add_option("ID", how->run, "Run id, or a unique beginning of it");
  command->add_flag("--all", how->all, "Every run that is still going on: which of them would this build break?");
  command->add_flag("--ended", how->ended, "With --all: those that have ended too");
  command->add_option("--until", how->until, "Only the events up to this seq")->type_name("SEQ")->transform(to_whole_number(1));
  command->add_option("--document", how->file, "Replay with this document instead of the one kept in the directory")
      ->type_name("FILE");
  command->callback([&chosen, how] { chosen = [how] { return read_apart(how->common, [&] { return replay(*how); }); }; });
}

}  // namespace perdure::tools::cli
