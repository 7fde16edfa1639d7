#include "tools/cli/interrupt.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <thread>

namespace perdure::tools::cli {

namespace {

int wake_pipe[2] = {-1, -1};
volatile std::sig_atomic_t signals_seen = 0;

std::stop_source& source() {
  static std::stop_source one;
  return one;
}

/// What is durable stays so: nothing is lost by ending here.
extern "C" void on_signal(int) {
  if (signals_seen > 0) ::_exit(1);
  signals_seen = 1;
  const char byte = 1;
  [[maybe_unused]] const auto written = ::write(wake_pipe[1], &byte, 1);
}

}  // namespace

void watch_interrupts() {
  if (wake_pipe[0] >= 0) return;  // they are watched
  if (::pipe2(wake_pipe, O_CLOEXEC) != 0) return;
  source();
  std::thread([] {
    char byte = 0;
    while (::read(wake_pipe[0], &byte, 1) != 1) {
    }
    source().request_stop();
  }).detach();
  struct sigaction how {};
  how.sa_handler = on_signal;
  how.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &how, nullptr);
  ::sigaction(SIGTERM, &how, nullptr);
  ::sigaction(SIGHUP, &how, nullptr);  // its terminal was closed
  // A reader of our output that goes away must not take the runs down.
  ::signal(SIGPIPE, SIG_IGN);
}

std::stop_token interrupted() { return source().get_token(); }

output_watch::output_watch() : on_interrupt_(interrupted(), [this] { source_.request_stop(); }) {
  looking_ = std::jthread([this](const std::stop_token& end) {
    while (!end.stop_requested()) {
      pollfd output{STDOUT_FILENO, 0, 0};
      if (::poll(&output, 1, 100) <= 0) continue;  // POLLERR, POLLHUP: they need not be asked for
      source_.request_stop();
      return;
    }
  });
}

}  // namespace perdure::tools::cli
