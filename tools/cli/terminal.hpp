// What the terminal can show: its width, colours, and text that fits.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace perdure::tools::cli {

/// Columns of standard output: the terminal's, else $COLUMNS, else 80; at least 20.
[[nodiscard]] std::size_t terminal_width();

/// Lines of the terminal that standard output is; 0 when it is none.
[[nodiscard]] std::size_t terminal_height();

enum class colour { plain, green, yellow, red, cyan, dim, bold };

/// The text in a colour when standard output is a terminal and NO_COLOR is not set, else as it is.
[[nodiscard]] std::string paint(colour how, std::string_view text);
/// The colour that a status of a run or executor has everywhere.
[[nodiscard]] colour colour_of(std::string_view status);

/// Columns that UTF-8 text takes.
[[nodiscard]] std::size_t display_width(std::string_view text);
/// At most `width` columns: what is cut ends with "…".
[[nodiscard]] std::string cut(std::string_view text, std::size_t width);
/// Lines of at most `width` columns, broken between words where that is possible; at least one.
[[nodiscard]] std::vector<std::string> wrap(std::string_view text, std::size_t width);
/// On one line, without control characters and those that change the direction of text (they are shown as escapes): for
/// text from outside.
[[nodiscard]] std::string printable(std::string_view text);
/// The same for each line of a text of several.
[[nodiscard]] std::string printable_lines(std::string_view text);
/// The text as one word of a shell's command line.
[[nodiscard]] std::string shell_quoted(std::string_view text);

/// Writes to standard output.
void put(std::string_view text);
void put_line(std::string_view text);
/// Something put did not reach anybody: there is no sense in more.
[[nodiscard]] bool output_lost();
/// Why something put could not be written, or empty. A reader that went away is none.
[[nodiscard]] std::string output_problem();
/// Writes a line to standard error.
void note(std::string_view text);

}  // namespace perdure::tools::cli
