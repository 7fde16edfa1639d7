// stream_text: the text in an answer of the type text/event-stream, as it comes: parts of what the other side writes, and notes
// of what it does.
//
// Operation: A2A's messages and artifacts, and `choices[0].delta.content` of chat completions, are text; A2A's states, and
// progress and log messages of MCP, are notes; data that is no JSON is text as it stands. All else says nothing.
// Concurrency: one thread. Limitations: an event of over `most_event_bytes` says nothing.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "actors/capabilities/capability.hpp"

namespace perdure::actors {

class stream_text {
 public:
  static constexpr std::size_t most_event_bytes = 1U << 20;

  [[nodiscard]] std::vector<told_text> take(std::string_view bytes);

 private:
  void line(std::string_view text, std::vector<told_text>& out);

  std::string line_, data_;
  bool has_data_ = false, too_long_ = false, after_cr_ = false;
};

}  // namespace perdure::actors
