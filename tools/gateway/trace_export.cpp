#include "tools/gateway/trace_export.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include <charconv>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "cluster/tenants.hpp"
#include "persistence/durable_file.hpp"
#include "tools/gateway/private_file.hpp"
#include "tools/gateway/spans.hpp"

namespace perdure::tools::gateway {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;

constexpr std::size_t most_runs = 100'000, most_kept = 50'000, batch = 512, records_at_once = 1'000;
constexpr std::chrono::milliseconds look_every{500};
constexpr std::chrono::seconds patience{5}, complain_every{60}, note_every{5};
/// When spans were not wanted for a while, the past is not told.
constexpr lsn_t most_behind = 200'000;
constexpr std::size_t position_bytes = 64;

struct place {
  std::string host, port, path;
};

result<place> place_of(const std::string& endpoint) {
  constexpr std::string_view scheme = "http://";
  const auto wrong = error{errc::invalid_argument, "\"" + endpoint + "\" is no endpoint; write http://127.0.0.1:4318/v1/traces"};
  if (!endpoint.starts_with(scheme)) return wrong;
  const auto rest = endpoint.substr(scheme.size());
  const auto slash = rest.find('/');
  auto host = rest.substr(0, slash);
  place out{.port = "80", .path = slash == std::string::npos ? "/v1/traces" : rest.substr(slash)};
  if (const auto colon = host.rfind(':'); colon != std::string::npos && host.find(']', colon) == std::string::npos) {
    out.port = host.substr(colon + 1);
    host.resize(colon);
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  out.host = host;
  const auto bad = [](const std::string& text) { return text.find_first_of(" \t\r\n@") != std::string::npos; };
  if (host.empty() || out.port.empty() || out.port.find_first_not_of("0123456789") != std::string::npos || bad(host) ||
      bad(out.path))
    return wrong;
  return out;
}

std::filesystem::path position_file(const std::filesystem::path& data) { return data / "trace.position"; }

/// The first record whose spans are not sent.
lsn_t read_position(const std::filesystem::path& data, lsn_t end) {
  const auto text = read_private(position_file(data), position_bytes);
  lsn_t out = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), out).ec != std::errc{}) return end;
  const bool known = out > 0 && out <= end && end - out <= most_behind;
  return known ? out : end;
}

/// One request on a connection of its own; empty = it was taken.
std::string post(const place& to, std::string body) {
  asio::io_context io;
  asio::ip::tcp::resolver find{io};
  boost::system::error_code bad;
  const auto addresses = find.resolve(to.host, to.port, bad);
  if (bad) return bad.message();
  beast::tcp_stream stream{io};
  beast::flat_buffer buffer;
  beast::http::request<beast::http::string_body> request{beast::http::verb::post, to.path, 11};
  beast::http::response<beast::http::string_body> answer;
  request.set(beast::http::field::host, to.host + ":" + to.port);
  request.set(beast::http::field::content_type, "application/json");
  request.set(beast::http::field::connection, "close");
  request.body() = std::move(body);
  request.prepare_payload();
  std::string problem = "no answer in time";
  const auto told = [&](const boost::system::error_code& why) {
    problem = why == beast::error::timeout ? problem : why.message();
    return static_cast<bool>(why);
  };
  stream.expires_after(patience);
  stream.async_connect(addresses, [&](const boost::system::error_code& failed, const auto&) {
    if (told(failed)) return;
    beast::http::async_write(stream, request, [&](const boost::system::error_code& cut, std::size_t) {
      if (told(cut)) return;
      beast::http::async_read(stream, buffer, answer, [&](const boost::system::error_code& end, std::size_t) {
        if (told(end)) return;
        problem = answer.result_int() / 100 == 2 ? "" : "status " + std::to_string(answer.result_int());
      });
    });
  });
  io.run();
  return problem;
}

}  // namespace

class trace_export::impl {
 public:
  impl(node& of, trace_options how, place to, lsn_t from)
      : node_(of), how_(std::move(how)), to_(std::move(to)),
        maker_(most_runs, [this](const run_id& run, const span_maker::taker& take) { tell_past(run, take); }), next_(from),
        thread_([this] { work(); }) {}
  ~impl() {
    {
      const std::lock_guard lock{mutex_};
      stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

 private:
  void work() {
    note_position(false);
    for (bool last = false; !last;) {
      {
        std::unique_lock lock{mutex_};
        last = wake_.wait_for(lock, look_every, [this] { return stopping_; });
      }
      read();
      send();
      note_position(last);
    }
    if (dropped_ > 0) how_.log("warning", std::to_string(dropped_) + " spans were dropped");
  }

  void tell_past(const run_id& run, const span_maker::taker& take) const {
    const auto told = cluster::records_of(node_, run, 0, [&](const core::record& at, core::blob_port&) {
      const auto event = core::decode(at.kind, at.schema, at.bytes, nullptr);
      return !event || take(at, *event);
    });
    if (!told && told.error().code != errc::not_found)
      how_.log("warning", "no spans of run " + run.str() + ": " + told.error().message);
  }

  /// Durable before it is needed: the spans of a process that is killed at once are not lost, either.
  void note_position(bool last) {
    const auto sent = kept_.empty() ? next_ : kept_.front().from;
    const auto now = std::chrono::steady_clock::now();
    if (noted_ == sent || (noted_at_ && !last && now - *noted_at_ < note_every)) return;
    if (auto put = persistence::put_file(position_file(how_.data), std::to_string(sent) + "\n"); !put) {
      if (!noted_at_) how_.log("warning", "after a restart spans may be missing: " + put.error().message);
    } else {
      noted_ = sent;
    }
    noted_at_ = now;
  }

  void read() {
    while (true) {
      const auto records = cluster::records_from(node_, next_, records_at_once);
      if (!records || records->empty()) return;
      for (const auto& each : *records) {
        next_ = each.lsn + 1;
        const auto event = core::decode(each.kind, each.schema, each.bytes, nullptr);
        if (!event) continue;  // what the journal wrote of itself
        std::vector<span> made;
        maker_.take(each, *event, made);
        for (auto& one : made) kept_.push_back({each.lsn, std::move(one)});
      }
      for (; kept_.size() > most_kept; ++dropped_) kept_.pop_front();
      if (records->size() < records_at_once) return;
    }
  }

  void send() {
    while (!kept_.empty()) {
      std::vector<span> some;
      for (std::size_t i = 0; i < std::min(batch, kept_.size()); ++i) some.push_back(kept_[i].what);
      if (const auto problem = post(to_, otlp_json(some, how_.service)); !problem.empty()) return complain(problem);
      kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(some.size()));
    }
  }

  void complain(const std::string& problem) {
    const auto now = std::chrono::steady_clock::now();
    if (told_at_ && now - *told_at_ < complain_every) return;
    told_at_ = now;
    how_.log("warning", "spans cannot be sent to " + how_.endpoint + " (" + problem + "); " + std::to_string(kept_.size()) +
                            " are kept, " + std::to_string(dropped_) + " were dropped");
  }

  node& node_;
  const trace_options how_;
  const place to_;
  span_maker maker_;
  lsn_t next_;
  struct kept_span {
    lsn_t from = 0;
    span what;
  };
  std::deque<kept_span> kept_;
  lsn_t noted_ = 0;
  std::optional<std::chrono::steady_clock::time_point> noted_at_;
  std::uint64_t dropped_ = 0;
  std::optional<std::chrono::steady_clock::time_point> told_at_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;  // the last: it uses the others
};

result<std::unique_ptr<trace_export>> trace_export::start(node& of, trace_options how) {
  auto to = place_of(how.endpoint);
  if (!to) return to.error();
  const auto last = cluster::last_lsn(of);
  if (!last) return last.error();
  const auto from = read_position(how.data, *last + 1);
  return std::unique_ptr<trace_export>(new trace_export(std::make_unique<impl>(of, std::move(how), std::move(*to), from)));
}

trace_export::trace_export(std::unique_ptr<impl> held) : impl_(std::move(held)) {}
trace_export::~trace_export() = default;

result<void> check_trace_endpoint(const std::string& endpoint) {
  const auto place = place_of(endpoint);
  if (!place) return place.error();
  return {};
}

}  // namespace perdure::tools::gateway
