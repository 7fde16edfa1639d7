// A table that fits the terminal: columns aligned, the widest flexible ones cut with "…" when there is no room.
#pragma once

#include <string>
#include <vector>

#include "tools/cli/terminal.hpp"

namespace perdure::tools::cli {

struct column {
  std::string title;
  std::size_t least = 0;  ///< columns it keeps when room is short; 0 = it is cut only when all others keep no more
  bool right = false;     ///< aligned to the right
};

struct cell {
  std::string text;
  colour how = colour::plain;
};

class table {
 public:
  explicit table(std::vector<column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<cell> row);
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  /// Lines of at most `width` columns, when there is room for one of each column and the gaps.
  [[nodiscard]] std::string text(std::size_t width) const;

 private:
  [[nodiscard]] std::vector<std::size_t> widths(std::size_t width) const;
  void cut_more(std::vector<std::size_t>& wide, std::size_t total, std::size_t width) const;
  std::vector<column> columns_;
  std::vector<std::vector<cell>> rows_;
};

}  // namespace perdure::tools::cli
