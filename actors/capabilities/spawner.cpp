#include "actors/capabilities/spawner.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <deque>
#include <latch>
#include <list>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "core/assert.hpp"

namespace perdure::actors {

namespace {

using clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

// After its leader ended and its group was killed, a pipe that stays open is held by a program that left the group.
constexpr auto drain_time = 1s;
// What SIGKILL does not end in this time hangs in the kernel.
constexpr auto kill_patience = 5s;
// How often a child without a pidfd (kernels before 5.3) is asked whether it ended.
constexpr auto blind_tick = 20ms;
// Read from one pipe before the others get their turn; no less than a pipe can hold.
constexpr std::size_t read_share = 1U << 20;
// Programs begun before the running ones get their turn.
constexpr int begin_share = 32;
// How long to wait when the system has no room for another process, unless one ends before.
constexpr auto no_room_pause = 100ms;

// Wakes the spawner's thread. Outlives it, because stop callbacks may come late.
struct doorbell {
  unique_fd fd{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::atomic<bool> stops{false};  // some stop token fired
  void ring() const noexcept {
    const std::uint64_t one = 1;
    while (write(fd.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
  }
  void hush() const noexcept {
    std::uint64_t count = 0;
    while (read(fd.get(), &count, sizeof count) < 0 && errno == EINTR) {
    }
  }
};

struct on_stop {
  std::shared_ptr<doorbell> bell;
  void operator()() const noexcept {
    bell->stops = true;
    bell->ring();
  }
};

// One program from its request to its end.
struct task {
  child_request request;
  std::optional<std::stop_callback<on_stop>> watch;
  launched_child child;
  child_exit seen;
  std::optional<launch_failure> not_started;
  bool leader_ended = false;
  bool exit_lost = false;
  bool terminated = false;                     // SIGTERM was sent
  bool killed = false;                         // SIGKILL was sent
  bool touched = false;                        // poll said that there is something to read
  std::optional<clock::time_point> kill_at;    // when SIGKILL follows
  std::optional<clock::time_point> forget_at;  // when we stop waiting: for its pipes, or for SIGKILL to work
};

// Reads what there is; closes the pipe at its end. What does not fit is counted.
void drain(unique_fd& pipe, std::string& into, std::uint64_t& cut) {
  static thread_local std::array<char, 65'536> buffer;
  for (std::size_t total = 0; pipe && total < read_share;) {
    const auto got = read(pipe.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      pipe.reset();
      return;
    }
    const auto size = static_cast<std::size_t>(got);
    const auto kept = std::min(size, limits::process_output_bytes - into.size());
    into.append(buffer.data(), kept);
    cut += size - kept;
    total += size;
  }
}

}  // namespace

struct spawner::state {
  explicit state(options chosen) : config(std::move(chosen)) {}

  options config;
  std::shared_ptr<doorbell> bell = std::make_shared<doorbell>();
  std::thread thread;
  std::latch ready{1};

  mutable std::mutex mutex;
  std::deque<child_request> inbox;  // under the mutex, as the three below
  std::size_t waiting_count = 0;    // inbox and `waiting`
  bool stopping = false;
  bool closing = false;  // the spawner is being destroyed: end when nothing runs
  std::atomic<std::size_t> running_count{0};

  // The thread's own.
  group_reaper reaper;
  std::list<task> waiting;
  std::list<task> tasks;
  std::optional<clock::time_point> begin_again_at;  // the system had no room for another process
  bool ending = false;                              // `closing`, as last read

  void loop();
  void take_inbox();
  void begin_waiting();
  bool begin(std::list<task>::iterator it);
  [[nodiscard]] bool may_begin() const { return !waiting.empty() && tasks.size() < config.running; }
  void heed_stops(bool all);
  void ask_to_end(task& t, bool all);
  void look_after(task& t, clock::time_point now);
  void leader_ended(task& t);
  bool is_over(const task& t) const;
  void finish(std::list<task>::iterator it);
  void guard_reaper();
  clock::time_point wait_for_something();
  void answer(child_request& request, child_end end) noexcept;
  void log(std::string_view line) const {
    if (config.log) config.log(line);
  }
};

void spawner::state::answer(child_request& request, child_end end) noexcept {
  if (auto done = std::exchange(request.done, nullptr)) done(std::move(end));
}

void spawner::state::take_inbox() {
  std::deque<child_request> taken;
  {
    const std::lock_guard lock(mutex);
    taken.swap(inbox);
  }
  for (auto& request : taken) {
    auto& t = waiting.emplace_back();
    t.request = std::move(request);
    t.watch.emplace(t.request.stop, on_stop{bell});
  }
}

void spawner::state::begin_waiting() {
  if (begin_again_at && clock::now() < *begin_again_at) return;
  begin_again_at.reset();
  for (int i = 0; i < begin_share && may_begin(); ++i) {
    const auto it = waiting.begin();
    tasks.splice(tasks.end(), waiting, it);
    if (!begin(it)) {
      waiting.splice(waiting.begin(), tasks, it);
      begin_again_at = clock::now() + no_room_pause;
      break;
    }
    const std::lock_guard lock(mutex);
    --waiting_count;
  }
  running_count = tasks.size();
}

// False when it should be tried again once others have ended.
bool spawner::state::begin(std::list<task>::iterator it) {
  auto& t = *it;
  if (const int error = reaper.ensure()) {
    t.not_started = launch_failure{launch_failure::stage::resources, error};
  } else {
    t.not_started = launch(t.request.what, reaper, t.child);
  }
  if (t.not_started) {
    const int error = t.not_started->error;
    const bool no_room = error == EMFILE || error == ENFILE || error == EAGAIN || error == ENOMEM;
    if (no_room && tasks.size() > 1) {
      t.not_started.reset();
      return false;
    }
    finish(it);
    return true;
  }
  t.request.what = {};  // its input may be large
  return true;
}

void spawner::state::ask_to_end(task& t, bool all) {
  if (t.leader_ended) return;
  const auto now = clock::now();
  const auto until = now + std::max(all ? std::min(t.request.grace, config.shutdown_grace) : t.request.grace, 0ms);
  if (!t.terminated) {
    t.terminated = true;
    t.seen.stopped = true;
    t.kill_at = until;
    kill(-t.child.pid, SIGTERM);
    kill(t.child.pid, SIGTERM);  // in case it has no group yet
  } else if (t.kill_at) {
    t.kill_at = std::min(*t.kill_at, until);
  }
  if (ending && t.killed && !t.forget_at) t.forget_at = now + kill_patience;
}

void spawner::state::heed_stops(bool all) {
  for (auto it = waiting.begin(); it != waiting.end();) {
    const auto here = it++;
    if (!all && !here->request.stop.stop_requested()) continue;
    std::list<task> gone;
    gone.splice(gone.end(), waiting, here);
    {
      const std::lock_guard lock(mutex);
      --waiting_count;
    }
    const bool own = gone.front().request.stop.stop_requested();
    answer(gone.front().request, child_refused{own ? child_refused::reason::stopped : child_refused::reason::shutting_down});
  }
  for (auto& t : tasks) {
    if (all || (!t.terminated && t.request.stop.stop_requested())) ask_to_end(t, all);
  }
}

// The leader is a zombie until it is reaped here, so its number names this group and no other up to that point.
void spawner::state::leader_ended(task& t) {
  siginfo_t how{};
  const int answer = waitid(P_PID, static_cast<id_t>(t.child.pid), &how, WEXITED | WNOHANG | WNOWAIT);
  if (answer == 0 && how.si_pid == 0) return;
  if (answer != 0 && errno == EINTR) return;
  t.leader_ended = true;
  t.kill_at.reset();
  t.forget_at = clock::now() + drain_time;
  if (answer != 0) {
    // Somebody else reaped it; its number may be another's by now, so the group cannot be killed safely.
    t.exit_lost = true;
  } else {
    kill(-t.child.pid, SIGKILL);
    t.seen.by_signal = how.si_code != CLD_EXITED;
    t.seen.code = how.si_status;
  }
  reaper.tell({group_message::verb::drop, static_cast<std::int32_t>(t.child.pid)});
  while (waitpid(t.child.pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  t.child.ended.reset();
}

void spawner::state::look_after(task& t, clock::time_point now) {
  if (t.touched && t.child.report) {
    launch_failure why;
    const auto got = read(t.child.report.get(), &why, sizeof why);
    if (got == static_cast<ssize_t>(sizeof why)) t.not_started = why;
    if (got >= 0 || (errno != EAGAIN && errno != EINTR)) t.child.report.reset();
  }
  if (t.touched) {
    drain(t.child.output, t.seen.output, t.seen.cut_output);
    drain(t.child.error, t.seen.error, t.seen.cut_error);
    if (!t.leader_ended) leader_ended(t);
  }
  if (!t.leader_ended && t.kill_at && now >= *t.kill_at) {
    kill(-t.child.pid, SIGKILL);
    kill(t.child.pid, SIGKILL);
    t.killed = true;
    t.kill_at.reset();
  }
}

bool spawner::state::is_over(const task& t) const {
  if (t.forget_at && clock::now() >= *t.forget_at) return true;
  return t.leader_ended && !t.child.output && !t.child.error && !t.child.report;
}

void spawner::state::finish(std::list<task>::iterator it) {
  std::list<task> gone;
  gone.splice(gone.end(), tasks, it);
  running_count = tasks.size();
  begin_again_at.reset();
  auto& t = gone.front();
  if (t.not_started) {
    answer(t.request, *t.not_started);
  } else if (t.exit_lost || !t.leader_ended) {
    answer(t.request, child_lost{});
  } else {
    answer(t.request, std::move(t.seen));
  }
}

void spawner::state::guard_reaper() {
  if (!reaper.lost()) return;
  log("the process that kills left-over process groups was ended by somebody; it is started again");
  if (const int error = reaper.ensure()) {
    log("it cannot be started: " + std::generic_category().message(error));
    return;
  }
  for (const auto& t : tasks) {
    if (!t.leader_ended) reaper.tell({group_message::verb::add, static_cast<std::int32_t>(t.child.pid)});
  }
}

// Polls and notes which tasks have something to read; gives the time at which it returned.
clock::time_point spawner::state::wait_for_something() {
  static thread_local std::vector<pollfd> fds;
  fds.clear();
  fds.push_back({bell->fd.get(), POLLIN, 0});
  fds.push_back({reaper.socket(), 0, 0});
  auto due = clock::time_point::max();
  const auto each_fd = [](task& t, auto&& visit) {
    for (const auto* fd : {&t.child.output, &t.child.error, &t.child.report, &t.child.ended}) {
      if (*fd) visit(fd->get());
    }
  };
  for (auto& t : tasks) {
    each_fd(t, [](int fd) { fds.push_back({fd, POLLIN, 0}); });
    if (t.kill_at) due = std::min(due, *t.kill_at);
    if (t.forget_at) due = std::min(due, *t.forget_at);
    if (!t.leader_ended && !t.child.ended) due = std::min(due, clock::now() + blind_tick);
  }
  if (may_begin()) due = std::min(due, begin_again_at.value_or(clock::now()));
  int timeout = -1;
  if (due != clock::time_point::max()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(due - clock::now()).count();
    timeout = static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
  }
  poll(fds.data(), static_cast<nfds_t>(fds.size()), timeout);
  auto next = fds.begin() + 2;
  for (auto& t : tasks) {
    t.touched = !t.leader_ended && !t.child.ended;
    each_fd(t, [&](int) { t.touched |= (next++)->revents != 0; });
  }
  return clock::now();
}

void spawner::state::loop() {
  if (const int error = reaper.ensure())
    log("cannot start the process that kills left-over process groups: " + std::generic_category().message(error));
  ready.count_down();
  for (;;) {
    bool all = false;
    {
      const std::lock_guard lock(mutex);
      all = stopping;
      ending = closing;  // nothing comes in any more
    }
    take_inbox();
    if (bell->stops.exchange(false) || all) heed_stops(all);
    begin_waiting();
    if (ending && tasks.empty() && waiting.empty()) break;
    const auto now = wait_for_something();
    bell->hush();
    guard_reaper();
    for (auto it = tasks.begin(); it != tasks.end();) {
      const auto here = it++;
      look_after(*here, now);
      if (is_over(*here)) finish(here);
    }
  }
  reaper.close();
}

spawner::spawner(options chosen) : state_(std::make_shared<state>(std::move(chosen))) {
  PERDURE_ASSERT(state_->bell->fd);
  PERDURE_ASSERT(state_->config.running > 0 && state_->config.running <= group_reaper::max_groups / 2);
  state_->thread = std::thread([self = state_] {
    // The host's handlers run on its own threads, and never in a forked child. Crashes stay crashes.
    sigset_t blocked;
    sigfillset(&blocked);
    for (const int crash : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS}) sigdelset(&blocked, crash);
    pthread_sigmask(SIG_SETMASK, &blocked, nullptr);
    self->loop();
  });
  state_->ready.wait();
}

spawner::~spawner() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    state_->closing = true;
  }
  state_->bell->ring();
  if (state_->thread.get_id() == std::this_thread::get_id()) {
    state_->thread.detach();  // a `done` held the last reference
  } else {
    state_->thread.join();
  }
}

void spawner::start(child_request request) {
  PERDURE_ASSERT(request.done);
  auto refused = child_refused::reason::shutting_down;
  {
    const std::lock_guard lock(state_->mutex);
    if (!state_->stopping) {
      if (state_->waiting_count < state_->config.waiting) {
        ++state_->waiting_count;
        state_->inbox.push_back(std::move(request));
        state_->bell->ring();
        return;
      }
      refused = child_refused::reason::too_many;
    }
  }
  state_->answer(request, child_refused{refused});
}

void spawner::stop_all() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->bell->ring();
}

std::size_t spawner::running() const { return state_->running_count; }

}  // namespace perdure::actors
