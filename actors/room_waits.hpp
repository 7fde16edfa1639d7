// room_waits: which runs of the node wait for room in the journal, and for what, so that whoever looks at them is told.
//
// Operation: noted by what finds no room, each time that it is tried again in vain; over when it goes through, or when the run
// leaves memory. No record says it: there is no room for one.
// Concurrency: any thread. `over` and `of` cost one atomic load while nobody waits.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "perdure/ids.hpp"

namespace perdure::actors {

/// What is said of such a run begins with this, in `run_summary::blocked` too.
inline constexpr std::string_view waits_for_room = "waits for room in the journal";

class room_waits {
 public:
  enum class need : std::uint8_t {
    records,  ///< of its own next events
    start,    ///< of a run that it starts
  };
  /// True when it was not known.
  bool note(const run_id& run, need what, std::string why);
  void over(const run_id& run, need what);
  /// For people; null: the run does not wait for room.
  [[nodiscard]] std::optional<std::string> of(const run_id& run) const;

 private:
  std::atomic<std::size_t> size_{0};
  mutable std::mutex mutex_;
  std::map<std::pair<run_id, need>, std::string> waits_;
};

}  // namespace perdure::actors
