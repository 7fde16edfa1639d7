#include "actors/backends/job_log.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "actors/backends/job_files.hpp"
#include "core/hex_number.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

namespace {

constexpr std::string_view piece_prefix = "log.";

/// Offsets at which pieces begin, ascending.
result<std::vector<std::uint64_t>> pieces_of(int folder) {
  std::vector<std::uint64_t> out;
  const int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, int (*)(DIR*)> entries{again < 0 ? nullptr : fdopendir(again), closedir};
  if (!entries) return error{errc::io_error, std::string{"the log cannot be read: "} + std::strerror(errno)};
  while (const auto* each = readdir(entries.get())) {
    const std::string_view name{each->d_name};
    if (!name.starts_with(piece_prefix)) continue;
    if (const auto start = core::read_hex_number(name.substr(piece_prefix.size()))) out.push_back(*start);
  }
  std::sort(out.begin(), out.end());
  return out;
}

/// Reads frames of one piece; several at a time.
class piece_reader {
 public:
  piece_reader(int folder, std::uint64_t start)
      : file_(openat(folder, (std::string{piece_prefix} + core::hex_number(start, log_name_digits)).c_str(),
                     O_RDONLY | O_CLOEXEC)) {}
  [[nodiscard]] bool there() const { return static_cast<bool>(file_); }

  /// The frame at this place of the piece. False: there is none that is complete.
  bool frame(std::uint64_t at, job_log_frame& head, std::string_view& text) {
    const auto start = bytes(at, sizeof head);
    if (start.size() < sizeof head) return false;
    std::memcpy(&head, start.data(), sizeof head);
    if (head.magic != job_log_frame::is_one || head.size > limits::job_log_line_bytes || head.stream < 1 || head.stream > 2)
      return false;
    text = bytes(at + sizeof head, head.size);
    return text.size() == head.size;
  }

 private:
  std::string_view bytes(std::uint64_t at, std::size_t size) {
    if (at < begin_ || at + size > begin_ + kept_.size()) {
      begin_ = at;
      kept_.resize(window);
      const auto got = pread(file_.get(), kept_.data(), kept_.size(), static_cast<off_t>(at));
      kept_.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    }
    return std::string_view{kept_}.substr(static_cast<std::size_t>(at - begin_), size);
  }
  static constexpr std::size_t window = 256U << 10;
  static_assert(window > limits::job_log_line_bytes);
  unique_fd file_;
  std::string kept_;
  std::uint64_t begin_ = 0;
};

}  // namespace

result<job_log_page> read_job_log(int folder, const log_query& which) {
  std::uint64_t at = 0;
  if (!which.cursor.empty()) {
    const auto offset =
        which.cursor.front() == 'o' ? core::read_hex_number(std::string_view{which.cursor}.substr(1)) : std::nullopt;
    if (!offset) return error{errc::invalid_argument, "\"" + which.cursor + "\" is not a cursor of this log"};
    at = *offset;
  }
  const auto pieces = pieces_of(folder);
  if (!pieces) return pieces.error();
  job_log_page out;
  if (!pieces->empty() && at < pieces->front()) {
    out.cut_bytes = pieces->front() - at;
    at = pieces->front();
  }
  const auto limit = std::clamp<std::size_t>(which.limit, 1, limits::job_log_page_lines);
  std::size_t bytes = 0;
  auto piece = std::upper_bound(pieces->begin(), pieces->end(), at);
  if (piece != pieces->begin()) --piece;
  for (; piece != pieces->end() && !out.has_more; ++piece) {
    at = std::max(at, *piece);
    piece_reader from{folder, *piece};
    if (!from.there()) continue;  // cut off meanwhile
    job_log_frame head;
    std::string_view text;
    while (from.frame(at - *piece, head, text)) {
      if (out.lines.size() == limit || (bytes + text.size() > limits::job_log_page_bytes && !out.lines.empty())) {
        out.has_more = true;
        break;
      }
      bytes += text.size();
      out.lines.push_back({.time = timestamp{duration{head.at_us}},
                           .stream = head.stream == 1 ? "stdout" : "stderr",
                           .text = std::string{text},
                           .continues = head.continues == 1});
      at += sizeof head + head.size;
    }
  }
  out.next_cursor = "o" + core::hex_number(at, log_name_digits);
  return out;
}

result<job_output> read_job_output(int folder, std::size_t limit_bytes) {
  const auto pieces = pieces_of(folder);
  if (!pieces) return pieces.error();
  job_output out;
  // Whose it was that is gone cannot be told.
  if (!pieces->empty()) out.cut_out = pieces->front();
  for (const auto piece : *pieces) {
    piece_reader from{folder, piece};
    job_log_frame head;
    std::string_view text;
    for (std::uint64_t at = 0; from.frame(at, head, text); at += sizeof head + head.size) {
      auto& to = head.stream == 1 ? out.out : out.error;
      auto& cut = head.stream == 1 ? out.cut_out : out.cut_error;
      const auto room = cut > 0 ? 0 : limit_bytes - to.size();
      to.append(text.substr(0, room));
      cut += text.size() - std::min(room, text.size());
      if (head.continues != 0) continue;
      if (cut == 0 && to.size() < limit_bytes) {
        to += '\n';
      } else {
        ++cut;
      }
    }
  }
  return out;
}

}  // namespace perdure::actors
