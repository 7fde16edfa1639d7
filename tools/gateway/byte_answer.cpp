#include "tools/gateway/byte_answer.hpp"

#include <algorithm>
#include <charconv>

#include "core/percent.hpp"
#include "tools/gateway/answers.hpp"

namespace perdure::tools::gateway {

namespace {

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t out = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || read.ec != std::errc{} || read.ptr != text.data() + text.size()) return std::nullopt;
  return out;
}

// Operation: a piece is read on a thread that may block, written on the server's, and the next one is read when the client has
// taken it.
class byte_stream : public std::enable_shared_from_this<byte_stream> {
 public:
  byte_stream(std::shared_ptr<exchange> at, byte_source what, byte_range range, std::size_t piece_bytes)
      : at_(std::move(at)), what_(std::move(what)), next_(range.from), left_(range.size), piece_bytes_(piece_bytes) {}

  void start(response head) {
    head.length = left_;
    at_->answer_with_stream(std::move(head), {}, [self = shared_from_this()](std::shared_ptr<stream> to) {
      self->to_ = std::move(to);
      self->to_->on_room([self] { self->read_on(); });
      self->to_->on_gone([self] { self->to_.reset(); });
      self->read_on();
    });
  }

 private:
  void read_on() {
    if (reading_ || !to_) return;
    if (left_ == 0) return to_->end();
    reading_ = true;
    at_->work([self = shared_from_this()] {
      const auto piece = std::make_shared<std::string>(std::min<std::uint64_t>(self->left_, self->piece_bytes_), '\0');
      const auto got = self->what_.read(self->next_, piece->data(), piece->size());
      piece->resize(got ? *got : 0);
      self->at_->post([self, piece] { self->write(*piece); });
    });
  }
  void write(const std::string& piece) {
    reading_ = false;
    if (!to_) return;
    if (piece.empty()) return to_->end();  // too few: the server ends the connection
    next_ += piece.size();
    left_ -= piece.size();
    to_->write(piece);
  }

  std::shared_ptr<exchange> at_;
  byte_source what_;
  std::uint64_t next_, left_;
  const std::size_t piece_bytes_;
  bool reading_ = false;
  std::shared_ptr<stream> to_;
};

}  // namespace

result<std::optional<byte_range>> read_range(std::string_view header, std::uint64_t size) {
  constexpr std::string_view unit = "bytes=";
  const std::optional<byte_range> all;
  if (!header.starts_with(unit) || header.find(',') != std::string_view::npos) return all;
  header.remove_prefix(unit.size());
  const auto dash = header.find('-');
  if (dash == std::string_view::npos) return all;
  const auto first = whole_number(header.substr(0, dash)), last = whole_number(header.substr(dash + 1));
  const error none{errc::limit_exceeded, "there are no such bytes; it has " + std::to_string(size)};
  if (dash == 0) {  // the last so many
    if (!last) return all;
    if (*last == 0 || size == 0) return none;
    const auto count = std::min(*last, size);
    return std::optional{byte_range{size - count, count}};
  }
  if (!first || (!last && dash + 1 != header.size()) || (last && *last < *first)) return all;
  if (*first >= size) return none;
  const auto end = last ? std::min(*last, size - 1) : size - 1;
  return std::optional{byte_range{*first, end - *first + 1}};
}

void answer_bytes(const std::shared_ptr<exchange>& at, byte_source what, std::size_t piece_bytes) {
  const auto& in = at->in;
  const auto tag = "\"" + what.etag + "\"";
  response head{.type = what.type,
                .headers = {{"Accept-Ranges", "bytes"},
                            {"Content-Disposition", content_disposition(what.attachment, what.name)},
                            {"Content-Security-Policy", "sandbox; default-src 'none'"},
                            {"Cache-Control", "private"},
                            {"ETag", tag}}};
  if (const auto* known = in.header("if-none-match");
      known != nullptr && (*known == "*" || known->find(tag) != std::string::npos))
    return at->answer({.status = 304, .type = {}, .headers = {{"Cache-Control", "private"}, {"ETag", tag}}});
  byte_range range{0, what.size};
  const auto* asked = in.header("range");
  const auto* condition = in.header("if-range");
  if (asked != nullptr && in.method == "GET" && (condition == nullptr || *condition == tag)) {
    const auto read = read_range(*asked, what.size);
    if (!read) {
      auto out = refusal(416, read.error().message, in);
      out.headers.push_back({"Content-Range", "bytes */" + std::to_string(what.size)});
      return at->answer(std::move(out));
    }
    if (*read) {
      range = **read;
      head.status = 206;
      head.headers.push_back({"Content-Range", "bytes " + std::to_string(range.from) + "-" +
                                                   std::to_string(range.from + range.size - 1) + "/" +
                                                   std::to_string(what.size)});
    }
  }
  std::make_shared<byte_stream>(at, std::move(what), range, piece_bytes)->start(std::move(head));
}

bool may_be_shown(std::string_view type) {
  type = type.substr(0, type.find(';'));
  if (type == "image/svg+xml") return false;
  return type.starts_with("image/") || type.starts_with("audio/") || type.starts_with("video/") || type == "application/pdf" ||
         type == "text/plain";
}

std::string content_disposition(bool attachment, std::string_view name) {
  std::string plain;
  for (const auto c : name) plain += c >= ' ' && c < 127 && c != '"' && c != '\\' ? c : '_';
  return std::string{attachment ? "attachment" : "inline"} + "; filename=\"" + plain + "\"; filename*=UTF-8''" +
         core::percent_encoded(name);
}

}  // namespace perdure::tools::gateway
