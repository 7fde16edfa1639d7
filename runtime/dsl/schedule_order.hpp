// What the run of a document's schedule goes on from. Stored as a message.
#pragma once

#include <string>
#include <vector>

#include "perdure/message.hpp"

namespace perdure::dsl {

struct schedule_order {
  std::string missed = "once";      ///< ticks that nobody was there for: "skip", "once", "all"
  std::int64_t next_us = 0;         ///< the next tick, in microseconds since 1970; 0 = not known yet
  std::string subscription;         ///< to the events of "on"; empty = none yet
  std::string trigger;              ///< "every", "cron", "after" or "on": what this run goes by; empty = not shared out yet
  std::vector<std::string> others;  ///< runs that go by the document's other triggers, and end with this one
};
PERDURE_MESSAGE(schedule_order, "perdure.schedule_order/v1", missed, next_us, subscription, trigger, others)

/// The keys of runs of schedules begin with it; those of the runs that another one began for a further trigger with the second.
inline constexpr std::string_view schedule_key = "perdure.schedule/";
inline constexpr std::string_view further_schedule_key = "perdure.schedule/further/";

}  // namespace perdure::dsl
