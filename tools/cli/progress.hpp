// How far a long command is, on standard error: a bar that moves on a terminal, else a line now and then.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace perdure::tools::cli {

/// One line of at most `width` columns: "pause ██████░░░░ 60/100  1 failed  120/s  2s left".
[[nodiscard]] std::string progress_line(const std::string& what, std::uint64_t done, std::uint64_t total, std::uint64_t failed,
                                        std::chrono::milliseconds took, std::size_t width);

class progress {
 public:
  enum class kind : std::uint8_t { none, lines, bar };
  /// A bar when standard error is a terminal, else lines.
  [[nodiscard]] static kind fitting();

  progress(kind how, std::string what, std::uint64_t total);
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;
  ~progress() { end(); }

  void at(std::uint64_t done, std::uint64_t failed);
  /// Takes the bar away.
  void end();

 private:
  using clock = std::chrono::steady_clock;
  kind how_;
  std::string what_;
  std::uint64_t total_, told_ = 0;
  clock::time_point began_ = clock::now(), shown_{};
};

}  // namespace perdure::tools::cli
