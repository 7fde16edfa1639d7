// What the run of a document's schedule goes on from. Stored as a message.
#pragma once

#include <string>

#include "perdure/message.hpp"

namespace perdure::dsl {

struct schedule_order {
  std::string missed = "once";  ///< ticks that nobody was there for: "skip", "once", "all"
  std::int64_t next_us = 0;     ///< the next tick, in microseconds since 1970; 0 = not known yet
  std::string subscription;     ///< to the events of "on"; empty = none yet
};
PERDURE_MESSAGE(schedule_order, "perdure.schedule_order/v1", missed, next_us, subscription)

/// The keys of runs of schedules begin with it.
inline constexpr std::string_view schedule_key = "perdure.schedule/";

}  // namespace perdure::dsl
