// The journal writer: the one actor that appends. Detached in production, scheduled in tests.
//
// Operation: requests that arrive while a commit is under way gather in the mailbox; the next commit takes all of
// them. Every requester gets one `appended` after the commit that holds its item.
#pragma once

#include <functional>
#include <memory>

#include "actors/caf_support.hpp"

namespace perdure::actors {

struct services;

/// `fatal` is called once, from the writer, when the journal cannot go on.
[[nodiscard]] caf::actor spawn_journal_writer(caf::actor_system& system, std::shared_ptr<services> shared,
                                              std::function<void()> fatal, hosting where = hosting::own_thread);

}  // namespace perdure::actors
