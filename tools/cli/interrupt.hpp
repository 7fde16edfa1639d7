// Ctrl-C and SIGTERM: the first asks to stop, the second ends the process at once.
#pragma once

#include <functional>
#include <stop_token>
#include <thread>

namespace perdure::tools::cli {

/// Takes the two signals over for the rest of the process. Call once, before threads are started.
void watch_interrupts();
/// Asked to stop by the first signal. Never asked before `watch_interrupts`.
[[nodiscard]] std::stop_token interrupted();

/// Asks to stop at the first signal, and when nobody reads standard output any more: for output that goes on by itself.
class output_watch {
 public:
  output_watch();
  [[nodiscard]] std::stop_token token() const { return source_.get_token(); }

 private:
  std::stop_source source_;
  std::stop_callback<std::function<void()>> on_interrupt_;
  std::jthread looking_;
};

}  // namespace perdure::tools::cli
