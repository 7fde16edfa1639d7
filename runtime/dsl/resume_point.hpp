// Where a run of a document goes on with a new activation, so that a long loop does not keep all it did for a replay. Stored as a
// message that the activation sends to its own executor as the last thing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/resume_message.hpp"
#include "perdure/message.hpp"

namespace perdure::dsl {

/// A task that has begun and not ended; `raw`, `input`, `items` and `error` are places in resume_point::values.
struct resumed_task {
  std::uint32_t place = 0;  ///< in its list
  std::uint32_t number = 0;
  std::int64_t started_us = 0;
  std::uint32_t raw = 0, input = 0;
  std::int64_t limit_us = 0;  ///< of its time, and when that is over
  std::optional<std::int64_t> due_us;
  std::vector<std::uint32_t> extensions;  ///< those that apply, whose "before" is done
  std::uint64_t turn = 0;                 ///< for: the one that goes on
  std::optional<std::uint32_t> items;     ///< for: from that turn on, unless "in" gives the same again
  std::uint32_t attempt = 0;              ///< try: the one that goes on; 0 = no try
  std::int64_t first_us = 0;              ///< try: when the first one began
  std::optional<std::int64_t> attempt_due_us;
  std::optional<std::uint32_t> error;  ///< try: the one that is being handled
};
BOOST_DESCRIBE_STRUCT(resumed_task, (),
                      (place, number, started_us, raw, input, limit_us, due_us, extensions, turn, items, attempt, first_us,
                       attempt_due_us, error))

struct resume_point {
  std::vector<std::string> values;       ///< as JSON texts: inside of others they would be nested deeper than is allowed
  std::uint32_t input = 0, context = 0;  ///< places in `values`, as `value`
  std::int64_t started_us = 0;
  std::int64_t limit_us = 0;  ///< of the workflow's time, and when that is over
  std::optional<std::int64_t> due_us;
  std::uint32_t scopes = 0;         ///< the last number of a task
  std::vector<resumed_task> tasks;  ///< from the outside in
  std::uint32_t place = 0;          ///< of the task that comes next, in the list inside of them
  std::uint32_t value = 0;          ///< its input
};
PERDURE_MESSAGE(resume_point, "perdure.resume_point/v1", values, input, context, started_us, limit_us, due_us, scopes, tasks,
                place, value)
static_assert(message_name<resume_point> == core::resume_message);

}  // namespace perdure::dsl
