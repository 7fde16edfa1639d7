#include "tools/gateway/http.hpp"

#include <boost/beast/http/status.hpp>

#include <algorithm>

#include "core/json_text.hpp"
#include "tools/gateway/http_text.hpp"

namespace perdure::tools::gateway {

namespace {

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Percent-escapes, and in a query "+" for a space.
bool decode(std::string_view text, bool plus_is_space, std::string& out) {
  out.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return false;
      const auto high = digit(text[i + 1]), low = digit(text[i + 2]);
      if (high < 0 || low < 0) return false;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    if (c == '\0') return false;
    out += c;
  }
  return core::valid_utf8(out) == out;
}

const std::string* find(const std::vector<field>& in, std::string_view name) {
  const auto found = std::find_if(in.begin(), in.end(), [&](const field& each) { return each.name == name; });
  return found == in.end() ? nullptr : &found->value;
}

}  // namespace

const std::string* request::header(std::string_view lower_case_name) const { return find(headers, lower_case_name); }
const std::string* request::parameter(std::string_view name) const { return find(query, name); }

bool read_target(std::string_view target, request& into) {
  into.path.clear();
  into.query.clear();
  if (target.empty() || target.front() != '/') return false;
  target = target.substr(0, target.find('#'));
  const auto mark = target.find('?');
  auto path = target.substr(1, mark == std::string_view::npos ? mark : mark - 1);
  std::string part;
  while (!path.empty()) {
    const auto end = path.find('/');
    if (!decode(path.substr(0, end), false, part)) return false;
    into.path.push_back(part);
    if (end == std::string_view::npos) break;
    path.remove_prefix(end + 1);
  }
  if (mark == std::string_view::npos) return true;
  auto query = target.substr(mark + 1);
  while (!query.empty()) {
    const auto end = query.find('&');
    const auto one = query.substr(0, end);
    const auto equals = one.find('=');
    field each;
    if (!decode(one.substr(0, equals), true, each.name)) return false;
    if (equals != std::string_view::npos && !decode(one.substr(equals + 1), true, each.value)) return false;
    if (!one.empty()) into.query.push_back(std::move(each));
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
  return true;
}

void compress(const request& in, std::size_t least_bytes, response& what) {
  if (what.status != 200 || what.body.size() < least_bytes || !worth_gzip(what.type)) return;
  what.headers.push_back({"Vary", "Accept-Encoding"});
  const auto* accepted = in.header("accept-encoding");
  if (accepted == nullptr || !takes_gzip(*accepted)) return;
  auto smaller = gzip(what.body);
  if (smaller.empty() || smaller.size() >= what.body.size()) return;
  what.body = std::move(smaller);
  what.headers.push_back({"Content-Encoding", "gzip"});
}

std::string head_text(const request& in, const response& what, const std::vector<field>& more, unsigned version,
                      bool keep_alive) {
  std::string head = version == 10 ? "HTTP/1.0 " : "HTTP/1.1 ";
  const auto reason = boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(what.status));
  head.append(std::to_string(what.status)).append(" ").append(reason.data(), reason.size()).append("\r\n");
  put_header(head, "Date", http_date());
  if (!what.type.empty() && what.status != 204) put_header(head, "Content-Type", what.type);
  put_header(head, "X-Request-Id", in.id);
  put_header(head, "X-Content-Type-Options", "nosniff");
  for (const auto* list : {&what.headers, &more}) {
    for (const auto& each : *list) put_header(head, each.name, each.value);
  }
  if (!keep_alive) put_header(head, "Connection", "close");
  if (keep_alive && version == 10) put_header(head, "Connection", "keep-alive");
  return head;
}

}  // namespace perdure::tools::gateway
