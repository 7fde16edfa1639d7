#include "tools/cli/timeline_text.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "tools/cli/terminal.hpp"
#include "tools/cli/times.hpp"
#include "tools/view/time_axis.hpp"

namespace perdure::tools::cli {

namespace {

using doing = timeline::doing;

constexpr std::size_t least_width = 40;
/// Below it names and statuses are short, so that bars have room.
constexpr std::size_t roomy = 60;
constexpr std::size_t gap = 2;
constexpr std::string_view failure_mark = "✗";
constexpr std::string_view open_mark = "▶";

std::string_view block_of(doing what) {
  switch (what) {
    case doing::pending: return "┄";
    case doing::running: return "█";
    case doing::waiting: return "░";
    case doing::retrying: return "▒";
    case doing::paused: return "╌";
  }
  return "█";
}

std::string_view meaning_of(doing what) {
  switch (what) {
    case doing::pending: return "not started";
    case doing::running: return "works";
    case doing::waiting: return "waits";
    case doing::retrying: return "waits to try again";
    case doing::paused: return "paused";
  }
  return "works";
}

colour colour_of_bar(const timeline::row& row, doing what) {
  return what == doing::running    ? colour_of(row.open ? "running" : row.status)
         : what == doing::retrying ? colour::yellow
                                   : colour::dim;
}

/// One column of a bar.
struct cell {
  std::string_view text = " ";
  colour how = colour::plain;
};

/// Bars on a scale of so many columns.
class scale {
 public:
  scale(timestamp from, timestamp to, std::size_t columns)
      : from_(from), length_(std::max<duration::rep>((to - from).count(), 1)), columns_(columns) {}

  [[nodiscard]] std::size_t column_of(timestamp at) const {
    const auto part = static_cast<long double>((at - from_).count()) / static_cast<long double>(length_);
    const auto column = part * static_cast<long double>(columns_);
    return column <= 0 ? 0 : std::min(columns_ - 1, static_cast<std::size_t>(column));
  }

  /// A column shows what took most of it; a failure shows over everything.
  [[nodiscard]] std::vector<cell> bar(const timeline::row& row, std::set<doing>& used) const {
    std::vector<cell> out(columns_);
    std::vector<long double> most(columns_, -1);
    const auto per_column = static_cast<long double>(length_) / static_cast<long double>(columns_);
    for (const auto& span : row.spans) {
      const auto first = column_of(span.from);
      const auto last = std::max(first, span.to > span.from ? column_of(span.to - duration{1}) : first);
      for (auto i = first; i <= last; ++i) {
        const auto begin = std::max<long double>(static_cast<long double>((span.from - from_).count()),
                                                 per_column * static_cast<long double>(i));
        const auto end = std::min<long double>(static_cast<long double>((span.to - from_).count()),
                                               per_column * static_cast<long double>(i + 1));
        const auto share = std::max<long double>(end - begin, 0);
        if (share <= most[i]) continue;
        most[i] = share;
        // What is much shorter than a column is a thin line.
        const bool thin = row.took().count() < per_column / 3 && span.what == doing::running && !row.open;
        out[i] = {thin ? "▏" : block_of(span.what), colour_of_bar(row, span.what)};
        used.insert(span.what);
      }
    }
    for (const auto at : row.failures) out[column_of(at)] = {failure_mark, colour::red};
    if (row.open) out[column_of(row.to)] = {open_mark, colour::cyan};
    return out;
  }

 private:
  timestamp from_;
  duration::rep length_;
  std::size_t columns_;
};

std::string painted(const std::vector<cell>& cells) {
  std::string out, part;
  auto how = colour::plain;
  std::size_t end = cells.size();
  while (end > 0 && cells[end - 1].text == " ") --end;
  for (std::size_t i = 0; i < end; ++i) {
    if (cells[i].how != how && !part.empty()) out += paint(how, std::exchange(part, {}));
    how = cells[i].how;
    part += cells[i].text;
  }
  return part.empty() ? out : out + paint(how, part);
}

std::string axis(duration length, std::size_t columns) {
  auto marks = marks_of(length, std::max<std::size_t>(2, columns / 12));
  std::string out;
  for (const auto& each : marks) {
    const auto column = static_cast<std::size_t>(static_cast<long double>(each.at.count()) /
                                                 static_cast<long double>(std::max<duration::rep>(length.count(), 1)) *
                                                 static_cast<long double>(columns));
    const auto text = "╵" + each.text;
    if (column + display_width(text) > columns || column < display_width(out)) continue;
    out += std::string(column - display_width(out), ' ') + text;
  }
  return out;
}

std::string padded(const std::string& text, std::size_t width) {
  const auto shown = cut(text, width);
  return shown + std::string(width - std::min(width, display_width(shown)), ' ');
}

std::string right(const std::string& text, std::size_t width) {
  return std::string(width - std::min(width, display_width(text)), ' ') + text;
}

std::string name_of(const timeline::row& row) {
  auto out = std::string(2 * std::min<std::size_t>(row.depth, 8), ' ') + printable(row.name);
  if (row.attempts > 1) out += " ×" + std::to_string(row.attempts);
  return out;
}

std::string legend(const std::set<doing>& used, bool failures, bool open, std::size_t width) {
  std::string out;
  std::size_t in_line = 0;
  const auto add = [&](std::string_view mark, std::string_view meaning) {
    const auto next = std::string{mark} + " " + std::string{meaning};
    const auto columns = display_width(next);
    const bool fits = in_line + 3 + columns <= width;
    if (!out.empty()) out += fits ? "   " : "\n";
    in_line = fits && !out.empty() ? in_line + 3 + columns : columns;
    out += next;
  };
  for (const auto each : used) add(block_of(each), meaning_of(each));
  if (failures) add(failure_mark, "an attempt failed");
  if (open) add(open_mark, "goes on");
  return out;
}

}  // namespace

std::string render_timeline(const timeline& what, std::size_t width) {
  width = std::max(width, least_width);
  std::vector<timeline::row> rows{what.whole};
  rows.insert(rows.end(), what.rows.begin(), what.rows.end());
  std::size_t names = 0, statuses = 0, lengths = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i > 0) ++rows[i].depth;
    names = std::max(names, display_width(name_of(rows[i])));
    statuses = std::max(statuses, display_width(rows[i].status));
    lengths = std::max(lengths, display_width(to_human(rounded(rows[i].took()))));
  }
  const bool narrow = width < roomy;
  const std::size_t least_columns = narrow ? 8 : 20;
  names = std::min(names, std::max<std::size_t>(width / 4, narrow ? 8 : 16));
  if (narrow) statuses = std::min<std::size_t>(statuses, 4);
  const auto left = names + gap + statuses + gap + lengths + gap;
  const auto columns = width > left + least_columns ? width - left : least_columns;
  const scale over{what.whole.from, what.whole.to, columns};

  std::string out;
  out += paint(colour::dim, padded("", left) + axis(what.whole.took(), columns)) + "\n";
  std::set<doing> used;
  bool failures = false, open = false;
  for (const auto& row : rows) {
    failures = failures || !row.failures.empty();
    open = open || row.open;
    out += padded(name_of(row), names) + std::string(gap, ' ') + paint(colour_of(row.status), padded(row.status, statuses)) +
           std::string(gap, ' ') + right(to_human(rounded(row.took())), lengths) + std::string(gap, ' ') +
           painted(over.bar(row, used)) + "\n";
  }
  if (what.left_out > 0) {
    const auto more = "… and " + std::to_string(what.left_out) + " shorter ones, left out (--rows 0 shows all)";
    out += paint(colour::dim, cut(more, width)) + "\n";
  }
  out += "\n" + paint(colour::dim, legend(used, failures, open, width)) + "\n";
  return out;
}

}  // namespace perdure::tools::cli
