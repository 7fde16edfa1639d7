// runs list | show | events | wait
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "core/event_json.hpp"
#include "tools/cli/command.hpp"
#include "tools/cli/interrupt.hpp"
#include "tools/cli/narrate.hpp"
#include "tools/cli/render.hpp"
#include "tools/cli/render_links.hpp"
#include "tools/cli/runs_parts.hpp"
#include "tools/cli/selection.hpp"
#include "tools/cli/timeline_command.hpp"
#include "tools/cli/times.hpp"
#include "tools/cli/wait.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::cli {

namespace {

struct list_command {
  common_options common;
  run_filter filter;
  std::string cursor;
  std::size_t limit = 50;
  bool oldest_first = false;
};

int list_runs(const list_command& how) {
  const auto which = read_filter(how.filter, wall_clock());
  if (!which) return fail(how.common, which.error(), exit_usage);
  list_options options;
  options.limit = how.limit;
  options.cursor = how.cursor;
  options.newest_first = !how.oldest_first;
  auto runs = reach(how.common.data);
  if (!runs) return fail(how.common, runs.error());
  const auto page = selected_page(**runs, *which, options);
  if (!page) return fail(how.common, page.error());
  if (how.common.json) {
    put_json(cluster::to_wire(*page));
  } else if (page->runs.empty()) {
    put_line("no runs");
  } else {
    put(render_list(*page, wall_clock()));
    if (!page->next_cursor.empty()) put_line("more with --cursor " + page->next_cursor);
  }
  return exit_fine;
}

struct show_command {
  common_options common;
  std::string run;
  bool full = false, timeline = false;
  std::string svg;
  std::optional<std::size_t> rows;
};

/// What has become of children of whose end the run was not told (yet): those that it left alone never tell. One that
/// continued as new goes on under another id, and tells when all of it has ended.
void look_at_children(client& runs, json::object& shown) {
  auto* children = shown.if_contains("children");
  if (children == nullptr || !children->is_array()) return;
  for (auto& each : children->get_array()) {
    auto& child = each.get_object();
    const auto id = run_id::parse(text_of(child, "run_id"));
    if (!id || text_of(child, "status") != "running") continue;
    const auto known = runs.summary(*id);
    if (known && known->status != run_status::continued_as_new) child["status"] = to_string(known->status);
  }
}

int show_run(const show_command& how) {
  auto runs = reach(how.common.data);
  if (!runs) return fail(how.common, runs.error());
  const auto id = resolve(**runs, how.run);
  if (!id) return fail(how.common, id.error());
  if (how.timeline || !how.svg.empty()) return show_timeline({how.common, how.svg, how.rows}, **runs, *id);
  run_view shown;
  const auto read = look_at(**runs, *id, shown);
  const auto known = (*runs)->summary(*id);
  if (!known) return fail(how.common, known.error());
  // One that cannot be read is shown as far as it can be, and the rest as listings know it.
  const bool damaged = !read && read.error().code == errc::corrupt;
  if (!read && known->blocked.empty() && !damaged) return fail(how.common, read.error());
  const auto blocked = damaged ? read.error().message : known->blocked;
  if (!read) shown.cut_off(*known);
  auto out = shown.show();
  look_at_children(**runs, out);
  if (how.common.json) {
    out.emplace("blocked", blocked.empty() ? json::value(nullptr) : json::value(blocked));
    put_json(out);
  } else {
    put(render_run(shown, blocked, wall_clock(), (*runs)->kind() != "offline", how.full) + render_links(out));
  }
  return read ? exit_fine : exit_failed;
}

struct events_command {
  common_options common;
  std::string run;
  run_seq after = 0;
  bool follow = false;
};

int show_events(const events_command& how) {
  auto runs = reach(how.common.data);
  if (!runs) return fail(how.common, runs.error());
  const auto id = resolve(**runs, how.run);
  if (!id) return fail(how.common, id.error());
  narrator told;
  const auto width = terminal_width();
  const auto print = [&](const run_event& event) {
    if (how.common.json) {
      put_json(core::line_of(event));
      return !output_lost();
    }
    const auto lines = told.lines(event, width);
    for (const auto& line : lines) {
      if (event.seq > how.after) put_line(line);
    }
    return !output_lost();
  };
  // The narrator knows a task by its beginning.
  const auto after = how.common.json ? how.after : 0;
  if (how.follow) {
    watch_interrupts();
    const output_watch reader;
    const auto done = (*runs)->follow(*id, after, print, reader.token());
    return done ? exit_fine : fail(how.common, done.error());
  }
  const auto done = (*runs)->stored(*id, after, print);
  return done ? exit_fine : fail(how.common, done.error());
}

}  // namespace

void add_runs_look(CLI::App& runs, chosen_command& chosen) {
  auto list = std::make_shared<list_command>();
  auto* command = runs.add_subcommand("list", "Runs of the data directory, newest first");
  add_common_options(*command, list->common);
  add_filter_options(*command, list->filter);
  command->add_option("--limit", list->limit, "At most so many")->capture_default_str()->transform(to_whole_number(1, 10'000));
  command->add_option("--cursor", list->cursor, "Go on where the page before ended");
  command->add_flag("--oldest-first", list->oldest_first, "Oldest first");
  command->callback([&chosen, list] { chosen = [list] { return list_runs(*list); }; });

  auto show = std::make_shared<show_command>();
  command = runs.add_subcommand("show", "One run: executors, timers, requests, input, output, linked runs");
  add_common_options(*command, show->common);
  command->add_option("ID", show->run, "Run id, or a unique beginning of it")->required();
  command->add_flag("--full", show->full, "Inputs and results of the executors are not cut");
  command->add_flag("--timeline", show->timeline, "What its executors did over time, as bars");
  command->add_option("--svg", show->svg, "The timeline as a picture, into FILE or - for standard output")->type_name("FILE");
  command->add_option("--rows", show->rows, "At most so many bars; 0 = all (default: what fits the terminal)")
      ->transform(to_whole_number());
  command->callback([&chosen, show] { chosen = [show] { return show_run(*show); }; });

  auto events = std::make_shared<events_command>();
  command = runs.add_subcommand("events", "The journaled events of a run; with --json one object a line");
  add_common_options(*command, events->common);
  command->add_option("ID", events->run, "Run id, or a unique beginning of it")->required();
  command->add_option("--after", events->after, "Only events with a greater seq")->transform(to_whole_number());
  command->add_flag("--follow", events->follow, "Go on with what comes, until the run ends");
  command->callback([&chosen, events] { chosen = [events] { return show_events(*events); }; });

  auto wait = std::make_shared<wait_command>();
  command = runs.add_subcommand("wait", "Waits until a run has ended; opens the directory when no node holds it");
  add_common_options(*command, wait->common);
  auto* id = command->add_option("ID", wait->run, "Run id, or a unique beginning of it");
  auto* all = command->add_flag("--all", wait->all, "Every run that has not ended");
  id->excludes(all);
  command->add_option("--timeout", wait->timeout, "Give up after so long (30s, 15m, 2h)")->type_name("DURATION");
  command->callback([&chosen, wait] { chosen = [wait] { return wait_for_runs(*wait); }; });
}

}  // namespace perdure::tools::cli
