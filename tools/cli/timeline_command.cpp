#include "tools/cli/timeline_command.hpp"

#include "tools/cli/terminal.hpp"
#include "tools/cli/timeline_text.hpp"
#include "tools/cli/times.hpp"
#include "tools/view/timeline_svg.hpp"

namespace perdure::tools::cli {

namespace {

/// Beside the bars: the heading, the axis, the legend, the prompt.
constexpr std::size_t other_lines = 9;
constexpr std::size_t least_rows = 10;
/// Where there is no terminal to fit into.
constexpr std::size_t many_rows = 1'000;

std::size_t default_rows(bool picture) {
  const auto height = picture ? 0 : terminal_height();
  return height == 0 ? many_rows : std::max(least_rows, height > other_lines ? height - other_lines : 0);
}

json::object to_wire(const timeline::row& row) {
  json::array spans;
  for (const auto& each : row.spans) {
    spans.push_back(json::object{
        {"what", name_of(each.what)}, {"attempt", each.attempt}, {"from", to_string(each.from)}, {"to", to_string(each.to)}});
  }
  json::array failures;
  for (const auto at : row.failures) failures.emplace_back(to_string(at));
  return {{"name", row.name},
          {"reference", row.reference.empty() ? json::value(nullptr) : json::value(row.reference)},
          {"activation", row.activation == 0 ? json::value(nullptr) : json::value(row.activation)},
          {"status", row.status},
          {"attempts", row.attempts},
          {"depth", row.depth},
          {"from", to_string(row.from)},
          {"to", to_string(row.to)},
          {"open", row.open},
          {"spans", std::move(spans)},
          {"failures", std::move(failures)}};
}

int write_picture(const timeline_command& how, const timeline& what) {
  const auto picture = timeline_svg(what);
  if (how.svg == "-") {
    put(picture);
    return exit_fine;
  }
  if (auto written = write_file(how.svg, picture); !written) return fail(how.common, written.error());
  if (how.common.json) {
    put_json(json::object{{"run_id", what.run}, {"file", how.svg}, {"rows", what.rows.size()}, {"left_out", what.left_out}});
  } else {
    put_line("written to " + printable(how.svg));
  }
  return exit_fine;
}

}  // namespace

json::object to_wire(const timeline& what) {
  json::array rows;
  for (const auto& each : what.rows) rows.push_back(to_wire(each));
  return {{"run_id", what.run},         {"workflow", what.workflow}, {"version", what.version},
          {"run", to_wire(what.whole)}, {"rows", std::move(rows)},   {"left_out", what.left_out}};
}

int show_timeline(const timeline_command& how, client& from, const run_id& run) {
  timeline_reader reader;
  const auto read = from.stored(run, 0, [&](const run_event& event) {
    reader.add(event);
    return true;
  });
  if (!read) return fail(how.common, read.error());
  const auto now = wall_clock();
  auto what = reader.read(now);
  const bool picture = !how.svg.empty();
  const bool all_of_json = how.common.json && !picture;
  const auto most = how.rows.value_or(all_of_json ? 0 : default_rows(picture));
  if (most > 0) what.keep(most);
  if (picture) return write_picture(how, what);
  if (how.common.json) {
    put_json(to_wire(what));
    return exit_fine;
  }
  const auto width = terminal_width();
  const auto title = printable(what.workflow + " " + what.version);
  const bool fits = display_width(title) + 6 + what.run.size() <= width;
  put_line(paint(colour::bold, cut(title, width)) + (fits ? "  " : "\n") + "run " + what.run);
  put_line(paint(colour::dim, "from " + absolute_and_relative(what.whole.from, now)));
  if (what.whole.open && from.kind() == "offline")
    for (const auto& line : wrap("no node holds this directory; perdure runs wait opens it", width))
      put_line(paint(colour::yellow, line));
  put("\n" + render_timeline(what, width));
  return exit_fine;
}

}  // namespace perdure::tools::cli
