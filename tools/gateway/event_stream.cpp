#include "tools/gateway/event_stream.hpp"

#include <charconv>
#include <deque>
#include <mutex>

#include "tools/gateway/answers.hpp"

namespace perdure::tools::gateway {

namespace {

// Operation: the node's thread calls `take`, which makes frames and keeps them, up to a bound; the server's thread moves
// them to the client as fast as that takes them. Events over the bound are left out and read again from the journal once
// the client has caught up. The client that takes nothing for too long is disconnected by the server; its last id is good.
// Concurrency: the box is under its mutex; everything else runs on the server's thread.
class event_stream : public std::enable_shared_from_this<event_stream> {
 public:
  event_stream(std::shared_ptr<exchange> at, run_ref run, event_stream_options how)
      : at_(std::move(at)), run_(std::move(run)), how_(std::move(how)) {}

  void start() {
    response head{.type = "text/event-stream", .headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}}};
    at_->answer_with_stream(std::move(head), how_.ping,
                            [self = shared_from_this()](std::shared_ptr<stream> to) { self->begin(std::move(to)); });
  }

 private:
  struct frame {
    std::string text;
    bool last = false;
  };

  void begin(std::shared_ptr<stream> to) {
    to_ = std::move(to);
    to_->on_room([self = shared_from_this()] { self->pump(); });
    to_->on_gone([self = shared_from_this()] { self->over(); });
    at_->on_drain([self = shared_from_this()] { self->end_with(self->how_.farewell); });
    at_->on_revoked([self = shared_from_this()] { self->end_with(self->how_.revoked); });
    subscribe();
  }

  /// Subscribing looks into the journal, and the end of a subscription waits for its callback: neither is for the server's
  /// thread.
  void subscribe() {
    at_->work([self = shared_from_this(), old = std::exchange(held_, nullptr)]() mutable {
      old.reset();
      const std::weak_ptr<event_stream> weak = self;
      auto held = self->run_.subscribe([weak](const run_event& event) {
        if (const auto alive = weak.lock()) alive->take(event);
      });
      self->at_->post([self, held = std::make_shared<result<subscription>>(std::move(held))] { self->subscribed(held); });
    });
  }
  void subscribed(const std::shared_ptr<result<subscription>>& held) {
    if (over_) return release(held);
    if (!*held) return end_with(how_.farewell);
    held_ = held;
  }
  void release(std::shared_ptr<result<subscription>> held) {
    if (held) at_->work([held = std::move(held)]() mutable { held.reset(); });
  }

  /// The node's thread.
  void take(const run_event& event) {
    bool ring = false;
    {
      const std::lock_guard lock{mutex_};
      if (closed_ || event.lsn <= seen_) return;
      if (bytes_ >= how_.backlog_bytes) {
        missed_ = true;
        return;
      }
      seen_ = event.lsn;
      auto made = how_.make(event);
      frame_place place{event.lsn, 0};
      bool told = false;
      for (auto& text : made.texts) {
        if (place > how_.after) {
          box_.push_back({"id: " + place.str() + "\n" + text + "\n"});
          bytes_ += box_.back().text.size();
          told = true;
        }
        ++place.part;
      }
      if (made.last || (made.rests && told)) box_.push_back({{}, true});
      ring = !box_.empty() && !std::exchange(rung_, true);
    }
    if (ring) at_->post([self = shared_from_this()] { self->pump(); });
  }

  void pump() {
    if (over_ || !to_) return;
    std::string piece;
    bool last = false, again = false;
    {
      const std::lock_guard lock{mutex_};
      rung_ = false;
      while (!box_.empty() && !last && to_->pending() + piece.size() < how_.piece_bytes) {
        piece += box_.front().text;
        last = box_.front().last;
        bytes_ -= box_.front().text.size();
        box_.pop_front();
      }
      again = box_.empty() && !last && std::exchange(missed_, false);
    }
    to_->write(piece);
    if (last) return to_->end();
    if (again) subscribe();
  }

  void end_with(const std::string& last_words) {
    if (over_ || !to_) return;
    to_->write(last_words);
    to_->end();
  }

  void over() {
    over_ = true;
    {
      const std::lock_guard lock{mutex_};
      closed_ = true;
      box_.clear();
    }
    release(std::exchange(held_, nullptr));
    to_.reset();
  }

  std::shared_ptr<exchange> at_;
  run_ref run_;
  const event_stream_options how_;
  std::shared_ptr<stream> to_;
  std::shared_ptr<result<subscription>> held_;
  bool over_ = false;

  std::mutex mutex_;
  std::deque<frame> box_;
  std::size_t bytes_ = 0;
  lsn_t seen_ = 0;
  bool missed_ = false, rung_ = false, closed_ = false;
};

}  // namespace

std::string frame_place::str() const { return std::to_string(lsn) + (part == 0 ? "" : "." + std::to_string(part)); }

std::optional<frame_place> frame_place::parse(std::string_view text) {
  frame_place out;
  const auto* end = text.data() + text.size();
  auto [rest, bad] = std::from_chars(text.data(), end, out.lsn);
  if (bad != std::errc{}) return std::nullopt;
  if (rest != end && *rest == '.') {
    const auto part = std::from_chars(rest + 1, end, out.part);
    if (part.ec != std::errc{}) return std::nullopt;
    rest = part.ptr;
  }
  if (rest != end) return std::nullopt;
  return out;
}

result<frame_place> resume_place(const request& in) {
  const auto* given = in.header("last-event-id");
  if (given == nullptr) given = in.parameter("after");
  if (given == nullptr || given->empty()) return frame_place{};
  if (const auto place = frame_place::parse(*given)) return *place;
  return error{errc::invalid_argument, "\"" + *given + "\" is no id of an event of a stream"};
}

void stream_events(const std::shared_ptr<exchange>& at, run_ref run, event_stream_options how) {
  std::make_shared<event_stream>(at, std::move(run), std::move(how))->start();
}

}  // namespace perdure::tools::gateway
