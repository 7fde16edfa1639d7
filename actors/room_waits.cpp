#include "actors/room_waits.hpp"

namespace perdure::actors {

bool room_waits::note(const run_id& run, need what, std::string why) {
  const std::lock_guard lock{mutex_};
  const bool fresh = waits_.insert_or_assign({run, what}, std::move(why)).second;
  size_.store(waits_.size());
  return fresh;
}

void room_waits::over(const run_id& run, need what) {
  if (size_.load() == 0) return;
  const std::lock_guard lock{mutex_};
  waits_.erase({run, what});
  size_.store(waits_.size());
}

std::optional<std::string> room_waits::of(const run_id& run) const {
  if (size_.load() == 0) return std::nullopt;
  const std::lock_guard lock{mutex_};
  if (const auto own = waits_.find({run, need::records}); own != waits_.end())
    return std::string{waits_for_room} + ": " + own->second;
  if (const auto start = waits_.find({run, need::start}); start != waits_.end())
    return std::string{waits_for_room} + ", to start a run: " + start->second;
  return std::nullopt;
}

}  // namespace perdure::actors
