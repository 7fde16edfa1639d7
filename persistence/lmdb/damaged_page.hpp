// What this process does when LMDB finds a page of the journal that cannot be.
#pragma once

namespace perdure::persistence {

/// The process ends in any case: LMDB holds locks then. With a code it ends with that, without a word and at once, for whoever
/// runs a reader in a process of its own; 0, the default: a message on standard error, and an abort.
void exit_on_damaged_page(int code);

}  // namespace perdure::persistence
