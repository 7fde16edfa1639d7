#include "tools/cli/table.hpp"

#include <algorithm>
#include <numeric>

namespace perdure::tools::cli {

namespace {
constexpr std::size_t gap = 2;
constexpr std::size_t short_text = 4;
}  // namespace

void table::add(std::vector<cell> row) {
  row.resize(columns_.size());
  for (auto& each : row) each.text = printable(each.text);
  rows_.push_back(std::move(row));
}

std::vector<std::size_t> table::widths(std::size_t width) const {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    auto widest = display_width(columns_[i].title);
    for (const auto& row : rows_) widest = std::max(widest, display_width(row[i].text));
    out.push_back(widest);
  }
  auto total = std::accumulate(out.begin(), out.end(), gap * (columns_.size() - 1));
  // Takes from the widest column that may still be cut, until it fits or nothing can be cut.
  while (total > width) {
    std::size_t widest = columns_.size();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const bool flexible = columns_[i].least > 0 && out[i] > columns_[i].least;
      if (flexible && (widest == columns_.size() || out[i] > out[widest])) widest = i;
    }
    if (widest == columns_.size()) break;
    --out[widest];
    --total;
  }
  cut_more(out, total, width);
  return out;
}

/// There is less room than the columns ought to keep: first the later texts, numbers last.
void table::cut_more(std::vector<std::size_t>& wide, std::size_t total, std::size_t width) const {
  for (auto i = columns_.size(); i > 0 && total > width; --i) {
    auto& each = wide[i - 1];
    if (columns_[i - 1].right || each <= short_text) continue;
    const auto less = std::min(each - short_text, total - width);
    each -= less;
    total -= less;
  }
  while (total > width) {
    const auto widest = std::max_element(wide.begin(), wide.end());
    if (*widest <= 1) return;
    --*widest;
    --total;
  }
}

std::string table::text(std::size_t width) const {
  const auto wide = widths(width);
  std::string out;
  const auto line = [&](auto text_of, auto colour_of_cell) {
    std::string row;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const auto shown = cut(text_of(i), wide[i]);
      const std::string pad(wide[i] - std::min(wide[i], display_width(shown)), ' ');
      const auto painted = paint(colour_of_cell(i), shown);
      const bool last = i + 1 == columns_.size();
      row += columns_[i].right ? pad + painted : painted + (last ? std::string{} : pad);
      if (!last) row += std::string(gap, ' ');
    }
    while (!row.empty() && row.back() == ' ') row.pop_back();
    out += row + '\n';
  };
  line([&](std::size_t i) { return columns_[i].title; }, [](std::size_t) { return colour::dim; });
  for (const auto& row : rows_) {
    line([&](std::size_t i) { return row[i].text; }, [&](std::size_t i) { return row[i].how; });
  }
  return out;
}

}  // namespace perdure::tools::cli
