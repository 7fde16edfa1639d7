// Server-Sent Events of one run, from its journal: resumed exactly, bounded, and never in the way of the engine.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "perdure/run.hpp"
#include "tools/gateway/http.hpp"

namespace perdure::tools::gateway {

/// The place of a frame: the LSN of the event that it tells of, and its number among those that tell of it.
struct frame_place {
  lsn_t lsn = 0;
  std::uint64_t part = 0;
  auto operator<=>(const frame_place&) const = default;

  /// "17" for the first, "17.2" for the third.
  [[nodiscard]] std::string str() const;
  [[nodiscard]] static std::optional<frame_place> parse(std::string_view text);
};
/// Of the Last-Event-ID header, else of the parameter `after`; the beginning when there is neither. invalid_argument.
[[nodiscard]] result<frame_place> resume_place(const request& in);

/// What becomes of an event: frames without their ids ("event: …\ndata: …\n"), and whether the stream ends with them.
struct frames {
  std::vector<std::string> texts;
  bool last = false;
  bool rests = false;  ///< the stream ends with them unless the client had them all before
};
/// Called for every event of the run, and of those that go on from it, once and in order. One thread at a time.
using frame_maker = std::function<frames(const run_event&)>;

struct event_stream_options {
  frame_place after;
  frame_maker make;
  std::string ping;      ///< what a silent stream says
  std::string farewell;  ///< the frame that ends the stream when the node stops
  std::string revoked;   ///< the frame that ends it when its key is not good any more
  std::size_t backlog_bytes = 1U << 20;
  std::size_t piece_bytes = 256U << 10;
};

/// Answers with the stream; it goes on by itself until the run's end, the client's, or the node's.
void stream_events(const std::shared_ptr<exchange>& at, run_ref run, event_stream_options how);

}  // namespace perdure::tools::gateway
