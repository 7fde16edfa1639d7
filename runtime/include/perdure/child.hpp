// Children and background work of a run: what a handler says of them, and the handle it holds.
#pragma once

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include <cstdint>
#include <string>

#include "perdure/time.hpp"

namespace perdure {

/// What becomes of a child that is still going on when its parent ends. The numbers are stored; never reuse one.
enum class parent_close : std::uint8_t {
  cancel = 1,   ///< it is asked to cancel
  wait = 2,     ///< a parent that would succeed waits for it; one that fails or is cancelled asks it to cancel, and waits
  abandon = 3,  ///< it goes on by itself
};
BOOST_DESCRIBE_ENUM(parent_close, cancel, wait, abandon)

/// Trivially destructible, so it may stand inside co_await expressions.
struct child_options {
  parent_close close = parent_close::cancel;
  duration timeout{0};  ///< of the child's whole run; 0 = its workflow's own
};

/// What becomes of background work when the run that spawned it ends.
enum class background_end : std::uint8_t { cancel = 1, wait = 2, detach = 3 };
struct background_options {
  background_end at_end = background_end::cancel;
  bool fails_run = false;  ///< its failure fails the run; else it is a warning in the run's events
  duration timeout{0};     ///< of the work; 0 = the workflow's own
};

/// A child that was started: a value, which may be kept in messages and in run-wide state.
struct child {
  std::string run_id;  ///< of its first run; it stays the same when the child continues as new
};
BOOST_DESCRIBE_STRUCT(child, (), (run_id))

struct wait_child_options {
  duration timeout{0};  ///< 0 = waits for ever; after it timeout_error, and the child goes on
};

struct continue_options {
  bool newest_version = false;  ///< the next run takes the version registered last; else it keeps this run's
};

}  // namespace perdure
