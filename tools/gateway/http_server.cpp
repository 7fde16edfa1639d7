#include "tools/gateway/http_server.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <algorithm>
#include <atomic>
#include <future>
#include <optional>
#include <set>
#include <thread>
#include <unordered_set>

#include "core/hex_number.hpp"
#include "tools/gateway/body_frame.hpp"
#include "tools/gateway/http_exchange.hpp"
#include "tools/gateway/http_text.hpp"
#include "tools/gateway/parse_errors.hpp"
#include "tools/gateway/request_reader.hpp"
#include "tools/gateway/transport.hpp"

namespace perdure::tools::gateway {
namespace {
namespace asio = boost::asio;
using io_executor = asio::io_context::executor_type;
using clock_type = std::chrono::steady_clock;
using timer_type = asio::basic_waitable_timer<clock_type, asio::wait_traits<clock_type>, io_executor>;
using error_code = boost::system::error_code;

class session;

/// What sessions and exchanges share; outlives the server while one of them is held.
struct shared_state : server_port {
  explicit shared_state(server_options with) : how(std::move(with)), pool(how.threads) {}

  server_options how;
  asio::io_context io{1};
  asio::thread_pool pool;
  std::unordered_set<session*> sessions;  // the server's thread only
  std::atomic<std::uint64_t> connections{0}, requests{0}, streams{0}, accepted{0}, answered{0};
  std::atomic<bool> draining{false}, stopped{false};
  std::string id_base = core::hex_number(random_number()) + "-";  // a request's id begins with it
  std::uint64_t next_id = 0;                                      // the server's thread only
  std::array<char, 16384> unread{};                               // what nobody wants to know; the server's thread only

  std::string new_id() { return id_base + core::hex_number(++next_id); }
  void post(std::function<void()> call) override {
    if (!stopped) asio::post(io, std::move(call));
  }
  void work(std::function<void()> call) override { asio::post(pool, std::move(call)); }
  [[nodiscard]] bool has_room_for_stream() const override { return streams < how.limits.streams; }
  [[nodiscard]] const server_options& options() const override { return how; }
};

/// One connection, from its first byte to close(). Everything runs on the server's thread.
class session : public connection_port, public std::enable_shared_from_this<session> {
 public:
  session(std::shared_ptr<shared_state> server, std::unique_ptr<transport> bytes)
      : server_(std::move(server)), bytes_(std::move(bytes)), deadline_(server_->io.get_executor()), reader_(server_->how.limits),
        peer_(bytes_->peer()) {
    server_->sessions.insert(this);
    ++server_->connections;
  }

  void begin() {
    if (!bytes_->secure()) return wait_for_request();
    arm(limits().header_time, &session::close);
    bytes_->begin([self = shared_from_this()](const error_code& bad, std::size_t) {
      self->disarm();
      bad ? self->close() : self->wait_for_request();
    });
  }

  void wait_for_request() {
    if (closed_) return;
    ++number_;
    reader_.forget();
    held_.reset();
    if (reader_.has_bytes()) return read_header();
    arm(limits().idle_time, &session::close);
    const auto room = reader_.room();
    bytes_->read_some(room.data(), room.size(), [self = shared_from_this()](const error_code& bad, std::size_t got) {
      self->disarm();
      if (bad || self->closed_) return self->close();
      self->reader_.came(got);
      self->read_header();
    });
  }

  void close() {
    if (std::exchange(closed_, true)) return;
    disarm();
    bytes_->close();
    if (busy_) answered();
    busy_ = false;
    drain_calls_.clear();
    end_of_stream();
    server_->sessions.erase(this);
    --server_->connections;
  }

  void drain() {
    keep_alive_ = false;
    const auto calls = std::exchange(drain_calls_, {});
    for (const auto& each : calls) each();
  }

  // For the exchange with this number, on the server's thread.
  [[nodiscard]] bool expects(std::uint64_t number) const override { return !closed_ && busy_ && number == number_; }
  void on_drain(std::function<void()> call) override { server_->draining ? call() : drain_calls_.push_back(std::move(call)); }
  void on_revoked(std::function<void()> call) override { on_revoked_ = std::move(call); }
  /// Whose stream this is; empty = it is none.
  [[nodiscard]] std::string_view streams_for() const { return streaming_ ? std::string_view{caller_} : std::string_view{}; }
  void revoke() {
    keep_alive_ = false;
    if (const auto call = std::exchange(on_revoked_, nullptr)) call();
  }

  void send(const request& in, std::string_view caller, const response& what) override {
    const bool unknown = in.method == "HEAD" && what.body.empty() && !what.length;  // of a stream
    const bool bodyless = what.status == 204 || what.status == 304 || unknown;
    if (server_->draining) keep_alive_ = false;
    head_ = head_of(in, what);
    if (!bodyless) put_header(head_, "Content-Length", std::to_string(what.length.value_or(what.body.size())));
    head_ += "\r\n";
    body_ = bodyless || in.method == "HEAD" ? std::string{} : what.body;
    log(in, caller, what.status, body_.size());
    arm(limits().write_time, &session::close);
    bytes_->write(head_, body_, [self = shared_from_this()](const error_code& bad, std::size_t) { self->sent(bad); });
  }

  void begin_stream(const request& in, std::string_view caller, const response& head, std::string ping) override {
    if (server_->draining) keep_alive_ = false;
    frame_ = body_frame{version_ >= 11, head.length};
    if (!frame_.has_end()) keep_alive_ = false;
    queued_ = head_of(in, head);
    frame_.end_head(queued_);
    log(in, caller, head.status, 0);
    ping_ = std::move(ping);
    caller_ = caller;
    streaming_ = true;
    ended_ = false;
    answered();
    ++server_->streams;
    reader_.forget();
    reader_.shrink();
    flush();
  }
  void stream_write(std::string_view bytes) override {
    if (!streaming_ || ended_ || closed_ || bytes.empty()) return;
    frame_.add(queued_, bytes);
    if (!writing_) flush();
  }
  void stream_end() override {
    if (!streaming_ || closed_ || std::exchange(ended_, true)) return;
    if (!frame_.end(queued_)) keep_alive_ = false;  // cut short: the end of the connection says so
    if (!writing_) flush();
  }
  [[nodiscard]] std::size_t stream_pending() const override { return queued_.size() + flying_.size(); }
  void stream_calls(std::function<void()> room, std::function<void()> gone) override {
    if (room) on_room_ = std::move(room);
    if (!gone) return;
    if (!streaming_) return gone();
    on_gone_ = std::move(gone);
  }

 private:
  using until = request_reader::until;
  static constexpr std::size_t kept_body_bytes = 4096;

  [[nodiscard]] const http_limits& limits() const { return server_->how.limits; }

  void arm(std::chrono::milliseconds after, void (session::*what)()) {
    const auto turn = ++turn_;
    deadline_.expires_after(after);
    deadline_.async_wait([self = shared_from_this(), turn, what](const error_code& bad) {
      if (!bad && turn == self->turn_) ((*self).*what)();
    });
  }
  void disarm() {
    ++turn_;
    deadline_.cancel();
  }
  /// The read in hand ends with an error, and is answered.
  void give_up_reading() {
    timed_out_ = true;
    bytes_->cancel();
  }

  // Reading -------------------------------------------------------------------------------------------------------
  void read_header() {
    reader_.begin();
    began_ = clock_type::now();
    timed_out_ = false;
    keep_alive_ = false;
    version_ = 11;
    arm(limits().header_time, &session::give_up_reading);
    read_on(until::head);
  }

  /// Up to there, or to an error: then `header_read`, `body_read` or `give_piece` go on.
  void read_on(until what) {
    const auto now = reader_.read(what);
    if (now != request_reader::progress::more) return reached(what, now == request_reader::progress::there);
    const auto room = reader_.room();
    bytes_->read_some(room.data(), room.size(), [self = shared_from_this(), what](const error_code& bad, std::size_t got) {
      if (self->closed_) return;
      self->reader_.came(got);
      bad ? self->reached(what, self->reader_.broke(bad) == request_reader::progress::there) : self->read_on(what);
    });
  }
  void reached(until what, bool there) {
    disarm();
    if (what == until::head) return header_read(there);
    if (!there) return reading_failed();
    what == until::body ? body_read() : give_piece();
  }

  void header_read(bool there) {
    if (closed_) return;
    busy_ = counted_ = true;
    ++server_->requests;
    if (!there) return reading_failed();
    version_ = reader_.version();
    if (version_ != 10 && version_ != 11) return refuse(505, "this server speaks HTTP/1.1");
    keep_alive_ = reader_.keep_alive() && !server_->draining;
    if (reader_.target().size() > limits().target_bytes) return refuse(414, "the target of the request is too long");
    if (version_ == 11 && reader_.hosts() != 1) return refuse(400, "a request has one Host header");
    if (server_->requests > limits().requests) return refuse(503, "too many requests are being answered; try again later");
    const auto expects = lower(reader_.expects());
    if (!expects.empty() && expects != "100-continue") return refuse(417, "the only expectation that is met is 100-continue");
    if (reader_.done()) return body_read();
    waits_ = !expects.empty() && version_ == 11;
    if (server_->how.wants_sink && server_->how.wants_sink(reader_.method(), reader_.target())) return open_sink();
    if (!reader_.limit_body(limits().body_bytes)) return reading_failed();
    waits_ && server_->how.refuses ? look_first() : read_body();
  }

  /// The client waits with the body until it is told to go on: it is told at once when nobody would take it.
  void look_first() {
    held_ = std::make_shared<request>(take_request());
    if (!read_target(held_->target, *held_)) return refuse(400, "the target of the request is malformed");
    asio::post(server_->pool, [self = shared_from_this(), server = server_, head = held_] {
      server->post([self, refused = server->how.refuses(*head)] { self->looked(refused); });
    });
  }
  void looked(const std::optional<response>& refused) {
    if (closed_) return;
    if (refused) {
      keep_alive_ = false;
      return send(*held_, {}, *refused);
    }
    held_.reset();
    read_body();
  }

  void read_body() {
    let_go_on([](session& mine) {
      mine.arm(mine.limits().body_time, &session::give_up_reading);
      mine.read_on(until::body);
    });
  }
  /// What comes next, once the client knows that it may send the body.
  void let_go_on(void (*next)(session&)) {
    if (!std::exchange(waits_, false)) return next(*this);
    static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    arm(limits().write_time, &session::close);
    bytes_->write(go_on, {}, [self = shared_from_this(), next](const error_code& failed, std::size_t) {
      self->disarm();
      if (self->closed_) return;
      failed ? self->close() : next(*self);
    });
  }

  void body_read() {
    if (closed_) return;
    auto in = take_request();
    if (!read_target(in.target, in)) return refuse(400, "the target of the request is malformed");
    hand_over(std::move(in));
  }
  void hand_over(request in);
  // A body that goes to a sink: a piece is read here, taken there, and only then comes the next: it is never whole in memory.
  void open_sink() {
    held_ = std::make_shared<request>(take_request());
    if (!read_target(held_->target, *held_)) return refuse(400, "the target of the request is malformed");
    asio::post(server_->pool, [self = shared_from_this(), server = server_, head = held_] {
      server->post([self, opened = server->how.open_sink(*head)] { self->sink_opened(opened); });
    });
  }
  void sink_opened(const std::variant<std::shared_ptr<body_sink>, response>& opened) {
    if (closed_) return;
    if (const auto* refused = std::get_if<response>(&opened)) {
      keep_alive_ = false;
      return send(*held_, {}, *refused);
    }
    held_->sink = std::get<std::shared_ptr<body_sink>>(opened);
    let_go_on([](session& mine) { mine.read_piece(); });
  }
  void read_piece() {
    arm(limits().body_time, &session::give_up_reading);
    read_on(until::piece);
  }
  void give_piece() {
    if (closed_) return;
    auto piece = std::make_shared<std::string>(reader_.take_piece());
    asio::post(server_->pool, [self = shared_from_this(), server = server_, sink = held_->sink, piece = std::move(piece)] {
      server->post([self, goes_on = sink->take(*piece)] { self->piece_taken(goes_on); });
    });
  }
  void piece_taken(bool goes_on) {
    if (closed_) return;
    if (goes_on && !reader_.done()) return read_piece();
    if (!reader_.done()) keep_alive_ = false;
    hand_over(std::move(*held_));
  }

  void reading_failed() {
    if (timed_out_) return refuse(408, "the request did not come to its end in time");
    const auto told = refusal_of(reader_.why(), limits());  // nothing: nobody is there
    told ? refuse(told->status, told->message) : close();
  }

  request take_request() {
    auto out = reader_.take();
    out.id = server_->new_id();
    out.peer = peer_;
    if (const auto* named = out.header("x-request-id"); named != nullptr && fit_for_id(*named)) out.id = *named;
    return out;
  }

  void refuse(unsigned status, const std::string& message) {
    // The rest of a request that was not read to its end cannot be told from the next one.
    if (!reader_.done()) keep_alive_ = false;
    auto in = held_ ? std::move(*held_) : take_request();
    static_cast<void>(read_target(in.target, in));
    send(in, {}, server_->how.refuse(status, message, in));
  }

  // Writing -------------------------------------------------------------------------------------------------------
  std::string head_of(const request& in, const response& what) const {
    std::vector<field> more;
    if (server_->how.more_headers) server_->how.more_headers(in, more);
    return head_text(in, what, more, version_, keep_alive_);
  }

  void log(const request& in, std::string_view caller, unsigned status, std::size_t bytes) const {
    if (!server_->how.access) return;
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(clock_type::now() - began_);
    server_->how.access({&in, std::string{caller}, status, bytes, took});
  }

  /// A stream's request is answered when the stream begins; the exchange goes on until its end.
  void answered() {
    if (!std::exchange(counted_, false)) return;
    --server_->requests;
    ++server_->answered;
  }

  void sent(const error_code& bad) {
    disarm();
    if (closed_) return;
    answered();
    busy_ = false;
    drain_calls_.clear();
    head_.clear();
    if (body_.capacity() > kept_body_bytes) body_ = {};
    if (bad) return close();
    keep_alive_ ? wait_for_request() : linger();
  }

  void flush() {
    writing_ = true;
    flying_ = std::exchange(queued_, {});
    arm(limits().write_time, &session::close);
    bytes_->write(flying_, {}, [self = shared_from_this()](const error_code& bad, std::size_t) {
      self->writing_ = false;
      self->disarm();
      self->flying_ = {};
      if (self->closed_) return;
      bad ? self->close() : self->flushed();
    });
  }
  void flushed() {
    if (!queued_.empty()) return flush();
    if (ended_) {
      busy_ = false;
      drain_calls_.clear();
      end_of_stream();
      return keep_alive_ ? wait_for_request() : linger();
    }
    arm(limits().ping_time, &session::send_ping);
    if (const auto call = on_room_) call();
  }
  void send_ping() { stream_write(ping_); }
  void end_of_stream() {
    if (!std::exchange(streaming_, false)) return;
    --server_->streams;
    on_room_ = on_revoked_ = nullptr;
    queued_ = {};
    if (const auto call = std::exchange(on_gone_, nullptr)) call();
  }

  /// The client still sends what nobody will read: closed at once, that would take the answer away from it.
  void linger() {
    bytes_->end_writing();
    arm(limits().linger_time, &session::close);
    scrap();
  }
  void scrap() {
    auto& to = server_->unread;
    bytes_->read_some(to.data(), to.size(), [self = shared_from_this()](const error_code& bad, std::size_t) {
      if (self->closed_) return;
      bad ? self->close() : self->scrap();
    });
  }

  std::shared_ptr<shared_state> server_;
  std::unique_ptr<transport> bytes_;
  timer_type deadline_;
  request_reader reader_;
  std::shared_ptr<request> held_;  // its body goes to a sink
  std::string peer_, head_, body_;
  clock_type::time_point began_{};
  std::uint64_t turn_ = 0, number_ = 0;  // of the deadline; of the request
  unsigned version_ = 11;
  bool closed_ = false, busy_ = false, counted_ = false, timed_out_ = false, keep_alive_ = false;
  bool waits_ = false;  // the client waits to be told "100 Continue"
  // A stream's:
  bool streaming_ = false, ended_ = false, writing_ = false;
  body_frame frame_;
  std::string queued_, flying_, ping_, caller_;
  std::function<void()> on_room_, on_gone_, on_revoked_;
  std::vector<std::function<void()>> drain_calls_;
};

void session::hand_over(request in) {
  held_.reset();
  auto made = make_exchange(std::move(in), server_, shared_from_this(), number_);
  asio::post(server_->pool, [server = server_, made = std::move(made)]() mutable { server->how.handle(std::move(made)); });
}

}  // namespace

class http_server::impl {
 public:
  explicit impl(server_options how) : shared_(std::make_shared<shared_state>(std::move(how))) {}

  result<void> listen() {
    const auto& how = shared_->how;
    auto opened = listener::open(shared_->io, how.address, how.port, how.tls);
    if (!opened) return opened.error();
    listener_ = std::move(*opened);
    listener_->accept([this](std::unique_ptr<transport> from) { take(std::move(from)); });
    thread_ = std::thread{[shared = shared_] { shared->io.run(); }};
    return {};
  }

  void drain() {
    if (shared_->draining.exchange(true)) return;
    shared_->post([this] {
      for (const auto& each : all()) each->drain();
    });
  }

  void end_streams_unless(const std::function<bool(const std::string&)>& good) {
    const auto told = std::make_shared<std::promise<std::set<std::string>>>();
    auto callers = told->get_future();
    shared_->post([this, told] {
      std::set<std::string> out;
      for (const auto* each : shared_->sessions) out.emplace(each->streams_for());
      out.erase(std::string{});
      told->set_value(std::move(out));
    });
    auto bad = callers.get();
    std::erase_if(bad, good);
    if (bad.empty()) return;
    shared_->post([this, bad = std::move(bad)] {
      for (const auto& each : all()) {
        if (bad.contains(std::string{each->streams_for()})) each->revoke();
      }
    });
  }

  void stop() {
    if (!thread_.joinable()) return;
    shared_->draining = true;
    shared_->pool.join();
    shared_->post([this] {
      listener_->close();
      for (const auto& each : all()) each->close();
    });
    shared_->stopped = true;
    thread_.join();
  }

  std::shared_ptr<shared_state> shared_;
  std::unique_ptr<listener> listener_;

 private:
  /// A session may end while another is looked at.
  std::vector<std::shared_ptr<session>> all() {
    std::vector<std::shared_ptr<session>> out;
    for (auto* each : shared_->sessions) {
      if (auto held = each->weak_from_this().lock()) out.push_back(std::move(held));
    }
    return out;
  }

  void take(std::unique_ptr<transport> from) {
    ++shared_->accepted;
    if (shared_->connections < shared_->how.limits.connections)
      return std::make_shared<session>(shared_, std::move(from))->begin();
    from->turn_away("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nX-Request-Id: " + shared_->new_id() +
                    "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  }

  std::thread thread_;
};

result<std::unique_ptr<http_server>> http_server::start(server_options how) {
  auto made = std::make_unique<impl>(std::move(how));
  if (auto listens = made->listen(); !listens) return listens.error();
  return std::unique_ptr<http_server>(new http_server(std::move(made)));
}

http_server::http_server(std::unique_ptr<impl> held) : impl_(std::move(held)) {}
http_server::~http_server() { stop(); }

std::uint16_t http_server::port() const { return impl_->listener_->port(); }
result<bool> http_server::look_at_certificate() { return impl_->listener_->look_again(); }

server_figures http_server::figures() const {
  const auto& now = *impl_->shared_;
  return {now.connections, now.requests, now.streams, now.accepted, now.answered};
}

void http_server::drain() { impl_->drain(); }
void http_server::end_streams_unless(const std::function<bool(const std::string&)>& good) {
  if (!draining()) impl_->end_streams_unless(good);
}
bool http_server::draining() const { return impl_->shared_->draining; }

bool http_server::wait_idle(std::chrono::milliseconds limit) {
  const auto end = clock_type::now() + limit;
  while (impl_->shared_->requests > 0 || impl_->shared_->streams > 0) {
    if (clock_type::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
  }
  return true;
}

void http_server::stop() { impl_->stop(); }

}  // namespace perdure::tools::gateway
