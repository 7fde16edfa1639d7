#include "tools/cli/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "perdure/time.hpp"
#include "tools/cli/terminal.hpp"

namespace perdure::tools::cli {

namespace {

constexpr std::chrono::milliseconds redraw{100};
/// Lines come after so many runs.
constexpr std::uint64_t line_step = 1'000;

std::size_t error_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void show(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

std::string progress_line(const std::string& what, std::uint64_t done, std::uint64_t total, std::uint64_t failed,
                          std::chrono::milliseconds took, std::size_t width) {
  std::string after = " " + std::to_string(done) + "/" + std::to_string(total);
  if (failed > 0) after += "  " + std::to_string(failed) + " failed";
  if (done > 0 && took >= std::chrono::seconds{1}) {
    const auto ms = static_cast<std::uint64_t>(took.count());
    after += "  " + std::to_string(done * 1000 / ms) + "/s";
    const auto left = std::chrono::seconds{ms * (total - std::min(done, total)) / done / 1000};
    if (left > std::chrono::seconds{0}) after += "  " + to_human(std::chrono::duration_cast<duration>(left)) + " left";
  }
  const auto around = display_width(what) + 1 + display_width(after);
  const auto columns = width > around ? std::min<std::size_t>(width - around, 40) : 0;
  const auto full = total == 0 ? columns : static_cast<std::size_t>(std::min(done, total) * columns / total);
  std::string bar;
  for (std::size_t i = 0; i < columns; ++i) bar += i < full ? "█" : "░";
  return cut(what + " " + bar + after, width);
}

progress::kind progress::fitting() { return ::isatty(STDERR_FILENO) == 1 ? kind::bar : kind::lines; }

progress::progress(kind how, std::string what, std::uint64_t total) : how_(how), what_(std::move(what)), total_(total) {}

void progress::at(std::uint64_t done, std::uint64_t failed) {
  const auto now = clock::now();
  if (how_ == kind::lines && done >= told_ + line_step && done < total_) {
    told_ = done / line_step * line_step;
    note(what_ + ": " + std::to_string(done) + " of " + std::to_string(total_) +
         (failed > 0 ? ", " + std::to_string(failed) + " failed" : ""));
  } else if (how_ == kind::bar && now - shown_ >= redraw) {
    shown_ = now;
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(now - began_);
    show("\r\x1b[K" + progress_line(what_, done, total_, failed, took, error_width() - 1));
  }
}

void progress::end() {
  if (how_ == kind::bar && shown_ != clock::time_point{}) show("\r\x1b[K");
  how_ = kind::none;
}

}  // namespace perdure::tools::cli
