// The port to time zones.
#pragma once

#include "dsl/cron.hpp"
#include "perdure/time.hpp"

namespace perdure::dsl {

/// Any thread; may read files.
class clock_host {
 public:
  virtual ~clock_host() = default;
  /// The next time later than `after`. A time that the zone leaves out (when summer begins) is when it goes on; of one that
  /// it has twice the first counts. invalid_argument: the zone is not known; not_found: there is no such time.
  virtual result<timestamp> next(const cron& what, timestamp after) = 0;
};

}  // namespace perdure::dsl
