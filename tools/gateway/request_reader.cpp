#include "tools/gateway/request_reader.hpp"

#include <boost/asio/error.hpp>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>

#include <algorithm>
#include <optional>

#include "tools/gateway/http_text.hpp"

namespace perdure::tools::gateway {

namespace {

namespace beast = boost::beast;
namespace beast_http = boost::beast::http;
using boost::system::error_code;

constexpr std::size_t head_read_bytes = 4096, body_read_bytes = 64U << 10;

/// A body as Beast reads it into a string, with memory for what has come and not for what was announced.
struct growing_body {
  using value_type = std::string;

  class reader {
   public:
    template <bool IsRequest, class Fields>
    reader(beast_http::header<IsRequest, Fields>&, value_type& body) : body_(body) {}

    void init(const boost::optional<std::uint64_t>& announced, error_code& bad) {
      bad = {};
      if (announced) body_.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(*announced, body_read_bytes)));
    }
    template <class Buffers>
    std::size_t put(const Buffers& buffers, error_code& bad) {
      bad = {};
      const auto before = body_.size();
      for (const auto each : beast::buffers_range_ref(buffers)) body_.append(static_cast<const char*>(each.data()), each.size());
      return body_.size() - before;
    }
    void finish(error_code& bad) { bad = {}; }

   private:
    value_type& body_;
  };
};

std::string_view text_of(beast::string_view from) { return {from.data(), from.size()}; }

/// Of "http://host/path", which proxies are sent and servers have to take, the path.
std::string_view origin_form(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (lower(target.substr(0, scheme.size())) != scheme) continue;
    const auto path = target.find_first_of("/?", scheme.size());
    if (path == std::string_view::npos) return "/";
    return target[path] == '/' ? target.substr(path) : target;
  }
  return target;
}

}  // namespace

struct request_reader::state {
  explicit state(const http_limits& of) : limits(of), buffer(of.header_bytes + body_read_bytes) {}

  const http_limits& limits;
  beast::flat_buffer buffer;
  std::optional<beast_http::request_parser<growing_body>> parser;
  until what = until::head;
  error_code bad;

  [[nodiscard]] bool there() const {
    if (what == until::head) return parser->is_header_done();
    return parser->is_done() || (what == until::piece && parser->get().body().size() >= body_read_bytes);
  }
  progress failed(error_code why) {
    bad = why;
    return progress::failed;
  }
  [[nodiscard]] std::size_t most() const {
    return std::min(what == until::head ? head_read_bytes : body_read_bytes, buffer.max_size() - buffer.size());
  }
};

request_reader::request_reader(const http_limits& limits) : state_(std::make_unique<state>(limits)) {}
request_reader::~request_reader() = default;

bool request_reader::has_bytes() const { return state_->buffer.size() > 0; }

void request_reader::begin() {
  auto& parser = state_->parser.emplace();
  parser.header_limit(static_cast<std::uint32_t>(state_->limits.header_bytes));
  // Which of the two is known by the head.
  parser.body_limit(std::max(state_->limits.body_bytes, state_->limits.upload_bytes));
  state_->what = until::head;
  state_->bad = {};
}

void request_reader::forget() {
  state_->parser.reset();
  state_->what = until::head;
}

void request_reader::shrink() {
  if (state_->buffer.size() == 0) state_->buffer.shrink_to_fit();
}

request_reader::progress request_reader::read(until what) {
  auto& of = *state_;
  of.what = what;
  of.parser->eager(what != until::head);
  while (!of.there()) {
    if (of.buffer.size() > 0) {
      error_code bad;
      const auto used = of.parser->put(of.buffer.data(), bad);
      of.buffer.consume(used);
      if (bad && bad != beast_http::error::need_more) return of.failed(bad);
      if (used > 0) continue;
    }
    return of.most() > 0 ? progress::more : of.failed(beast_http::error::buffer_overflow);
  }
  return progress::there;
}

std::span<char> request_reader::room() {
  const auto place = state_->buffer.prepare(state_->most());
  return {static_cast<char*>(place.data()), place.size()};
}

void request_reader::came(std::size_t bytes) { state_->buffer.commit(bytes); }

request_reader::progress request_reader::broke(const error_code& how) {
  auto& of = *state_;
  if (how != boost::asio::error::eof) return of.failed(how);
  if (!of.parser->got_some()) return of.failed(beast_http::error::end_of_stream);
  error_code bad;
  of.parser->put_eof(bad);
  return bad ? of.failed(bad) : progress::there;
}

const error_code& request_reader::why() const { return state_->bad; }
bool request_reader::done() const { return state_->parser && state_->parser->is_done(); }
unsigned request_reader::version() const { return static_cast<unsigned>(state_->parser->get().version()); }
bool request_reader::keep_alive() const { return state_->parser->keep_alive(); }
std::string_view request_reader::method() const { return text_of(state_->parser->get().method_string()); }
std::string_view request_reader::target() const { return origin_form(text_of(state_->parser->get().target())); }
std::size_t request_reader::hosts() const { return state_->parser->get().count(beast_http::field::host); }
std::string_view request_reader::expects() const { return text_of(state_->parser->get()[beast_http::field::expect]); }

bool request_reader::limit_body(std::uint64_t bytes) {
  state_->parser->body_limit(bytes);
  if (state_->parser->content_length().value_or(0) <= bytes) return true;
  state_->bad = beast_http::error::body_limit;
  return false;
}

std::string request_reader::take_piece() { return std::exchange(state_->parser->get().body(), {}); }

request request_reader::take() {
  request out;
  if (!state_->parser || !state_->parser->is_header_done()) return out;
  auto& message = state_->parser->get();
  out.method = method();
  out.target = target();
  for (const auto& each : message)
    out.headers.push_back({lower(text_of(each.name_string())), std::string{text_of(each.value())}});
  if (done()) out.body = std::move(message.body());
  return out;
}

}  // namespace perdure::tools::gateway
