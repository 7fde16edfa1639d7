// The one header that knows how this version of CAF spells things. Everything in actors/ and cluster/ that touches CAF
// goes through it.
#pragma once

#include <caf/all.hpp>

#include "perdure/time.hpp"

/// Messages inside one process need no serialization.
#define PERDURE_LOCAL_MESSAGE(type) CAF_ALLOW_UNSAFE_MESSAGE_TYPE(type)

namespace perdure::actors {

/// A message to an actor from wherever; dropped silently when it is gone.
template <class T>
void tell(const caf::actor& to, T message) {
  if (to) caf::anon_send(to, std::move(message));
}

template <class Self, class T>
void tell_later(Self* self, duration delay, T message) {
  self->delayed_send(self, std::chrono::duration_cast<std::chrono::nanoseconds>(delay), std::move(message));
}

/// The steady clock as the actor's scheduler has it: virtual in tests whose scheduler is.
template <class Self>
[[nodiscard]] std::chrono::steady_clock::time_point steady_now(Self* self) {
  return self->clock().now();
}

/// Where an actor handles its messages: on a thread of its own (production), or with all others on the scheduler's (tests,
/// in which the scheduler chooses who is next).
enum class hosting : std::uint8_t { own_thread, scheduler };

template <class T, class... Args>
[[nodiscard]] caf::actor spawn_hosted(caf::actor_system& system, hosting where, Args&&... args) {
  if (where == hosting::scheduler) return system.spawn<T>(std::forward<Args>(args)...);
  return system.spawn<T, caf::detached>(std::forward<Args>(args)...);
}

/// True when an actor ended as it should.
inline bool ended_well(const caf::error& reason) {
  return !reason || reason == caf::exit_reason::normal || reason == caf::exit_reason::user_shutdown;
}

}  // namespace perdure::actors
