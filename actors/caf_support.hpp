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

/// True when an actor ended as it should.
inline bool ended_well(const caf::error& reason) {
  return !reason || reason == caf::exit_reason::normal || reason == caf::exit_reason::user_shutdown;
}

}  // namespace perdure::actors
