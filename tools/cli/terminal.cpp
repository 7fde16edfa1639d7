#include "tools/cli/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
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
std::atomic<bool> lost{false};

constexpr std::size_t least_columns = 20;

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

/// Changes the direction in which a line is shown, or ends it: what is read is then not what stands there.
bool misleads(char32_t code) {
  return code == 0x061c || code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069);
}

void append_hex(std::string& out, char32_t code, int digits) {
  constexpr std::string_view hex = "0123456789abcdef";
  for (int at = digits - 1; at >= 0; --at) out += hex[code >> (4U * static_cast<unsigned>(at)) & 15U];
}

bool coloured() {
  static const bool on = ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  return on;
}

}  // namespace

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return std::max<std::size_t>(size.ws_col, least_columns);
  if (const char* columns = std::getenv("COLUMNS")) {
    const auto width = std::strtoul(columns, nullptr, 10);
    if (width > 0 && width <= 10'000) return std::max<std::size_t>(width, least_columns);
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
      append_hex(out, next.code, 2);
    } else if (misleads(next.code)) {
      out += "\\u";
      append_hex(out, next.code, 4);
    } else {
      out.append(clean, at, next.bytes);
    }
    at += next.bytes;
  }
  return out;
}

std::string printable_lines(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at <= text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    out += (at == 0 ? "" : "\n") + printable(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

std::vector<std::string> wrap(std::string_view text, std::size_t width) {
  std::vector<std::string> out;
  while (display_width(text) > width) {
    std::size_t used = 0, at = 0, space = 0;
    while (at < text.size()) {
      const auto next = character_at(text, at);
      const auto columns = columns_of(next.code);
      if (next.code == ' ') space = at;
      if (used + columns > width && at > 0) break;
      used += columns;
      at += next.bytes;
    }
    const auto end = space > 0 ? space : at;
    out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(text.size(), space > 0 ? end + 1 : end));
  }
  out.emplace_back(text);
  return out;
}

std::string shell_quoted(std::string_view text) {
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
  if (!text.empty() && text.find_first_not_of(plain) == std::string_view::npos) return std::string{text};
  const bool shown_as_it_is = printable(text) == text;
  std::string out = shown_as_it_is ? "'" : "$'";
  for (const auto each : text) {
    const auto byte = static_cast<unsigned char>(each);
    if (shown_as_it_is) {
      out += each == '\'' ? std::string{"'\\''"} : std::string(1, each);
    } else if (byte < 0x20 || byte >= 0x7f || each == '\'' || each == '\\') {
      out += "\\x";
      append_hex(out, byte, 2);
    } else {
      out += each;
    }
  }
  return out + "'";
}

void put(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (written) return;
  if (output_errno == 0 && errno != EPIPE) output_errno = errno;
  lost = true;
}

bool output_lost() { return lost; }

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
