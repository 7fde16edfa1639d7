// Ctrl-C and SIGTERM: the first asks to stop, the second ends the process at once.
#pragma once

#include <stop_token>

namespace perdure::tools::cli {

/// Takes the two signals over for the rest of the process. Call once, before threads are started.
void watch_interrupts();
/// Asked to stop by the first signal. Never asked before `watch_interrupts`.
[[nodiscard]] std::stop_token interrupted();

}  // namespace perdure::tools::cli
