#include "tools/cli/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cwchar>

#include "core/json_text.hpp"

namespace perdure::tools::cli {

namespace {

/// Of the first write to standard output that failed. Lines may be put by several threads.
std::atomic<int> output_errno{0};

/// One character of well-formed UTF-8 and the bytes it takes.
struct character {
  char32_t code = 0;
  std::size_t bytes = 1;
};

character character_at(std::string_view text, std::size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  if (lead < 0x80U) return {lead, 1};
  const std::size_t bytes = lead >= 0xF0U ? 4 : lead >= 0xE0U ? 3 : 2;
  char32_t code = lead & (0xFFU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes && at + i < text.size(); ++i)
    code = code << 6U | (static_cast<unsigned char>(text[at + i]) & 0x3FU);
  return {code, bytes};
}

std::size_t columns_of(char32_t code) {
  static const bool utf8 = std::setlocale(LC_CTYPE, "C.UTF-8") != nullptr;
  const auto columns = utf8 ? ::wcwidth(static_cast<wchar_t>(code)) : 1;
  return columns < 0 ? 1 : static_cast<std::size_t>(columns);
}

bool coloured() {
  static const bool on = ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  return on;
}

}  // namespace

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  if (const char* columns = std::getenv("COLUMNS")) {
    const auto width = std::strtoul(columns, nullptr, 10);
    if (width >= 20 && width <= 10'000) return width;
  }
  return 80;
}

std::size_t terminal_height() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
}

std::string paint(colour how, std::string_view text) {
  if (!coloured() || how == colour::plain) return std::string{text};
  const char* code = "0";
  switch (how) {
    case colour::plain: break;
    case colour::green: code = "32"; break;
    case colour::yellow: code = "33"; break;
    case colour::red: code = "31"; break;
    case colour::cyan: code = "36"; break;
    case colour::dim: code = "2"; break;
    case colour::bold: code = "1"; break;
  }
  return "\x1b[" + std::string{code} + "m" + std::string{text} + "\x1b[0m";
}

colour colour_of(std::string_view status) {
  if (status == "succeeded") return colour::green;
  if (status == "failed" || status == "timed_out") return colour::red;
  if (status == "running" || status == "scheduled") return colour::cyan;
  if (status == "cancelled" || status == "skipped" || status == "pending") return colour::dim;
  return colour::yellow;
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto next = character_at(text, at);
    width += columns_of(next.code);
    at += next.bytes;
  }
  return width;
}

std::string cut(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string{text};
  if (width == 0) return {};
  std::size_t used = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    const auto next = character_at(text, at);
    const auto columns = columns_of(next.code);
    if (used + columns > width - 1) break;
    used += columns;
    at += next.bytes;
  }
  return std::string{text.substr(0, at)} + "…";
}

std::string printable(std::string_view text) {
  const auto clean = core::valid_utf8(text);
  constexpr std::string_view hex = "0123456789abcdef";
  std::string out;
  out.reserve(clean.size());
  for (std::size_t at = 0; at < clean.size();) {
    const auto next = character_at(clean, at);
    if (next.code == '\n') {
      out += "\\n";
    } else if (next.code == '\t') {
      out += "\\t";
    } else if (next.code < 0x20 || (next.code >= 0x7f && next.code < 0xa0)) {
      out += "\\x";
      out += hex[next.code >> 4U & 15U];
      out += hex[next.code & 15U];
    } else {
      out.append(clean, at, next.bytes);
    }
    at += next.bytes;
  }
  return out;
}

void put(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written && output_errno == 0 && errno != EPIPE) output_errno = errno;
}

std::string output_problem() { return output_errno == 0 ? std::string{} : std::strerror(output_errno); }

void put_line(std::string_view text) {
  std::string line{text};
  line += '\n';
  put(line);
}

void note(std::string_view text) {
  std::string line{text};
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace perdure::tools::cli
