// journal show | export | verify | stats: what is stored, read without a node.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "cluster/replay.hpp"
#include "core/event_json.hpp"
#include "persistence/each_record.hpp"
#include "persistence/ledger.hpp"
#include "tools/cli/journal_parts.hpp"
#include "tools/cli/journal_reader.hpp"
#include "tools/cli/narrate.hpp"
#include "tools/cli/offline_client.hpp"
#include "tools/cli/table.hpp"
#include "tools/view/record_view.hpp"

namespace perdure::tools::cli {

namespace {

/// Calls `take` for each record of the journal from an LSN on.
result<void> each_record(persistence::journal& from, lsn_t first, const std::function<bool(const core::record&)>& take) {
  for (auto at = std::max<lsn_t>(first, 1);;) {
    const auto records = from.scan(at, limits::reader_records);
    if (!records) return records.error();
    for (const auto& record : *records) {
      if (!take(record)) return {};
    }
    if (records->size() < limits::reader_records) return {};
    at = records->back().lsn + 1;
  }
}

struct show_command {
  common_options common;
  std::string run;
  std::optional<lsn_t> from;  ///< none = the last records
  std::size_t limit = 50;
};

int show_records(const show_command& how) {
  auto opened = offline_client::open(how.common.data);
  if (!opened) return fail(how.common, opened.error());
  auto& journal = (*opened)->journal();
  std::optional<run_id> only;
  if (!how.run.empty()) {
    const auto id = resolve(**opened, how.run);
    if (!id) return fail(how.common, id.error());
    only = *id;
  }
  table records{{{"LSN", 0, true}, {"RUN", 8}, {"SEQ", 0, true}, {"KIND", 8}, {"STATUS", 6}, {"BYTES", 0, true}, {"WHAT", 12}}};
  narrator told;
  core::executor_names names;
  const auto print = [&](const core::record& record) {
    if (how.common.json) return put_json(record_json(record, journal.blobs()));
    if (static_cast<int>(record.kind) == 0) {
      return records.add({{std::to_string(record.lsn)}, {"-"}, {"-"}, {"damaged", colour::red}});
    }
    const bool of_run = !persistence::is_ledger(record.kind);
    const auto event =
        of_run ? core::decode(record.kind, record.schema, record.bytes, &journal.blobs()) : result<core::event>{core::event{}};
    std::string what;
    if (!of_run) {
      const auto content = content_of(record, journal.blobs());
      what = content ? json_text(*content) : content.error().message;
    } else if (event) {
      for (const auto& line : told.tell(core::to_run_event(record, *event, names))) {
        what += (what.empty() ? "" : "; ") + (line.who.empty() ? "" : line.who + " ") + line.what;
      }
    }
    records.add({{std::to_string(record.lsn)},
                 {record.run.is_nil() ? "-" : record.run.str()},
                 {std::to_string(record.seq)},
                 {std::string{kind_name(record.kind)}, event ? colour::plain : colour::red},
                 {std::string{to_string(record.status)}, colour_of(to_string(record.status))},
                 {std::to_string(record.bytes.size())},
                 {what, colour::dim}});
  };
  std::size_t shown = 0;
  result<void> read;
  if (only) {
    read = persistence::each_record(journal, *only, 0, [&](const core::record& record) {
      print(record);
      return true;
    });
  } else {
    const auto last = journal.last_lsn();
    const auto first = how.from.value_or(last > how.limit ? last - how.limit + 1 : 1);
    read = each_record(journal, first, [&](const core::record& record) {
      print(record);
      return ++shown < how.limit;
    });
  }
  if (!how.common.json && !records.empty()) put(records.text(terminal_width()));
  if (!read) return fail(how.common, read.error());
  if (how.common.json || !records.empty()) return exit_fine;
  const auto last = journal.last_lsn();
  const auto none = last == 0 ? "the journal is empty"
                              : "no records from LSN " + std::to_string(how.from.value_or(1)) + " on; the last one has LSN " +
                                    std::to_string(last);
  put_line(none);
  return exit_fine;
}

int show_journal(const show_command& how) {
  return read_apart(how.common, [&] { return show_records(how); });
}

struct export_command {
  common_options common;
  std::string run, output;
};

int export_records(const export_command& how) {
  auto opened = offline_client::open(how.common.data);
  if (!opened) return fail(how.common, opened.error());
  auto& journal = (*opened)->journal();
  std::optional<run_id> only;
  if (!how.run.empty()) {
    const auto id = resolve(**opened, how.run);
    if (!id) return fail(how.common, id.error());
    only = *id;
  }
  std::FILE* out = how.output.empty() ? stdout : std::fopen(how.output.c_str(), "wbe");
  if (out == nullptr) return fail(how.common, {errc::io_error, how.output + ": cannot be written: " + std::strerror(errno)});
  std::setvbuf(out, nullptr, _IOLBF, std::size_t{1} << 16);  // what could be read is there, whatever comes after it
  bool written = true;
  const auto read = each_record(journal, 1, [&](const core::record& record) {
    if (only && record.run != *only) return true;
    const auto line = json_text(record_json(record, journal.blobs())) + "\n";
    written = std::fwrite(line.data(), 1, line.size(), out) == line.size();
    return written;
  });
  const int failed = written ? 0 : errno;
  written = (how.output.empty() ? std::fflush(out) : std::fclose(out)) == 0 && written;
  const int why = failed != 0 ? failed : errno;
  if (!read) return fail(how.common, read.error());
  if (!written) {
    const auto where = how.output.empty() ? "standard output" : how.output;
    return fail(how.common, {errc::io_error, where + ": cannot be written: " + std::strerror(why)});
  }
  return exit_fine;
}

int export_journal(const export_command& how) {
  return read_apart(how.common, [&] { return export_records(how); });
}

/// A run that waits for somebody outside needs no waker of its own.
bool waits_outside(persistence::journal& journal, const run_id& run) {
  const auto state = cluster::state_of(journal, run);
  if (!state) return false;
  if (state->paused || state->awaited_children > 0) return true;
  for (const auto& [id, in] : state->activations) {
    for (const auto& [ordinal, step] : in.pending) {
      if (core::waits_outside(step.kind)) return true;
    }
  }
  return false;
}

std::optional<core::digest> read_digest(std::string_view text) {
  core::digest out{};
  if (text.size() != 2 * out.size()) return std::nullopt;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto* digits = text.data() + 2 * i;
    if (std::from_chars(digits, digits + 2, out[i], 16).ptr != digits + 2) return std::nullopt;
  }
  return out;
}

json::object to_json_object(const persistence::checkpoint_place& place) {
  return {
      {"hash", core::to_hex(place.hash)}, {"lsn", place.lsn}, {"through_lsn", place.through}, {"time", to_string(place.time)}};
}

struct verify_command {
  common_options common;
  std::string anchor;
};

int verify_records(const verify_command& command) {
  const auto& how = command.common;
  std::optional<core::digest> anchor;
  if (!command.anchor.empty() && !(anchor = read_digest(command.anchor)))
    return fail(how, {errc::invalid_argument, "--anchor: a checkpoint's hash has 64 hexadecimal digits"}, exit_usage);
  auto journal = open_to_read(how.data);
  if (!journal) return fail(how, journal.error());
  const auto report = (*journal)->verify([&](const run_id& run) { return waits_outside(**journal, run); }, anchor);
  const bool ok = report.problems.empty();
  if (how.json) {
    json::array problems;
    for (const auto& each : report.problems) {
      problems.push_back(json::object{{"run_id", each.run.is_nil() ? json::value(nullptr) : json::value(each.run.str())},
                                      {"lsn", each.lsn},
                                      {"what", each.what}});
    }
    json::object out{{"ok", ok}, {"runs", report.runs}, {"events", report.events}, {"problems", std::move(problems)}};
    if (report.archived > 0) out.emplace("archived_events", report.archived);
    if (report.removed_runs > 0) {
      out.emplace("removed_runs", report.removed_runs);
      out.emplace("removed_events", report.removed_records);
    }
    if (report.newest) out.emplace("checkpoint", to_json_object(*report.newest));
    if (anchor) out.emplace("anchor", report.anchor ? json::value(to_json_object(*report.anchor)) : json::value(nullptr));
    put_json(out);
    return ok ? exit_fine : exit_failed;
  }
  put_line(std::to_string(report.runs) + " runs, " + std::to_string(report.events) + " events: " +
           (ok ? paint(colour::green, "ok") : paint(colour::red, std::to_string(report.problems.size()) + " problems")));
  if (report.archived > 0) put_line("  " + std::to_string(report.archived) + " events are in the archive");
  if (report.removed_runs > 0) {
    put_line("  " + std::to_string(report.removed_runs) + " runs with " + std::to_string(report.removed_records) +
             " events were removed by retention");
  }
  if (report.anchor) {
    put_line("  the anchor is the checkpoint of " + to_string(report.anchor->time) + ": the events up to LSN " +
             std::to_string(report.anchor->through) + " are those that it covered, but for the removed ones");
  }
  if (report.newest) put_line("  anchor now: " + core::to_hex(report.newest->hash));
  for (const auto& each : report.problems) {
    put_line("  LSN " + std::to_string(each.lsn) + (each.run.is_nil() ? "" : " run " + each.run.str()) + ": " +
             printable(each.what));
  }
  return ok ? exit_fine : exit_failed;
}

int verify_journal(const verify_command& command) {
  const auto& how = command.common;
  return read_apart([&] { return verify_records(command); },
                    [&] {
                      if (!how.json) return fail(how, {errc::corrupt, damaged_file(how.data)});
                      const json::object problem{{"run_id", nullptr}, {"lsn", 0}, {"what", damaged_file(how.data)}};
                      put_json(json::object{{"ok", false}, {"runs", 0}, {"events", 0}, {"problems", json::array{problem}}});
                      return exit_failed;
                    });
}

int count_records(const common_options& how) {
  auto opened = offline_client::open(how.data);
  if (!opened) return fail(how, opened.error());
  auto stats = (*opened)->stats();
  if (!stats) return fail(how, stats.error());
  std::uint64_t on_disk = 0;
  std::error_code ignored;
  for (const auto& each : std::filesystem::recursive_directory_iterator(how.data, ignored)) {
    struct stat info {};
    if (::stat(each.path().c_str(), &info) == 0) on_disk += static_cast<std::uint64_t>(info.st_blocks) * 512;
  }
  (*stats)["disk_bytes"] = on_disk;
  json::object kinds;
  std::uint64_t bytes = 0, damaged = 0, all = 0;
  const auto read = each_record((*opened)->journal(), 1, [&](const core::record& record) {
    ++all;
    if (static_cast<int>(record.kind) == 0) {
      ++damaged;
      return true;
    }
    bytes += record.bytes.size();
    auto& count = kinds[kind_name(record.kind)];
    count = count.is_null() ? 1 : count.get_int64() + 1;
    return true;
  });
  if (!read) return fail(how, read.error());
  (*stats)["records"] = all;
  const auto archive = (*opened)->journal().archive(true);
  (*stats)["log_records"] = archive.log_records;
  (*stats)["log_bytes"] = archive.log_bytes;
  (*stats)["archived_records"] = archive.archived_records;
  (*stats)["archived_chunks"] = archive.archived_chunks;
  (*stats)["archived_bytes"] = archive.archived_bytes;
  (*stats)["archived_raw_bytes"] = archive.archived_raw_bytes;
  (*stats)["removed_runs"] = archive.removed_runs;
  (*stats)["removed_records"] = archive.removed_records;
  (*stats)["free_bytes"] = archive.free_bytes;
  (*stats)["event_bytes"] = bytes;
  (*stats)["damaged_records"] = damaged;
  (*stats)["kinds"] = kinds;
  if (how.json) {
    put_json(*stats);
    return exit_fine;
  }
  table out{{{"FIGURE"}, {"VALUE", 8, true}}};
  for (const auto& [name, value] : *stats) {
    if (name != "kinds") out.add({{std::string{name}}, {value.is_string() ? std::string{value.get_string()} : json_text(value)}});
  }
  for (const auto& [name, value] : kinds) out.add({{"  " + std::string{name}}, {json_text(value)}});
  put(out.text(terminal_width()));
  return exit_fine;
}

int journal_stats(const common_options& how) {
  return read_apart(how, [&] { return count_records(how); });
}

/// Writes a checkpoint of all that is there; its hash is the anchor to keep elsewhere.
int note_checkpoint(const common_options& how) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(how.data, ignored))
    return fail(how, {errc::not_found, how.data.string() + ": no such data directory"});
  const node_options defaults;
  persistence::upkeep_options upkeep;
  upkeep.checkpoint_interval = duration{0};
  auto journal = persistence::open_lmdb_journal(how.data, persistence::open_mode::read_write, defaults.max_map_bytes, 0, upkeep);
  if (!journal) return fail(how, with_way_out(journal.error()));
  const bool was_closed = (*journal)->was_closed();
  const auto now = std::max((*journal)->last_time(), std::chrono::time_point_cast<duration>(std::chrono::system_clock::now()));
  for (bool more = true; more;) {
    const auto plan = (*journal)->plan_upkeep(now);
    if (plan == nullptr) break;
    // Archiving may be due too, and comes first; that changes nothing for the reader.
    more = plan->name() != "checkpoint" || plan->more;
    if (auto done = (*journal)->commit_upkeep(*plan); !done) return fail(how, done.error());
  }
  if (was_closed && (*journal)->flush()) (*journal)->mark_closed();
  const auto newest = (*journal)->newest_checkpoint();
  if (!newest) return fail(how, {errc::not_found, "the journal is empty: there is nothing to make a checkpoint of"});
  how.json ? put_json(to_json_object(*newest)) : put_line(core::to_hex(newest->hash));
  return exit_fine;
}

template <class How, class Do>
void choose(CLI::App& command, chosen_command& chosen, std::shared_ptr<How> how, Do what) {
  command.callback([&chosen, how, what] { chosen = [how, what] { return what(*how); }; });
}

}  // namespace

void add_journal_commands(CLI::App& app, chosen_command& chosen) {
  auto* journal = app.add_subcommand("journal", "Recovery and audit: the stored records of a data directory");
  journal->require_subcommand(1);

  auto show = std::make_shared<show_command>();
  auto* command = journal->add_subcommand("show", "The last records, or those of one run");
  add_common_options(*command, show->common);
  command->add_option("ID", show->run, "Only this run (id, or a unique beginning of it)");
  command->add_option("--from", show->from, "First LSN; without it the last records are shown")->transform(to_whole_number());
  command->add_option("--limit", show->limit, "At most so many records")->capture_default_str()->transform(to_whole_number(1));
  choose(*command, chosen, show, show_journal);

  auto exported = std::make_shared<export_command>();
  command = journal->add_subcommand("export", "Every record as one JSON object a line");
  add_common_options(*command, exported->common);
  command->add_option("--run", exported->run, "Only this run");
  command->add_option("--output", exported->output, "File instead of standard output")->type_name("FILE");
  choose(*command, chosen, exported, export_journal);

  auto verified = std::make_shared<verify_command>();
  command = journal->add_subcommand("verify", "Checks every record, the chains, the look-up rows, and that no run lacks a waker");
  add_common_options(*command, verified->common);
  command->add_option("--anchor", verified->anchor, "A checkpoint's hash that was kept elsewhere: shows what went missing since")
      ->type_name("HASH");
  choose(*command, chosen, verified, verify_journal);

  auto noted = std::make_shared<common_options>();
  command = journal->add_subcommand("checkpoint", "Writes a checkpoint and prints its hash, the anchor for a later `verify`");
  add_common_options(*command, *noted);
  choose(*command, chosen, noted, note_checkpoint);

  auto counted = std::make_shared<common_options>();
  command = journal->add_subcommand("stats", "Sizes and counts");
  add_common_options(*command, *counted);
  choose(*command, chosen, counted, journal_stats);

  add_journal_replay(*journal, chosen);
}

}  // namespace perdure::tools::cli
