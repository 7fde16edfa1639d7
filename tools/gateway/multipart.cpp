#include "tools/gateway/multipart.hpp"

#include "core/hex_number.hpp"
#include "tools/gateway/http_text.hpp"

namespace perdure::tools::gateway {

namespace {

constexpr std::size_t boundary_chars = 70;  // RFC 2046

error malformed(const std::string& what) { return {errc::invalid_argument, "the multipart body is malformed: " + what}; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Up to the next semicolon that is in no quotes; what is left follows it.
std::string_view next_member(std::string_view& rest) {
  bool quoted = false;
  std::size_t at = 0;
  for (; at < rest.size() && (quoted || rest[at] != ';'); ++at) {
    if (rest[at] == '\\' && quoted) ++at;
    if (at < rest.size() && rest[at] == '"') quoted = !quoted;
  }
  at = std::min(at, rest.size());
  const auto out = rest.substr(0, at);
  rest.remove_prefix(std::min(rest.size(), at + 1));
  return trimmed(out);
}

std::string unquoted(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::string{text};
  std::string out;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    // Browsers escape quotes alone; a backslash before anything else is one of the name.
    if (text[i] == '\\' && i + 2 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\')) ++i;
    out += text[i];
  }
  return out;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const auto byte = i + 2 < text.size() ? core::read_hex_number(text.substr(i + 1, 2)) : std::nullopt;
    if (!byte) return std::nullopt;
    out += static_cast<char>(*byte);
    i += 2;
  }
  return out;
}

result<form_part> part_of(std::string_view headers) {
  form_part out;
  bool disposed = false;
  while (!headers.empty()) {
    const auto end = headers.find("\r\n");
    const auto line = headers.substr(0, end);
    headers.remove_prefix(end == std::string_view::npos ? headers.size() : end + 2);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return malformed("a line of a part's headers has no colon");
    const auto name = lower(trimmed(line.substr(0, colon)));
    const auto value = trimmed(line.substr(colon + 1));
    if (name == "content-type") out.type = value;
    if (name != "content-disposition") continue;
    disposed = true;
    const auto field = header_parameter(value, "name");
    if (!field) return malformed("a part has no name");
    out.name = *field;
    out.filename = header_parameter(value, "filename");
  }
  if (!disposed) return malformed("a part has no Content-Disposition");
  return out;
}

}  // namespace

std::optional<std::string> header_parameter(std::string_view value, std::string_view name) {
  std::optional<std::string> plain;
  static_cast<void>(next_member(value));
  while (!value.empty()) {
    const auto member = next_member(value);
    const auto equals = member.find('=');
    if (equals == std::string_view::npos) continue;
    const auto key = lower(trimmed(member.substr(0, equals)));
    const auto given = trimmed(member.substr(equals + 1));
    if (key == name && !plain) plain = unquoted(given);
    constexpr std::string_view charset = "utf-8''";
    if (key == std::string{name} + "*" && lower(given.substr(0, charset.size())) == charset) {
      if (auto decoded = percent_decoded(given.substr(charset.size()))) return decoded;
    }
  }
  return plain;
}

std::optional<std::string> boundary_of(std::string_view content_type) {
  if (lower(trimmed(content_type.substr(0, content_type.find(';')))) != "multipart/form-data") return std::nullopt;
  auto boundary = header_parameter(content_type, "boundary");
  if (!boundary || boundary->empty() || boundary->size() > boundary_chars) return std::nullopt;
  return boundary;
}

multipart_reader::multipart_reader(std::string_view boundary, callbacks calls)
    : calls_(std::move(calls)), delimiter_("\r\n--" + std::string{boundary}), kept_("\r\n") {}

result<void> multipart_reader::feed(std::string_view piece) {
  if (complete()) return {};
  kept_ += piece;
  while (true) {
    const auto more = step();
    if (!more) return more.error();
    if (!*more) return {};
  }
}

/// False: more has to come first.
result<bool> multipart_reader::step() {
  switch (at_) {
    case place::before: {
      const auto found = kept_.find(delimiter_);
      if (found == std::string::npos) {
        if (kept_.size() > delimiter_.size()) kept_.erase(0, kept_.size() - delimiter_.size());
        return false;
      }
      kept_.erase(0, found + delimiter_.size());
      at_ = place::boundary;
      return true;
    }
    case place::boundary: {
      if (kept_.starts_with("--")) {
        kept_.clear();
        at_ = place::behind;
        return false;
      }
      const auto end = kept_.find_first_not_of(" \t");
      if (end == std::string::npos || kept_.size() < end + 2) {
        if (kept_.size() > header_bytes) return malformed("a boundary has no end");
        return false;
      }
      if (kept_.compare(end, 2, "\r\n") != 0) return malformed("a boundary has no end");
      kept_.erase(0, end + 2);
      at_ = place::headers;
      return true;
    }
    case place::headers: {
      const auto end = kept_.find("\r\n\r\n");
      if (end == std::string::npos || end > header_bytes) {
        if (kept_.size() > header_bytes) return malformed("a part's headers are over " + std::to_string(header_bytes) + " bytes");
        return false;
      }
      const auto part = part_of(std::string_view{kept_}.substr(0, end));
      if (!part) return part.error();
      kept_.erase(0, end + 4);
      at_ = place::data;
      if (auto begun = calls_.begin(*part); !begun) return begun.error();
      return true;
    }
    case place::data: {
      const auto found = kept_.find(delimiter_);
      const auto ready = found != std::string::npos          ? found
                         : kept_.size() >= delimiter_.size() ? kept_.size() - delimiter_.size() + 1
                                                             : 0;
      if (ready > 0) {
        if (auto taken = calls_.data(std::string_view{kept_}.substr(0, ready)); !taken) return taken.error();
      }
      kept_.erase(0, ready);
      if (found == std::string::npos) return false;
      kept_.erase(0, delimiter_.size());
      at_ = place::boundary;
      if (auto ended = calls_.end(); !ended) return ended.error();
      return true;
    }
    case place::behind: return false;
  }
  return false;
}

}  // namespace perdure::tools::gateway
