#include "tools/gateway/http_text.hpp"

#include <sys/random.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>

namespace perdure::tools::gateway {

std::uint64_t random_number() {
  std::uint64_t out = 0;
  [[maybe_unused]] const auto got = ::getrandom(&out, sizeof out, 0);
  return out;
}

std::string lower(std::string_view text) {
  std::string out{text};
  for (auto& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

bool fit_for_id(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.';
  };
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), fits);
}

bool takes_gzip(std::string_view accepted) {
  const auto trimmed = [](std::string_view text) {
    while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
    while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
    return text;
  };
  bool any = false;
  while (!accepted.empty()) {
    const auto end = accepted.find(',');
    const auto one = accepted.substr(0, end);
    const auto mark = one.find(';');
    const auto name = lower(trimmed(one.substr(0, mark)));
    const auto weight = mark == std::string_view::npos ? std::string{} : lower(trimmed(one.substr(mark + 1)));
    // A weight of nought refuses it: "q=0", "q=0.000".
    const bool refused = weight.starts_with("q=0") && weight.find_first_of("123456789") == std::string::npos;
    if (name == "gzip" || name == "x-gzip") return !refused;
    if (name == "*") any = !refused;
    if (end == std::string_view::npos) break;
    accepted.remove_prefix(end + 1);
  }
  return any;
}

bool worth_gzip(std::string_view type) {
  return type.starts_with("text/") || type.find("json") != std::string_view::npos || type.find("yaml") != std::string_view::npos;
}

std::string gzip(std::string_view text) {
  z_stream flow{};
  constexpr int fast = 1, gzip_window = 15 + 16, memory = 8;
  if (deflateInit2(&flow, fast, Z_DEFLATED, gzip_window, memory, Z_DEFAULT_STRATEGY) != Z_OK) return {};
  std::string out(deflateBound(&flow, static_cast<uLong>(text.size())), '\0');
  flow.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  flow.avail_in = static_cast<uInt>(text.size());
  flow.next_out = reinterpret_cast<Bytef*>(out.data());
  flow.avail_out = static_cast<uInt>(out.size());
  const bool whole = deflate(&flow, Z_FINISH) == Z_STREAM_END;
  out.resize(whole ? flow.total_out : 0);
  deflateEnd(&flow);
  return out;
}

std::string http_date() {
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 40> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

void put_header(std::string& head, std::string_view name, std::string_view value) {
  head.append(name).append(": ");
  for (const auto c : value) head += c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
  head += "\r\n";
}

}  // namespace perdure::tools::gateway
