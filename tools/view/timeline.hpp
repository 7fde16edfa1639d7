// timeline: what the executors of a run did over time, folded from its events.
//
// Operation: `timeline_reader::add` every event of the run in order; `read` gives the bars up to `now`.
// Concurrency: one thread. Limitations: steps inside an executor are not told apart; that a task waits is told as well
// as run_view can tell it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/view/run_view.hpp"

namespace perdure::tools {

struct timeline {
  enum class doing : std::uint8_t {
    pending,  ///< to be started by somebody
    running,
    waiting,   ///< for time, a signal, an answer
    retrying,  ///< failed, and waits to be tried again
    paused,    ///< the whole run only
  };
  struct span {
    doing what = doing::running;
    timestamp from{}, to{};
    std::uint32_t attempt = 1;
  };
  struct row {
    std::string name, reference;
    activation_id activation = 0;
    std::string status;  ///< as `runs show` has it
    std::uint32_t attempts = 0;
    std::size_t depth = 0;  ///< tasks inside tasks
    timestamp from{}, to{};
    bool open = false;  ///< goes on after `to`
    std::vector<span> spans;
    std::vector<timestamp> failures;  ///< of attempts

    [[nodiscard]] duration took() const { return to - from; }
  };
  std::string run, workflow, version;
  row whole;  ///< the run itself
  std::vector<row> rows;
  std::size_t left_out = 0;

  /// At most so many rows: those that failed or go on, then the longest, in their order.
  void keep(std::size_t most);
};

[[nodiscard]] std::string_view name_of(timeline::doing what);

class timeline_reader {
 public:
  void add(const run_event& event);
  [[nodiscard]] timeline read(timestamp now) const;
  [[nodiscard]] const run_view& view() const { return view_; }

 private:
  void look_at(activation_id activation, const run_event& event);
  static void note(timeline::row& row, const std::string& status, std::uint32_t attempts, bool failed, timestamp at);

  run_view view_;
  timeline::row whole_;
  std::map<std::size_t, timeline::row> activations_, tasks_;
  std::map<activation_id, bool> open_;  ///< activations that have not ended
  timestamp last_{};
};

}  // namespace perdure::tools
