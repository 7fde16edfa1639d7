#include "actors/http/websocket.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <cstdlib>
#include <deque>
#include <thread>

#include "actors/http/http_client.hpp"
#include "actors/http/url.hpp"
#include "core/base64.hpp"
#include "core/json_text.hpp"

namespace perdure::actors {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using tcp = asio::ip::tcp;
using asio::awaitable;
using boost::system::error_code;
using namespace std::chrono_literals;

constexpr auto ready = asio::as_tuple(asio::use_awaitable);
constexpr auto connect_time = 30s;
constexpr auto idle_time = 5min;  ///< a server that does not even answer a ping in it is gone
constexpr auto unasked_time = 10min;
constexpr std::size_t message_bytes = 4U << 20U;
constexpr std::size_t waiting_bytes = 1U << 20U;

failure told(std::string code, std::string message, std::int32_t status = 0) {
  failure out{.code = std::move(code), .message = std::move(message)};
  out.status = status;
  return out;
}

const json::value& member(const json::object& of, std::string_view name) {
  static const json::value none;
  const auto* found = of.if_contains(name);
  return found == nullptr ? none : *found;
}
bool flag(const json::object& of, std::string_view name) {
  const auto& found = member(of, name);
  return found.is_bool() && found.get_bool();
}

/// Where a ws or wss address leads.
struct place {
  bool secure = false;
  std::string host, port, target, name;  ///< name: host with the port, if the address has one
};
/// Beast writes into its request what it is given, line breaks too.
bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7F'; });
}
bool is_header(const std::string& name, const std::string& value) {
  const bool fits = !name.empty() && is_visible(name) && name.find_first_of("()<>@,;:\\\"/[]?={}") == std::string::npos;
  return fits && value.find_first_of(std::string_view{"\r\n\0", 3}) == std::string::npos;
}

std::optional<place> place_of(std::string_view url) {
  if (!is_visible(url)) return std::nullopt;
  place out;
  out.secure = url.starts_with("wss://");
  if (!out.secure && !url.starts_with("ws://")) return std::nullopt;
  url.remove_prefix(out.secure ? 6 : 5);
  url = url.substr(0, url.find('#'));
  const auto end = url.find_first_of("/?");
  out.name = url.substr(0, end);
  out.target = end == std::string_view::npos ? "/" : (url[end] == '?' ? "/" : "") + std::string{url.substr(end)};
  if (out.name.find('@') != std::string::npos) return std::nullopt;  // who it is from stands in the policy
  const auto bracket = out.name.find(']');
  const auto colon = out.name.find(':', bracket == std::string::npos ? 0 : bracket);
  out.host = out.name.substr(0, colon);
  out.port = colon == std::string::npos ? (out.secure ? "443" : "80") : out.name.substr(colon + 1);
  if (out.host.starts_with('[') && out.host.ends_with(']')) out.host = out.host.substr(1, out.host.size() - 2);
  if (out.host.empty() || out.port.empty()) return std::nullopt;
  return out;
}

/// What a connection begins with.
struct opening {
  place at;
  http_headers headers;
  bool only_public = false;
};

json::value value_of(const beast::flat_buffer& from, bool text) {
  const auto bytes = beast::buffers_to_string(from.data());
  if (!text) return json::value(core::to_base64(bytes));
  if (auto read = core::read_json_text(bytes)) return std::move(*read);
  return json::value(bytes);
}

/// One connection, with TLS or without.
class socket {
 public:
  virtual ~socket() = default;
  virtual awaitable<std::optional<failure>> open(const opening& how, asio::ssl::context& tls) = 0;
  virtual awaitable<error_code> send(std::string text) = 0;
  virtual awaitable<error_code> receive(beast::flat_buffer& into, bool& text) = 0;
  virtual awaitable<void> close() = 0;
  virtual void cut() = 0;
};

template <class Stream>
class socket_of final : public socket {
 public:
  template <class... Arguments>
  explicit socket_of(Arguments&&... arguments) : stream_(std::forward<Arguments>(arguments)...) {}

  awaitable<std::optional<failure>> open(const opening& how, asio::ssl::context&) override {
    const auto& at = how.at;
    const auto what = (at.secure ? "wss://" : "ws://") + at.name + at.target;
    const auto fail = [&](const std::string& why) { return told("communication", what + " failed: " + why); };
    auto& lowest = beast::get_lowest_layer(stream_);
    tcp::resolver resolver{lowest.get_executor()};
    auto [unknown, found] = co_await resolver.async_resolve(at.host, at.port, ready);
    if (unknown) co_return fail(unknown.message());
    if (cut_) co_return fail("it was cut off");
    std::vector<tcp::endpoint> allowed;
    for (const auto& each : found) {
      if (!how.only_public || is_public_address(each.endpoint().address().to_string())) allowed.push_back(each.endpoint());
    }
    if (allowed.empty()) co_return fail(at.host + " leads to no address that is allowed here");
    lowest.expires_after(connect_time);
    auto [unreachable, endpoint] = co_await lowest.async_connect(allowed, ready);
    if (unreachable) co_return fail(unreachable.message());
    if constexpr (!std::is_same_v<Stream, beast::tcp_stream>) {
      auto& secure = stream_.next_layer();
      SSL_set_tlsext_host_name(secure.native_handle(), at.host.c_str());
      secure.set_verify_callback(asio::ssl::host_name_verification(at.host));
      auto [untrusted] = co_await secure.async_handshake(asio::ssl::stream_base::client, ready);
      if (untrusted) co_return fail(untrusted.message());
    }
    lowest.expires_never();  // the stream has limits of its own from here on
    auto limits = websocket::stream_base::timeout::suggested(beast::role_type::client);
    limits.handshake_timeout = connect_time;
    limits.idle_timeout = idle_time;
    limits.keep_alive_pings = true;
    stream_.set_option(limits);
    stream_.set_option(websocket::stream_base::decorator([&how](websocket::request_type& request) {
      for (const auto& [name, value] : how.headers) request.set(name, value);
    }));
    stream_.read_message_max(message_bytes);
    websocket::response_type answer;
    auto [refused] = co_await stream_.async_handshake(answer, at.name, at.target, ready);
    if (refused == websocket::error::upgrade_declined) {
      co_return told("communication",
                     what + " was answered with status " + std::to_string(answer.result_int()) + ", not with a WebSocket",
                     static_cast<std::int32_t>(answer.result_int()));
    }
    if (refused) co_return fail(refused.message());
    open_ = true;
    co_return std::nullopt;
  }
  awaitable<error_code> send(std::string text) override {
    stream_.text(true);
    auto [bad, size] = co_await stream_.async_write(asio::buffer(text), ready);
    co_return bad;
  }
  awaitable<error_code> receive(beast::flat_buffer& into, bool& text) override {
    auto [bad, size] = co_await stream_.async_read(into, ready);
    text = stream_.got_text();
    co_return bad;
  }
  awaitable<void> close() override {
    // While the handshake goes on there is nothing to take leave of; Beast asserts that nobody tries.
    if (open_) (void)co_await stream_.async_close(websocket::close_code::normal, ready);
    cut();
  }
  void cut() override {
    cut_ = true;
    error_code ignored;
    beast::get_lowest_layer(stream_).socket().close(ignored);
  }

 private:
  websocket::stream<Stream> stream_;
  bool open_ = false, cut_ = false;
};

/// Messages of one connection on their way to those who ask.
struct subscription {
  explicit subscription(asio::io_context& in) : room(in), unasked(in) {}
  std::deque<json::value> messages;
  std::size_t bytes = 0;
  std::optional<failure> over;
  std::function<void(core::outcome)> asker;
  std::uint64_t question = 0;  ///< counts askers, so that a late stop does not end a later one
  std::shared_ptr<socket> at;
  asio::steady_timer room, unasked;
  bool closed = false;
};

/// All that is on its way. But for the constructor, on the capability's thread only; it outlives that thread, and its coroutines.
class hub {
 public:
  hub() {
    error_code ignored;
    if (const auto* own = std::getenv("PERDURE_CA_FILE"); own != nullptr && *own != '\0') {
      tls_.load_verify_file(own, ignored);
    } else {
      tls_.set_default_verify_paths(ignored);
    }
    tls_.set_verify_mode(asio::ssl::verify_peer);
  }

  asio::io_context& context() { return io_; }

  /// On the hub's thread.
  void begin(capability_request request, const json::object& spec, opening how) {
    if (over_) return request.done({.error = told(std::string{failure_code::cancelled}, "the node is closing")});
    const auto name = member(spec, "subscription");
    if (name.is_string()) return ask(std::move(request), std::string{name.get_string()}, flag(spec, "close"), std::move(how));
    std::string text;
    const auto& body = member(spec, "body");
    if (body.is_string()) {
      text = std::string{body.get_string()};
    } else {
      core::write_json_text(text, body);
    }
    asio::co_spawn(io_, publish(this, std::move(request), std::move(text), std::move(how)), asio::detached);
  }

  void stop_all() {
    over_ = true;
    for (auto& [key, each] : std::exchange(known_, {})) {
      finish(*each, told(std::string{failure_code::cancelled}, "the node is closing"));
    }
    for (const auto& each : sockets_) {
      if (const auto one = each.lock()) one->cut();
    }
  }

 private:
  std::shared_ptr<socket> make_socket(const place& at) {
    using plain = beast::tcp_stream;
    std::shared_ptr<socket> out;
    if (at.secure) {
      out = std::make_shared<socket_of<beast::ssl_stream<plain>>>(io_, tls_);
    } else {
      out = std::make_shared<socket_of<plain>>(io_);
    }
    std::erase_if(sockets_, [](const auto& each) { return each.expired(); });
    sockets_.push_back(out);
    return out;
  }

  static awaitable<void> publish(hub* self, capability_request request, std::string text, opening how) {
    const auto at = self->make_socket(how.at);
    auto failed = co_await at->open(how, self->tls_);
    if (!failed) {
      const auto bad = co_await at->send(std::move(text));
      if (bad) failed = told("communication", "the message could not be sent: " + bad.message());
    }
    if (failed && self->over_) failed = told(std::string{failure_code::cancelled}, "the node is closing");
    // Sent is sent, however the connection ends.
    if (!failed) co_await at->close();
    if (failed) {
      request.done({.error = std::move(failed)});
    } else {
      request.done({.value = payload{json::value{{"content", nullptr}}}});
    }
  }

  void ask(capability_request request, const std::string& name, bool close, opening how) {
    const auto key = request.run + "/" + name;
    auto& slot = known_[key];
    if (close) {
      if (slot) end(*slot, told(std::string{failure_code::cancelled}, "the subscription is over"));
      known_.erase(key);
      return request.done({.value = payload{json::value{{"content", nullptr}}}});
    }
    if (!slot) {
      slot = std::make_shared<subscription>(io_);
      slot->at = make_socket(how.at);
      asio::co_spawn(io_, receive(this, slot, std::move(how)), asio::detached);
    }
    const auto one = slot;
    if (one->asker) std::exchange(one->asker, nullptr)({.error = told(std::string{failure_code::cancelled}, "asked again")});
    one->asker = std::move(request.done);
    const auto question = ++one->question;
    one->unasked.cancel();
    // It lives as long as the one who asks.
    auto watch = std::make_shared<std::optional<std::stop_callback<std::function<void()>>>>();
    watch->emplace(request.stop, std::function<void()>{[this, key, question] {
                     asio::post(io_, [this, key, question] { stopped(key, question); });
                   }});
    one->asker = [done = std::move(one->asker), watch](core::outcome out) mutable { done(std::move(out)); };
    deliver(key, one);
  }

  void stopped(const std::string& key, std::uint64_t question) {
    const auto found = known_.find(key);
    if (found == known_.end() || found->second->question != question || !found->second->asker) return;
    const auto one = found->second;
    known_.erase(found);
    end(*one, told(std::string{failure_code::cancelled}, "stopped"));
  }

  static void finish(subscription& one, failure why) {
    one.closed = true;
    one.room.cancel();
    one.unasked.cancel();
    if (one.asker) std::exchange(one.asker, nullptr)({.error = std::move(why)});
  }
  void end(subscription& one, failure why) {
    finish(one, std::move(why));
    asio::co_spawn(io_, leave(one.at), asio::detached);
  }
  static awaitable<void> leave(std::shared_ptr<socket> at) { co_await at->close(); }

  void deliver(const std::string& key, const std::shared_ptr<subscription>& one) {
    if (!one->asker) return;
    if (one->messages.empty()) {
      if (!one->over) return;
      known_.erase(key);
      return std::exchange(one->asker, nullptr)({.error = *one->over});
    }
    json::array all;
    for (auto& each : one->messages) all.push_back(std::move(each));
    one->messages.clear();
    one->bytes = 0;
    one->room.cancel();
    one->unasked.expires_after(unasked_time);
    one->unasked.async_wait([this, key, weak = std::weak_ptr{one}](error_code cancelled) {
      const auto still = weak.lock();
      if (cancelled || !still || still->asker || still->closed) return;
      end(*still, {});
      known_.erase(key);
    });
    std::exchange(one->asker, nullptr)({.value = payload{json::value(json::object{{"content", std::move(all)}})}});
  }

  static awaitable<void> receive(hub* self, std::shared_ptr<subscription> one, opening how) {
    const auto find_key = [&]() -> std::string {
      for (const auto& [key, each] : self->known_) {
        if (each == one) return key;
      }
      return {};
    };
    auto failed = co_await one->at->open(how, self->tls_);
    while (!failed && !one->closed) {
      beast::flat_buffer buffer;
      bool text = true;
      const auto bad = co_await one->at->receive(buffer, text);
      if (bad) {
        failed = told("communication", "the connection to " + how.at.name + " ended: " + bad.message());
        break;
      }
      one->bytes += buffer.size() + 64;
      one->messages.push_back(value_of(buffer, text));
      self->deliver(find_key(), one);
      while (one->bytes > waiting_bytes && !one->closed) {
        one->room.expires_at(asio::steady_timer::time_point::max());
        (void)co_await one->room.async_wait(ready);
      }
    }
    if (one->closed) co_return;
    one->over = std::move(failed);
    self->deliver(find_key(), one);
  }

  asio::io_context io_{1};
  asio::ssl::context tls_{asio::ssl::context::tls_client};
  std::map<std::string, std::shared_ptr<subscription>> known_;  ///< by run and name
  std::vector<std::weak_ptr<socket>> sockets_;
  bool over_ = false;
};

class websocket_capability final : public capability {
 public:
  explicit websocket_capability(std::shared_ptr<oauth2_tokens> tokens)
      : tokens_(std::move(tokens)), hub_(std::make_shared<hub>()) {}
  /// What was begun comes to its end first: all of it is cut off.
  ~websocket_capability() override {
    stop_all();
    work_.reset();
    if (thread_.joinable()) thread_.join();
  }

  void start(capability_request request) override {
    auto spec = request.spec.value();
    if (!spec.is_object()) return request.done({.error = told("configuration", "bad websocket spec: expected an object")});
    auto what = std::make_shared<json::object>(std::move(spec.get_object()));
    opening how;
    const auto at = place_of(url_text(member(*what, "url")));
    if (!at)
      return request.done({.error = told("configuration", "no address of a WebSocket: " + url_text(member(*what, "url")))});
    how.at = *at;
    how.only_public = flag(*what, "public");
    if (const auto* headers = member(*what, "headers").if_object()) {
      for (const auto& [name, value] : *headers) how.headers.emplace_back(std::string{name}, url_text(value));
    }
    begin_thread();
    authenticate(std::make_shared<capability_request>(std::move(request)), what, std::move(how));
  }

  void stop_all() override {
    asio::post(hub_->context(), [all = hub_.get()] { all->stop_all(); });
  }

 private:
  void begin_thread() {
    const std::lock_guard lock{mutex_};
    if (thread_.joinable()) return;
    work_.emplace(hub_->context().get_executor());
    thread_ = std::thread{[all = hub_.get()] { all->context().run(); }};
  }

  void authenticate(const std::shared_ptr<capability_request>& request, const std::shared_ptr<json::object>& what, opening how) {
    const auto go_on = [weak = std::weak_ptr{hub_}, request, what](opening from) {
      for (const auto& [name, value] : from.headers) {
        if (is_header(name, value)) continue;
        return request->done(
            {.error = told("configuration", "the header \"" + name + "\" has a bad name, or a line break in its value")});
      }
      const auto held = weak.lock();
      if (!held) return request->done({.error = told(std::string{failure_code::cancelled}, "the node is closing")});
      asio::post(held->context(), [all = held.get(), request, what, how = std::move(from)]() mutable {
        all->begin(std::move(*request), *what, std::move(how));
      });
    };
    const auto* policy = member(*what, "authentication").if_object();
    if (policy == nullptr || policy->empty()) return go_on(std::move(how));
    const auto kind = std::string{policy->begin()->key()};
    const auto* inner = policy->begin()->value().if_object();
    const auto text = [&](std::string_view name) { return inner == nullptr ? std::string{} : url_text(member(*inner, name)); };
    if (inner != nullptr && kind == "basic") {
      how.headers.emplace_back("Authorization", "Basic " + core::to_base64(text("username") + ":" + text("password")));
      return go_on(std::move(how));
    }
    if (inner != nullptr && kind == "bearer") {
      how.headers.emplace_back("Authorization", "Bearer " + text("token"));
      return go_on(std::move(how));
    }
    if (inner == nullptr || (kind != "oauth2" && kind != "oidc")) {
      return request->done(
          {.error = told("configuration", "the authentication \"" + kind + "\" is not available for WebSockets")});
    }
    tokens_->get({.policy = *inner, .oidc = kind == "oidc", .only_public = how.only_public, .stop = request->stop},
                 [go_on, request, how = std::move(how)](oauth2_tokens::answer token) mutable {
                   if (auto* why = std::get_if<failure>(&token)) return request->done({.error = std::move(*why)});
                   how.headers.emplace_back("Authorization", "Bearer " + std::get<std::string>(token));
                   go_on(std::move(how));
                 });
  }

  std::shared_ptr<oauth2_tokens> tokens_;
  std::shared_ptr<hub> hub_;
  std::mutex mutex_;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_;
  std::thread thread_;
};

}  // namespace

std::shared_ptr<capability> make_websocket_capability(std::shared_ptr<oauth2_tokens> tokens) {
  return std::make_shared<websocket_capability>(std::move(tokens));
}

}  // namespace perdure::actors
